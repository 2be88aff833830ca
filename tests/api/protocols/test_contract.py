"""Every protocol is declared in one place, and the application keeps to it."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Response

from engine.api import mount, protocols
from engine.api.errors import Failure, phrase_of
from engine.api.middleware.auth import ACCESS
from engine.api.protocols import PROTOCOLS
from engine.api.protocols.contract import Protocol, run
from engine.api.requests import whole_body
from engine.api.resources import Resources, resources
from engine.api.responses import respond
from engine.records.json_reader import read_body
from engine.records.rows import Records
from engine.runtime.version import StoredVersion
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import EXAMPLES

VERTEX = {"aip_health_route": "/vertex/health", "aip_predict_route": "/vertex/predict"}


@pytest.fixture(scope="module")
def served(toy_store: ModelStore) -> Flask:
    return serve(toy_store, "parcel", **VERTEX)


every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda one: one.name)


@every_protocol
def test_protocol_when_mounted_has_the_views_that_it_declares(
    served: Flask, protocol: Protocol
) -> None:
    views = {rule.endpoint for rule in served.url_map.iter_rules()}

    declared = {f"{protocol.name}.{view}" for view in protocol.access}

    assert {view for view in views if view.startswith(f"{protocol.name}.")} == declared
    assert declared <= set(ACCESS)


@every_protocol
def test_protocol_when_described_describes_its_own_routes(
    served: Flask, protocol: Protocol
) -> None:
    template = json.loads(protocol.description.read_text())
    chosen = {"<health_route>": "/vertex/health", "<predict_route>": "/vertex/predict"}
    rules = [
        rule
        for rule in served.url_map.iter_rules()
        if rule.endpoint.startswith(f"{protocol.name}.")
    ]

    described = [*template.get("paths", {}), *template.get("paths_of_default", {})]

    routed = {rule.rule.replace("<", "{").replace(">", "}") for rule in rules}
    assert routed == {chosen.get(path, path) for path in described}


@every_protocol
def test_protocol_when_a_request_fails_phrases_the_failure(
    served: Flask, protocol: Protocol
) -> None:
    for rule in served.url_map.iter_rules():
        if rule.endpoint.startswith(f"{protocol.name}."):
            assert protocol.phrase is phrase_of(resources(served).phrases, rule.rule, "")


def test_phrases_when_a_path_lies_below_another_protocol_are_its_own(toy_store: ModelStore) -> None:
    nested = serve(toy_store, "parcel", aip_predict_route="/v2/vertex")

    phrase = phrase_of(resources(nested).phrases, "/v2/vertex", "")

    assert "vertex" in phrase.__module__
    assert phrase_of(resources(nested).phrases, "/v2/models", "") is not phrase


def _routes(shared: Resources) -> Blueprint:
    routes = Blueprint("echo", __name__)

    @routes.post("/echo")
    def predict() -> Response:
        version, _, decisions, _ = run(shared.predictor, whole_body(), _read)
        labels = version.answer_columns[0].labelled(decisions)
        return respond(str(labels).encode(), "text/plain")

    return routes


def _read(body: bytes, version: StoredVersion) -> Records:
    return read_body(body, version.schema)


def _phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    return b"echo failed", "text/plain"


def test_protocol_when_one_more_is_listed_is_mounted_and_described(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = tmp_path / "echo.json"
    operation = {"operationId": "echo", "responses": {"failures": [400]}}
    failure: dict[str, Any] = {"content": {"text/plain": {}}}
    template = {"failure": failure, "paths": {"/echo": {"post": operation}}}
    description.write_text(json.dumps(template))
    echo = Protocol(
        "echo", _routes, {"predict": "predict"}, lambda shared: ["/echo"], _phrase, description
    )
    for module in (protocols, mount):
        monkeypatch.setattr(module, "PROTOCOLS", (*PROTOCOLS, echo))
    monkeypatch.setattr("engine.api.openapi.document.PROTOCOLS", (*PROTOCOLS, echo))
    monkeypatch.setattr("engine.api.middleware.auth.ACCESS", {**ACCESS, "echo.predict": "predict"})
    client = serve(toy_store, "parcel").test_client()

    answer = client.post("/echo", data=json.dumps(EXAMPLES["parcel"]))

    assert 200 == answer.status_code
    assert answer.text.startswith("[")
    assert b"echo failed" == client.post("/echo", data=b"{").data
    assert "/echo" in client.get("/openapi.json").get_json()["paths"]
