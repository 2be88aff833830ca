"""The routes that Vertex AI names, and what it sends to them."""

from itertools import islice
from threading import Event

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import MethodNotAllowed, NotFound

from engine.api.errors import Failure, failure_response, refuse_records, sentence
from engine.api.health import not_ready
from engine.api.requests import choose_version, whole_body
from engine.api.responses import json_response, respond, version_headers
from engine.api.statuses import status_of
from engine.records.json_reader import read_json_body
from engine.records.media_types import JSON
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, repeated, step
from engine.records.rows_reader import read_rows
from engine.records.spool import Spool
from engine.records.strict_json import RepeatedKeys, write_json
from engine.records.writers import LinesWriter
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema
from engine.serving.prediction import Predictor
from engine.serving.request import Chosen


class RouteTaken(ValueError):
    """A route that the platform names is another of the service; the message names it."""


def init_app(
    app: Flask, predictor: Predictor, stopping: Event, *, health_route: str, predict_route: str
) -> None:
    """Add the routes that have a path; all ask the default model.

    Parameters
    ----------
    health_route, predict_route : str
        Empty for none.

    Raises
    ------
    RouteTaken
        When there is another route of this path.
    """
    for name, path in (("AIP_HEALTH_ROUTE", health_route), ("AIP_PREDICT_ROUTE", predict_route)):
        if path and _is_taken(app, path):
            raise RouteTaken(f"{name} is {path!r}, a route of the service itself: choose another")
    routes = Blueprint("vertex", __name__)

    def health() -> Response:
        """Say whether the default model answers."""
        if reason := not_ready(predictor.models, stopping):
            return failure_response(Failure(503, reason))
        return json_response({"status": "ready"})

    def predict() -> Response:
        """Predict the instances."""
        body = whole_body()
        chosen = choose_version(predictor, body)
        content = _answer(predictor, chosen, body)
        return respond(content, headers=version_headers(chosen.version))

    if health_route:
        routes.add_url_rule(health_route, view_func=health, methods=["GET"])
    if predict_route:
        routes.add_url_rule(predict_route, view_func=predict, methods=["POST"])
    routes.register_error_handler(InvalidRecords, refuse_records)
    app.register_blueprint(routes)


def phrase(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as Google's services do."""
    status = status_of(found.status).google
    error = {"code": found.status, "message": sentence(found), "status": status}
    return write_json({"error": error}) + b"\n", JSON


def _is_taken(app: Flask, path: str) -> bool:
    routes = app.url_map.bind("localhost")
    try:
        routes.match(path, "GET")
    except MethodNotAllowed:
        return True
    except NotFound:
        return False
    return True


def _answer(predictor: Predictor, chosen: Chosen, body: bytes) -> bytes:
    decisions, warnings = predictor.decide_records(chosen, _read(body, chosen.version.schema))
    spool = Spool(2**31, what="the answer")
    LinesWriter(chosen.version, spool).add(decisions, warnings)
    listed = spool.whole().rstrip(b"\n").replace(b"\n", b",")
    return b'{"predictions":[' + listed + b"]}\n"


def _read(body: bytes, schema: Schema) -> Records:
    value = read_json_body(body, takes_nan=True)
    if not isinstance(value, dict) or "instances" not in value:
        raise BadRequest(400, 'the body has no instances: send {"instances": [...]}')
    problems = [
        Problem(step(name), "stands beside instances: leave it out", Code.EXTRA)
        for name in islice(value, PROBLEMS_LISTED + 3)
        if name not in ("instances", "parameters")
    ]
    if isinstance(value, RepeatedKeys):
        problems += [repeated(step(name)) for name in value.repeated]
    if value.get("parameters") not in (None, {}):
        detail = "holds something, and the model has no parameters: leave it out"
        problems.append(Problem("/parameters", detail, Code.EXTRA))
    rows = value["instances"]
    if not isinstance(rows, list):
        detail = f"is {shown(rows)}: send a list of records"
        problems.append(Problem("/instances", detail, Code.WRONG_TYPE))
    if problems:
        raise InvalidRecords(problems)
    return read_rows(rows, schema, at="/instances")
