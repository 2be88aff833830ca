"""The Open Inference Protocol V2 over REST, as Triton, KServe and MLServer speak it.

An adapter: requests become records for the one prediction function, its
decisions become tensors.
"""

import logging
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from engine.api.errors import Failure, failure_response, refuse_records
from engine.api.health import not_ready
from engine.api.protocols.compression import inflated_body
from engine.api.protocols.contract import PUBLIC, Protocol, run
from engine.api.protocols.error_line import phrase_line
from engine.api.protocols.v2.binary import HEADER_LENGTH
from engine.api.protocols.v2.request import InferRequest, read_request
from engine.api.protocols.v2.response import describe_model, list_outputs, write_answer
from engine.api.requests import may_see
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.records.json_reader import read_json_body
from engine.records.problems import BadRequest, InvalidRecords
from engine.runtime.version import StoredVersion
from engine.serving.model_cache import ModelCache
from persistence.store_errors import StoreError

_log = logging.getLogger(__name__)

#: What the protocol leaves open and is done here.
EXTENSIONS = ["binary_tensor_data"]

_NO_LOADING = "versions are loaded on first use and leave by themselves: just ask the model"


def _routes(shared: Resources) -> Blueprint:
    """Return the routes of the protocol."""
    routes, models = Blueprint("v2", __name__), shared.models
    _add_health(routes, shared)
    _add_models(routes, models)
    _add_repository(routes, models)

    @routes.post("/v2/models/<name>/infer", defaults={"version": None})
    @routes.post("/v2/models/<name>/versions/<version>/infer")
    def infer(name: str, version: str | None) -> Response:
        """Predict the records that tensors hold."""
        body = inflated_body()
        return run(
            shared.predictor,
            body,
            _read,
            write_answer,
            model=name,
            version=version,
            names_version=False,
        )

    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _read(body: bytes, version: StoredVersion) -> InferRequest:
    header_length = request.headers.get(HEADER_LENGTH)
    offered = list_outputs(version)
    return read_request(body, header_length, schema=version.schema, offered=offered)


def _add_health(routes: Blueprint, shared: Resources) -> None:
    @routes.get("/v2")
    def server() -> Response:
        """Name the service and what it does beside the protocol."""
        own = {"name": shared.service, "version": shared.version}
        return json_response({**own, "extensions": EXTENSIONS})

    @routes.get("/v2/health/live")
    def live() -> Response:
        """Say that the process answers."""
        return json_response({"live": True})

    @routes.get("/v2/health/ready")
    def ready() -> Response:
        """Say whether the service is ready, as ``/readyz`` does."""
        return _readiness({"live": True}, not_ready(shared.models, shared.stopping))


def _add_models(routes: Blueprint, models: ModelCache) -> None:
    @routes.get("/v2/models")
    def show_models() -> Response:
        """Name the models that have a promoted version."""
        return json_response({"models": [*filter(may_see, models.store.names())]})

    @routes.get("/v2/models/<name>", defaults={"version": None})
    @routes.get("/v2/models/<name>/versions/<version>")
    def show_model(name: str, version: str | None) -> Response:
        """Describe a version's inputs and outputs."""
        card = models.card(name, version)
        versions = models.store.versions(name) if version is None else [version]
        return json_response(describe_model(card, versions))

    @routes.get("/v2/models/<name>/ready", defaults={"version": None})
    @routes.get("/v2/models/<name>/versions/<version>/ready")
    def model_ready(name: str, version: str | None) -> Response:
        """Say whether a version answers its worked example."""
        trouble = models.get(name, version).self_test()
        if trouble:
            _log.error("%s is not ready: %s", name, trouble)
        reason = "the model does not answer; the log says why" if trouble else None
        return _readiness({"name": name}, reason)


def _add_repository(routes: Blueprint, models: ModelCache) -> None:
    @routes.post("/v2/repository/index")
    def index() -> Response:
        """List every version of every model, and whether it can be asked."""
        is_ready_only = _wants_ready_only(inflated_body())
        states = [
            _state(models, name, version)
            for name in filter(may_see, models.store.names())
            for version in models.store.versions(name)
        ]
        ready = [one for one in states if one["state"] == "READY"]
        return json_response(ready if is_ready_only else states)

    @routes.post("/v2/repository/models/<name>/load")
    def load(name: str) -> Response:
        """Say that loading is not asked for."""
        return failure_response(Failure(501, _NO_LOADING))

    @routes.post("/v2/repository/models/<name>/unload")
    def unload(name: str) -> Response:
        """Say that unloading is not asked for."""
        return failure_response(Failure(501, _NO_LOADING))


def _readiness(told: dict[str, Any], reason: str | None) -> Response:
    if reason is None:
        return json_response({**told, "ready": True})
    answer = json_response({**told, "ready": False, "error": reason})
    answer.status_code = 503
    return answer


def _wants_ready_only(body: bytes) -> bool:
    """Read the body of an index request, which may be empty."""
    asked = read_json_body(body) if body.strip() else {}
    wish = asked.get("ready", False) if isinstance(asked, dict) else None
    if not isinstance(wish, bool):
        raise BadRequest(400, 'the body is another: send none, or {"ready": true}')
    return wish


def _state(models: ModelCache, name: str, version: str) -> dict[str, Any]:
    found = {"name": name, "version": version, "state": "READY", "reason": ""}
    try:
        models.card(name, version)
    except StoreError as error:
        _log.error("unavailable: %s", error)
        return {**found, "state": "UNAVAILABLE", "reason": "it was refused; the log says why"}
    return found


PROTOCOL = Protocol(
    name="v2",
    routes=_routes,
    access={
        "server": PUBLIC, "live": PUBLIC, "ready": PUBLIC,
        "show_models": "read", "show_model": "read", "model_ready": "read", "index": "read",
        "infer": "predict", "load": "publish", "unload": "publish",
    },
    paths=lambda shared: ["/v2"],
    phrase=phrase_line,
    description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
