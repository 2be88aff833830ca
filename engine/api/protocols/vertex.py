"""The routes whose paths Vertex AI chooses, and what it sends to them."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map

from engine.api.errors import Failure, failure_response, refuse_records, sentence
from engine.api.health import not_ready
from engine.api.protocols.contract import PUBLIC, Protocol, Written, run
from engine.api.requests import whole_body
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.api.statuses import status_of
from engine.records.json_reader import read_json_body
from engine.records.media_types import JSON
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, pointer_to, repeated
from engine.records.rows_reader import read_rows
from engine.records.strict_json import RepeatedKeys, write_json
from engine.records.validation import Accepted
from engine.records.writers import LinesWriter, write_with
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion
from engine.schema.messages import shown
from engine.schema.problem_codes import Code


class RouteTaken(ValueError):
    """A path that the platform chooses is another of the service; the message names it."""


def check_routes(app: Flask, shared: Resources) -> None:
    """Check that the chosen paths are not those of other routes, once all are mounted.

    Raises
    ------
    RouteTaken
        When one of them is.
    """
    chosen = {"AIP_HEALTH_ROUTE": shared.health_route, "AIP_PREDICT_ROUTE": shared.predict_route}
    others = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("vertex.")]
    routes = Map([rule.empty() for rule in others], merge_slashes=False).bind("localhost")
    for name, path in chosen.items():
        try:
            if path:
                routes.match(path, "GET")
        except NotFound:
            continue
        except MethodNotAllowed:
            pass
        if path:
            raise RouteTaken(f"{name} is {path!r}, a route of the service itself: choose another")


def _routes(shared: Resources) -> Blueprint:
    """Return the routes that have a path; the default model answers."""
    routes = Blueprint("vertex", __name__)

    def health() -> Response:
        """Report whether the default model answers."""
        if reason := not_ready(shared.models, shared.stopping):
            return failure_response(Failure(503, reason))
        return json_response({"status": "ready"})

    def predict() -> Response:
        """Predict the instances."""
        return run(shared.predictor, whole_body(), _read, _write)

    if shared.health_route:
        routes.add_url_rule(shared.health_route, view_func=health, methods=["GET"])
    if shared.predict_route:
        routes.add_url_rule(shared.predict_route, view_func=predict, methods=["POST"])
    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _read(body: bytes, version: StoredVersion) -> Records:
    """Read ``{"instances": [...]}``, beside which only empty parameters may stand."""
    value = read_json_body(body, takes_nan=True)
    if not isinstance(value, dict) or "instances" not in value:
        raise BadRequest(400, 'the body has no instances: send {"instances": [...]}')
    problems = [
        Problem(pointer_to(name), "stands beside instances: leave it out", Code.EXTRA)
        for name in islice(value, PROBLEMS_LISTED + 3)
        if name not in ("instances", "parameters")
    ]
    if isinstance(value, RepeatedKeys):
        problems += [repeated(pointer_to(name)) for name in value.repeated]
    if value.get("parameters") not in (None, {}):
        detail = "holds something, and the model has no parameters: leave it out"
        problems.append(Problem("/parameters", detail, Code.EXTRA))
    rows = value["instances"]
    if not isinstance(rows, list):
        detail = f"is {shown(rows)}: send a list of records"
        problems.append(Problem("/instances", detail, Code.WRONG_TYPE))
    if problems:
        raise InvalidRecords(problems)
    return read_rows(rows, version.schema, at="/instances")


def _write(
    version: StoredVersion, records: Records, decisions: Decisions, warnings: Sequence[Accepted]
) -> Written:
    lines = write_with(LinesWriter, version, decisions, warnings).whole()
    rows = lines.rstrip(b"\n").replace(b"\n", b",")
    return Written(b'{"predictions":[' + rows + b"]}\n")


def _phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as Google's services do."""
    status = status_of(failure.status).google
    error = {"code": failure.status, "message": sentence(failure), "status": status}
    return write_json({"error": error}) + b"\n", JSON


PROTOCOL = Protocol(
    name="vertex",
    routes=_routes,
    access={"health": PUBLIC, "predict": "predict"},
    paths=lambda shared: [*filter(None, (shared.health_route, shared.predict_route))],
    phrase=_phrase,
    description=Path(__file__).with_suffix(".json"),
)
