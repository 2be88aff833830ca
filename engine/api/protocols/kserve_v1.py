"""KServe's V1 protocol: instances in, predictions out. An adapter, as `api/v2.py`."""

from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from engine.api.errors import Failure, failure_response, refuse_records
from engine.api.middleware.auth import may_see
from engine.api.protocols.compression import inflated_body
from engine.api.protocols.error_line import write_line
from engine.api.requests import choose_version
from engine.api.responses import json_response, version_headers
from engine.records.json_reader import read_json_body
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.rows import Records
from engine.records.rows_reader import read_rows
from engine.records.strict_json import RepeatedKeys
from engine.records.values_writer import values_of
from engine.schema.record_schema import Schema
from engine.serving.prediction import Predictor

_VERBS = (":predict", ":explain")


def blueprint(predictor: Predictor) -> Blueprint:
    """Give the routes of the protocol."""
    routes = Blueprint("v1", __name__)
    models = predictor.models

    @routes.get("/v1/models")
    def show_models() -> Response:
        """Name the models that have a promoted version."""
        return json_response({"models": [*filter(may_see, models.store.names())]})

    @routes.get("/v1/models/<name>")
    def model_ready(name: str) -> Response:
        """Say whether a model answers its worked example."""
        if name.endswith(_VERBS):
            raise MethodNotAllowed(["POST", "OPTIONS"])
        if models.get(name).self_test():
            return failure_response(Failure(503, f"model {name!r} does not answer"))
        return json_response({"name": name, "ready": True})

    @routes.post("/v1/models/<name>:predict")
    def predict(name: str) -> Response:
        """Predict instances."""
        body = inflated_body()
        chosen = choose_version(predictor, body, model=name)
        version = chosen.version
        records = read_instances(body, version.schema)
        decisions, warnings = predictor.decide_records(chosen, records)
        found: dict[str, Any] = {"predictions": values_of(version, decisions)}
        if warnings:
            found["warnings"] = write_line([one.problem for one in warnings])
        answer = json_response(found)
        answer.headers.update(version_headers(version))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @routes.post("/v1/models/<name>:explain")
    def explain(name: str) -> Response:
        """Say that no explanations are given."""
        return failure_response(Failure(501, "there are no explanations here: use :predict"))

    routes.after_request(_allow)
    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _allow(answer: Response) -> Response:
    """Leave out what may be asked of a model, but not of a verb."""
    if request.method == "OPTIONS" and request.path.endswith(_VERBS):
        answer.headers["Allow"] = "OPTIONS, POST"
    return answer


def read_instances(body: bytes, schema: Schema) -> Records:
    """Read ``{"instances": [...]}``: records, or rows in the schema's order.

    NaN stands for a gap, as null does.

    Raises
    ------
    BadRequest
        413 for too many records, 400 for a body that is malformed.
    """
    asked = read_json_body(body, takes_nan=True)
    rows = asked.get("instances") if isinstance(asked, dict) else None
    if not isinstance(rows, list):
        raise BadRequest(400, 'the body has no list of instances: send {"instances": [...]}')
    if isinstance(asked, RepeatedKeys) and "instances" in asked.repeated:
        raise BadRequest(400, "the body has instances twice: send them once")
    return read_rows(rows, schema, at="/instances")
