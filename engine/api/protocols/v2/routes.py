"""The Open Inference Protocol V2 over REST, as Triton, KServe and MLServer speak it."""

import logging
import re
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from engine.api.errors import Failure, failure_response, refuse_records
from engine.api.health import not_ready
from engine.api.paging import MOST, page_of
from engine.api.protocols.contract import PUBLIC, Protocol, run
from engine.api.protocols.error_line import phrase_line
from engine.api.protocols.model_names import list_names
from engine.api.protocols.v2.binary import HEADER_LENGTH
from engine.api.protocols.v2.request import InferRequest, read_request
from engine.api.protocols.v2.response import describe_model, list_outputs, write_answer
from engine.api.requests import may_see, whole_body
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.languages import gettext as _
from engine.records.json_reader import read_json_body
from engine.records.problems import BadRequest, InvalidRecords
from engine.runtime.version import StoredVersion
from engine.serving.model_cache import ModelCache
from persistence.names import NAME, VERSION
from persistence.store_errors import StoreError

_log = logging.getLogger(__name__)

#: An entry of the index: a model and a version.
_ROW = re.compile(f"{NAME.pattern}/{VERSION.pattern}")


def _routes(shared: Resources) -> Blueprint:
    """Return the routes of the protocol."""
    routes = Blueprint("v2", __name__)
    _add_health(routes, shared)
    _add_models(routes, shared.models)
    _add_repository(routes, shared.models)

    @routes.post("/v2/models/<name>/infer", defaults={"version": None})
    @routes.post("/v2/models/<name>/versions/<version>/infer")
    def infer(name: str, version: str | None) -> Response:
        """Predict the records that tensors hold."""
        body = whole_body()
        return write_answer(*run(shared.predictor, body, _read, model=name, version=version))

    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _read(body: bytes, version: StoredVersion) -> InferRequest:
    length, offered = request.headers.get(HEADER_LENGTH), list_outputs(version)
    return read_request(
        body, length, schema=version.schema, offered=offered, decoder=version.decoder
    )


def _add_health(routes: Blueprint, shared: Resources) -> None:
    @routes.get("/v2")
    def server() -> Response:
        """Name the service, and the optional parts of the protocol that it supports."""
        named = {"name": shared.service, "version": shared.version}
        return json_response({**named, "extensions": ["binary_tensor_data"]})

    @routes.get("/v2/health/live")
    def live() -> Response:
        """Report that the process answers."""
        return json_response({"live": True})

    @routes.get("/v2/health/ready")
    def ready() -> Response:
        """Report whether the service is ready, as ``/readyz`` does."""
        return _readiness({"live": True}, not_ready(shared.models, shared.stopping))


def _add_models(routes: Blueprint, models: ModelCache) -> None:
    @routes.get("/v2/models")
    def show_models() -> Response:
        """List the models that have a promoted version."""
        return list_names(models)

    @routes.get("/v2/models/<name>", defaults={"version": None})
    @routes.get("/v2/models/<name>/versions/<version>")
    def show_model(name: str, version: str | None) -> Response:
        """Describe a version's inputs and outputs."""
        card = models.card(name, version)
        versions = models.store.versions(name)[-MOST:] if version is None else [card["version"]]
        return json_response(describe_model(card, versions))

    @routes.get("/v2/models/<name>/ready", defaults={"version": None})
    @routes.get("/v2/models/<name>/versions/<version>/ready")
    def model_ready(name: str, version: str | None) -> Response:
        """Report whether a version answers its worked example."""
        reason = None
        if trouble := models.get(name, version).self_test():
            _log.error("%s is not ready: %s", name, trouble)
            reason = _("the model does not answer; the log says why")
        return _readiness({"name": name}, reason)


def _add_repository(routes: Blueprint, models: ModelCache) -> None:
    @routes.post("/v2/repository/index")
    def index() -> Response:
        """List the versions of all models, the newest first, and whether each can answer."""
        body = whole_body()
        options = read_json_body(body) if body.strip() else {}
        is_ready_only = options.get("ready", False) if isinstance(options, dict) else None
        if not isinstance(is_ready_only, bool):
            raise BadRequest(
                400, _('the body is not an index request: send none, or {"ready": true}')
            )
        rows = [
            f"{name}/{version}"
            for name in filter(may_see, models.store.names())
            for version in reversed(models.store.versions(name))
        ]
        page = page_of(rows, _ROW, is_after=_is_after, usual=MOST)
        states = [_state(models, *row.split("/")) for row in page.names]
        ready = [state for state in states if state["state"] == "READY"]
        return page.link(json_response(ready if is_ready_only else states))

    @routes.post("/v2/repository/models/<name>/load")
    @routes.post("/v2/repository/models/<name>/unload")
    def load(name: str) -> Response:
        """Refuse to load or unload a version."""
        detail = _("versions are loaded on first use and leave by themselves: just ask the model")
        return failure_response(Failure(501, detail))


def _is_after(row: str, other: str) -> bool:
    (name, version), (other_name, other_version) = row.split("/"), other.split("/")
    return name > other_name or (name == other_name and version < other_version)


def _readiness(subject: dict[str, Any], reason: str | None) -> Response:
    trouble = {"error": reason} if reason else {}
    response = json_response({**subject, "ready": not reason, **trouble})
    response.status_code = 503 if reason else 200
    return response


def _state(models: ModelCache, name: str, version: str) -> dict[str, Any]:
    state, reason = "READY", ""
    try:
        models.card(name, version)
    except StoreError as error:
        _log.error("unavailable: %s", error)
        state, reason = "UNAVAILABLE", _("it was refused; the log says why")
    return {"name": name, "version": version, "state": state, "reason": reason}


PROTOCOL = Protocol(
    "v2", _routes,
    access={
        "server": PUBLIC, "live": PUBLIC, "ready": PUBLIC,
        "show_models": "read", "show_model": "read", "model_ready": "read", "index": "read",
        "infer": "predict", "load": "publish",
    },
    paths=lambda shared: ["/v2"], phrase=phrase_line,
    description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
