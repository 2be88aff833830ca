"""The route that vetiver's client asks."""

from pathlib import Path

from flask import Blueprint, Response

from engine.api.errors import Failure, sentence
from engine.api.protocols.contract import Protocol, run
from engine.api.requests import whole_body
from engine.api.resources import Resources
from engine.api.responses import respond, version_headers
from engine.records.json_reader import read_json_body
from engine.records.plain_records import read_plain
from engine.records.rows import Records
from engine.records.rows_reader import read_instances
from engine.records.strict_json import write_json
from engine.runtime.answers import echoed
from engine.runtime.version import StoredVersion


def _routes(shared: Resources) -> Blueprint:
    """Return the route; the default model answers."""
    routes = Blueprint("vetiver", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict a list of records, or columns."""
        version, _, decisions, _ = run(shared.predictor, whole_body(), _read)
        columns = version.answer_columns
        answer = {"predict": columns[0].labelled(decisions), **echoed(columns, decisions)}
        return respond(write_json(answer) + b"\n", headers=version_headers(version))

    return routes


def _read(body: bytes, version: StoredVersion) -> Records:
    if records := read_plain(body, "", version.schema, version.decoder, takes_columns=True):
        return records
    return read_instances(read_json_body(body, takes_nan=True), version.schema, at="")


def _phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as text, which vetiver's client shows."""
    return f"{sentence(failure)}\n".encode(), "text/plain; charset=utf-8"


PROTOCOL = Protocol(
    "vetiver", _routes, access={"predict": "predict"}, paths=lambda shared: ["/predict"],
    phrase=_phrase, description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
