"""What is logged: one line for each thing, whatever a client writes."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from engine.api.log_format import JsonLines, TextLines
from persistence.model_persistence import ModelStore
from settings import Settings
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES
from tests.support.raw_http import connect, read_answer, request
from tests.support.serving import running, wait_until

PARCEL = EXAMPLES["parcel"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NASTY = "a\r\nb\x1b[31mc\u2028d\x85e\x9b"


def record(message: str, *arguments: Any, **others: Any) -> logging.LogRecord:
    return logging.LogRecord("api.here", logging.ERROR, "", 0, message, arguments, None, **others)


def failed() -> logging.LogRecord:
    try:
        raise ValueError(NASTY)
    except ValueError:
        found = record("it failed: %s", NASTY)
        found.exc_info = sys.exc_info()
        return found


def test_line_when_of_json_is_an_object_with_the_event_first() -> None:
    one = record("%s is odd", "this")
    one.fields = {"status": 200, "key": None}

    found = json.loads(JsonLines().format(one))

    assert ["time", "level", "logger", "event", "status", "pid"] == list(found)
    assert ("error", "api.here", "this is odd") == (found["level"], found["logger"], found["event"])
    at = datetime.fromisoformat(found["time"])
    assert UTC.utcoffset(at) == at.utcoffset()
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_line_when_its_text_would_break_lines_stays_one() -> None:
    written = JsonLines().format(failed())

    assert [written] == written.splitlines()
    assert written.isprintable() and written.isascii()
    found = json.loads(written)
    assert f"it failed: {NASTY}" == found["event"]
    assert "Traceback" in found["traceback"]


def test_text_when_a_client_wrote_it_begins_no_line_and_steers_no_terminal() -> None:
    first, *others = TextLines().format(failed()).split("\n")

    assert "ERROR api.here: it failed: a\\r\\nb\\x1b[31mc" in first
    assert others and all(one.startswith("  ") for one in others)
    assert all(one.isprintable() for one in (first, *others))


@pytest.fixture
def logged(toy_store: ModelStore, caplog: pytest.LogCaptureFixture) -> Any:
    """An application that logs every request, and what it has logged."""
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonLines())
    app = serve(toy_store, "parcel", access_log=True)
    app.extensions["resources"].models.get()
    return app, lambda: [
        one for one in map(json.loads, caplog.text.splitlines()) if "request" == one["event"]
    ]


def test_request_when_logged_either_way_has_the_same_line(logged: Any) -> None:
    app, lines = logged
    headers = {"X-Request-Id": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    raw = {name.lower().encode(): value.encode() for name, value in headers.items()}

    app.test_client().post("/v0/predict", json=PARCEL, headers=headers)
    assert all(ask_loop(app, [("/v0/predict", raw, json.dumps(PARCEL).encode())]))

    one, other = lines()
    served = app.extensions["resources"].models.get()
    assert {
        "method": "POST", "route": "/v0/predict", "status": 200,
        "model": "parcel", "version": served.version, "request_id": "mine", "trace_id": TRACE,
    }.items() <= one.items()  # fmt: skip
    assert one["seconds"] > 0 and one["bytes"] > 50
    changing = ("time", "seconds")
    assert [one | dict.fromkeys(changing, 0)] == [other | dict.fromkeys(changing, 0)]


def test_request_when_it_is_refused_is_logged_without_its_values(logged: Any) -> None:
    app, lines = logged

    for path in ("/v0/predict", "/v0/predict?token=hidden", "/v0/hidden"):
        app.test_client().post(
            path, json={**PARCEL, "weight": "hidden"}, headers={"Authorization": "Bearer hidden"}
        )
    app.test_client().open("/v0/models/hidden", method="HIDDEN")

    one, queried, *others = lines()
    assert "hidden" not in json.dumps([one, queried, *others]).lower()
    assert (422, "/v0/predict") == (one["status"], one["route"])
    assert (400, "/v0/predict") == (queried["status"], queried["route"])
    served = app.extensions["resources"].models.get()
    assert ("parcel", served.version) == (one["model"], one["version"])
    assert [("POST", "(none)", 404), ("(other)", "(none)", 405)] == [
        (line["method"], line["route"], line["status"]) for line in others
    ]


def test_request_when_the_setting_is_off_is_not_logged(
    toy_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    toy_client.post("/v0/predict", json=PARCEL)

    assert "request" not in caplog.messages


def test_failure_when_logged_bears_the_ids_of_its_request(
    toy_store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    app: Flask = serve(toy_store, "parcel")

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError(NASTY)

    caplog.handler.setFormatter(JsonLines())
    headers = {"X-Request-Id": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    assert 500 == app.test_client().get("/broken", headers=headers).status_code

    (line,) = caplog.text.splitlines()
    found = json.loads(line)
    assert ("mine", TRACE) == (found["request_id"], found["trace_id"])
    assert "RuntimeError" in found["traceback"]


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({}, "text"),
        ({"PORT": "80"}, "json"),
        ({"PORT": "80", "LOG_FORMAT": "text"}, "text"),
        ({"LOG_FORMAT": "json"}, "json"),
    ],
)
def test_form_when_not_chosen_follows_the_port(given: dict[str, str], form: str) -> None:
    assert form == Settings.from_environment(given).log_format


@pytest.mark.slow
def test_service_when_it_runs_logs_nothing_but_json(toy_store: ModelStore, tmp_path: Path) -> None:
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        access_log="true",
    ) as server:  # fmt: skip
        server.ask("/v0/predict", PARCEL)
        server.ask("/v0/predict?", PARCEL)
        with connect(server.port) as link:
            link.sendall(b"GET /\x1b[31m HTTP/1.1\r\nHost: here\r\n\r\n")
            assert 400 == read_answer(link).status
        with connect(server.port) as link:
            fields = [(b"X-Request-Id", b"last")]
            link.sendall(request("{}", path=b"/a%0D%0Alevel:%20error", fields=fields))
            assert 404 == read_answer(link).status
        wait_until(lambda: '"last"' in server.log.read_text(), "the last line")
        assert 0 == server.stop()

    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"gunicorn.error", "engine.api.middleware.access_log"} <= {
        one["logger"] for one in lines
    }
    assert all(re.fullmatch(r"[\d-]{10}T[\d:.]{12}\+00:00", one["time"]) for one in lines)
    assert 2 == [one.get("route") for one in lines].count("/v0/predict")
