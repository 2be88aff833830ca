"""KServe's V1 protocol: instances in, predictions out."""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from engine.api.errors import Failure, failure_response, refuse_records
from engine.api.protocols.contract import Protocol, run
from engine.api.protocols.error_line import phrase_line, write_line
from engine.api.protocols.model_names import list_names
from engine.api.requests import whole_body
from engine.api.resources import Resources
from engine.api.responses import json_response, respond, version_headers
from engine.languages import gettext as _
from engine.records.json_reader import read_json_body
from engine.records.plain_records import read_plain
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.rows import Records
from engine.records.rows_reader import read_rows
from engine.records.strict_json import RepeatedKeys, write_json
from engine.runtime.answers import echoed
from engine.runtime.version import StoredVersion

_VERBS = (":predict", ":explain")


def _routes(shared: Resources) -> Blueprint:
    """Return the routes of the protocol."""
    routes, models = Blueprint("v1", __name__), shared.models

    @routes.get("/v1/models")
    def show_models() -> Response:
        """List the models that have a promoted version."""
        return list_names(models)

    @routes.get("/v1/models/<name>")
    def model_ready(name: str) -> Response:
        """Report whether a model answers its worked example."""
        if name.endswith(_VERBS):
            raise MethodNotAllowed(["POST", "OPTIONS"])
        if models.get(name).self_test():
            return failure_response(
                Failure(503, _("model {name} does not answer").format(name=repr(name)))
            )
        return json_response({"name": name, "ready": True})

    @routes.post("/v1/models/<name>:predict")
    def predict(name: str) -> Response:
        """Predict instances."""
        body = whole_body()
        version, _, decisions, warnings = run(shared.predictor, body, _read, model=name)
        columns = version.answer_columns
        answer: dict[str, Any] = {"predictions": columns[0].labelled(decisions)}
        answer |= echoed(columns, decisions)
        if warnings:
            answer["warnings"] = write_line([warning.problem for warning in warnings])
        return respond(write_json(answer) + b"\n", headers=version_headers(version))

    @routes.post("/v1/models/<name>:explain")
    def explain(name: str) -> Response:
        """Refuse to explain a prediction."""
        return failure_response(Failure(501, _("there are no explanations here: use :predict")))

    routes.after_request(_allow)
    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _allow(response: Response) -> Response:
    """Take out the methods that a model allows, but not a verb."""
    if request.method == "OPTIONS" and request.path.endswith(_VERBS):
        response.headers["Allow"] = "OPTIONS, POST"
    return response


def _read(body: bytes, version: StoredVersion) -> Records:
    """Read ``{"instances": [...]}``: records, or rows in the schema's order."""
    if records := read_plain(body, "instances", version.schema, version.decoder):
        return records
    value = read_json_body(body, takes_nan=True)
    rows = value.get("instances") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise BadRequest(400, _('the body has no list of instances: send {"instances": [...]}'))
    if isinstance(value, RepeatedKeys) and "instances" in value.repeated:
        raise BadRequest(400, _("the body has instances twice: send them once"))
    return read_rows(rows, version.schema, at="/instances")


PROTOCOL = Protocol(
    "v1", _routes,
    access={
        "show_models": "read", "model_ready": "read", "predict": "predict", "explain": "predict"
    },
    paths=lambda shared: ["/v1"], phrase=phrase_line,
    description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
