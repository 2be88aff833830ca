"""The route that vetiver's client asks."""

from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, Response

from engine.api.errors import Failure, sentence
from engine.api.protocols.contract import Protocol, Written, run
from engine.api.requests import whole_body
from engine.api.resources import Resources
from engine.records.json_reader import read_json_body
from engine.records.rows import Records
from engine.records.rows_reader import read_instances
from engine.records.strict_json import write_json
from engine.records.validation import Accepted
from engine.records.values_writer import predicted_values
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion


def _routes(shared: Resources) -> Blueprint:
    """Return the route; the default model answers."""
    routes = Blueprint("vetiver", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict a list of records, or columns."""
        return run(shared.predictor, whole_body(), _read, _write)

    return routes


def _read(body: bytes, version: StoredVersion) -> Records:
    return read_instances(read_json_body(body, takes_nan=True), version.schema, at="")


def _write(
    version: StoredVersion, records: Records, decisions: Decisions, warnings: Sequence[Accepted]
) -> Written:
    values = {"predict": predicted_values(version, decisions)}
    return Written(write_json(values) + b"\n")


def _phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as text, which vetiver's client shows."""
    return f"{sentence(failure)}\n".encode(), "text/plain; charset=utf-8"


PROTOCOL = Protocol(
    name="vetiver",
    routes=_routes,
    access={"predict": "predict"},
    paths=lambda shared: ["/predict"],
    phrase=_phrase,
    description=Path(__file__).with_suffix(".json"),
)
