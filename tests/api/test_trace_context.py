"""Traces: the client's own, in what is answered and logged, and sent to a collector."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from engine.api.trace_context import trace_id
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.serving import running, wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARCEL = EXAMPLES["parcel"]


@pytest.mark.parametrize(
    "given", [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00", f"cc-{TRACE}-{PARENT}-01-more"]
)
def test_trace_when_valid_is_the_clients(given: str, toy_client: FlaskClient) -> None:
    answer = toy_client.post("/v0/predict", json={}, headers={"traceparent": given})

    assert TRACE == answer.get_json()["trace_id"]


@pytest.mark.parametrize(
    "given",
    [
        "x", "",
        f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more", f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01\n", "é" * 40,
    ],
)  # fmt: skip
def test_trace_when_not_valid_is_a_new_one(given: str) -> None:
    found = trace_id(given)

    assert re.fullmatch("[0-9a-f]{32}", found)
    assert found != TRACE != trace_id(given) != found


def test_trace_when_not_named_stands_nowhere(toy_client: FlaskClient) -> None:
    named = toy_client.post("/v0/predict", json=PARCEL, headers={"traceparent": "bad"})
    plain = toy_client.post("/v0/predict", json={})

    assert 200 == named.status_code
    assert "trace_id" not in plain.get_json()
    assert not [name for name, _ in named.headers if "trace" in name.lower()]


class Collector:
    """Takes traces by OTLP over HTTP, as a real one does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        found = self

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken = ExportTraceServiceRequest.FromString(body)
                for resource in taken.resource_spans:
                    for one in resource.resource.attributes:
                        if one.key == "service.name":
                            found.services.add(one.value.string_value)
                    for scope in resource.scope_spans:
                        found.spans += scope.spans
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def of(self, trace: str) -> dict[str, Any]:
        """Give the spans of a trace by name."""
        return {one.name: one for one in self.spans if one.trace_id.hex() == trace}


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.mark.slow
def test_spans_when_an_endpoint_is_set_reach_it(
    toy_store: ModelStore, tmp_path: Path, collector: Collector
) -> None:
    request = "POST /v0/predict"
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        otel_exporter_otlp_endpoint=collector.address, otel_bsp_schedule_delay=100,
    ) as server:  # fmt: skip
        connection = server.connect()
        headers = {
            "Content-Type": "application/json", "traceparent": f"00-{TRACE}-{PARENT}-01"
        }  # fmt: skip
        connection.request("POST", "/v0/predict", '{"weight": "x"}', headers)
        problem = connection.getresponse().read().decode()
        assert 200 == server.ask("/v0/predict", PARCEL)[0]
        wait_until(lambda: request in collector.of(TRACE), "the request's span")
        assert 0 == server.stop()
        said = server.log.read_text()

    assert f'"trace_id":"{TRACE}"' in problem
    found = collector.of(TRACE)
    assert (PARENT, found[request].span_id) == (
        found[request].parent_span_id.hex(),
        found["validate"].parent_span_id,
    )
    (other,) = (one for one in collector.spans if one.name == "predict")
    (above,) = (one for one in collector.spans if one.span_id == other.parent_span_id)
    given = {one.key: one.value.string_value or one.value.int_value for one in above.attributes}
    assert (request, 200, "/v0/predict", "parcel") == (
        above.name, given["http.response.status_code"], given["http.route"], given["service.model"],
    )  # fmt: skip
    assert {"Pronto"} == collector.services
    assert "the fast path is off" in said and "engine.api.middleware.tracing.Spans.begin" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_service_when_opentelemetry_is_not_installed_says_so_and_serves(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry/__init__.py").write_text(
        "raise ModuleNotFoundError('none here', name='opentelemetry')"
    )
    with running(
        tmp_path, until="/readyz", pythonpath=tmp_path, model_store=toy_store.root,
        default_model="parcel", otel_exporter_otlp_endpoint="http://127.0.0.1:9",
    ) as server:  # fmt: skip
        assert 200 == server.ask("/v0/predict", PARCEL)[0]
        said = server.log.read_text()

    assert 1 == said.count("nothing is traced: opentelemetry is not installed; pip install")
    assert "the fast path is off" not in said
