"""The routes whose paths Vertex AI chooses, and what it sends to them."""

from pathlib import Path

from flask import Blueprint, Flask, Response
from werkzeug.routing import Map

from engine.api.errors import Failure, failure_response, refuse_records, sentence
from engine.api.health import not_ready
from engine.api.protocols.contract import PUBLIC, Protocol, run
from engine.api.requests import whole_body
from engine.api.resources import Resources
from engine.api.responses import json_response, respond, version_headers
from engine.api.statuses import status_of
from engine.languages import gettext as _
from engine.records.json_reader import read_json_body
from engine.records.media_types import JSON
from engine.records.plain_records import read_plain
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, extra_keys, repeated_keys
from engine.records.rows_reader import read_rows
from engine.records.strict_json import write_json
from engine.records.writers import LinesWriter, write_with
from engine.runtime.version import StoredVersion
from engine.schema.messages import shown
from engine.schema.problem_codes import Code


class RouteTaken(ValueError):
    """A path that the platform chooses is another route of the service."""


def check_routes(app: Flask, shared: Resources) -> None:
    """Raise `RouteTaken` when a chosen path is that of another route, once all are mounted."""
    chosen = {"AIP_HEALTH_ROUTE": shared.health_route, "AIP_PREDICT_ROUTE": shared.predict_route}
    if not any(chosen.values()):
        return  # a second map of all routes takes a start as long as the first
    others = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("vertex.")]
    routes = Map([rule.empty() for rule in others], merge_slashes=False).bind("localhost")
    for name, path in chosen.items():
        if path and routes.allowed_methods(path):
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
        version, _, decisions, warnings = run(shared.predictor, whole_body(), _read)
        lines = write_with(LinesWriter, version, decisions, warnings).whole()
        rows = lines.rstrip(b"\n").replace(b"\n", b",")
        return respond(b'{"predictions":[' + rows + b"]}\n", headers=version_headers(version))

    if shared.health_route:
        routes.add_url_rule(shared.health_route, view_func=health, methods=["GET"])
    if shared.predict_route:
        routes.add_url_rule(shared.predict_route, view_func=predict, methods=["POST"])
    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _read(body: bytes, version: StoredVersion) -> Records:
    """Read ``{"instances": [...]}``, beside which only empty parameters may stand."""
    if records := read_plain(body, "instances", version.schema, version.decoder):
        return records
    value = read_json_body(body, takes_nan=True)
    if not isinstance(value, dict) or "instances" not in value:
        raise BadRequest(400, _('the body has no instances: send {"instances": [...]}'))
    problems = extra_keys(value, beside="instances", allowed=["parameters"])
    problems += repeated_keys(value)
    if value.get("parameters") not in (None, {}):
        detail = _("holds something, and the model has no parameters: leave it out")
        problems.append(Problem("/parameters", detail, Code.EXTRA))
    rows = value["instances"]
    if not isinstance(rows, list):
        problems.append(
            Problem("/instances", _("is {rows}: send a list of records").format(rows=shown(rows)))
        )
    if problems:
        raise InvalidRecords(problems)
    return read_rows(rows, version.schema, at="/instances")


def _phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as Google's services do."""
    code, status = failure.status, status_of(failure.status).google
    error = {"code": code, "message": sentence(failure), "status": status}
    return write_json({"error": error}) + b"\n", JSON


PROTOCOL = Protocol(
    "vertex", _routes, access={"health": PUBLIC, "predict": "predict"},
    paths=lambda shared: [*filter(None, (shared.health_route, shared.predict_route))],
    phrase=_phrase, description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
