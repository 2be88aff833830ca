"""Requests that are sent again: answered as before, and once."""

import io
import json
import signal
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.api import requests
from engine.records.problems import BadRequest
from persistence import idempotency_cache
from persistence.api_keys import KeyFile, make_key
from persistence.idempotency_cache import IdempotencyCache
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.serving import running

RECORD = EXAMPLES["parcel"]
OTHER = {**RECORD, "weight": 99, "height": 5}


@pytest.fixture
def app(toy_store: ModelStore) -> Any:
    found = serve(toy_store, "parcel")
    yield found
    found.extensions["resources"].answers.remove()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(client: FlaskClient, record: Any = RECORD, name: str = "a", **more: str) -> TestResponse:
    headers = {"Idempotency-Key": name, **more}
    return client.post("/v0/predict", json=record, headers=headers)


def test_request_when_sent_again_gets_the_same_answer(client: FlaskClient) -> None:
    first = client.post(
        "/v0/predict", json=RECORD, headers={"Idempotency-Key": "a", "X-Request-Id": "one"}
    )
    again = ask(client, **{"X-Request-Id": "two"})
    quoted = ask(client, name='"a"')

    assert 200 == first.status_code
    assert "Idempotency-Replayed" not in first.headers
    for one in (again, quoted):
        assert (200, first.data) == (one.status_code, one.data)
        assert "true" == one.headers["Idempotency-Replayed"]
        assert first.content_type == one.content_type
        assert "no-store" == one.headers["Cache-Control"]
    assert "two" == again.headers["X-Request-Id"]


def test_request_when_invalid_is_refused_alike_again(client: FlaskClient) -> None:
    first, again = (ask(client, {**RECORD, "weight": "heavy"}) for _ in range(2))

    assert (422, first.data) == (again.status_code, again.data)
    assert "application/problem+json" == again.content_type


@pytest.mark.parametrize(
    ("record", "headers"),
    [(OTHER, {}), (RECORD, {"Accept": "text/csv"})],
    ids=["body", "form"],
)
def test_key_when_it_comes_with_another_request_is_refused(
    client: FlaskClient, record: Any, headers: dict[str, str]
) -> None:
    ask(client)

    found = ask(client, record, **headers)

    assert 422 == found.status_code
    assert "used for another request" in found.get_json()["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "", "a b", "é", "a" * 256, "a\tb", '"a', 'a"', 'a"b', '"', '""', '"a"b', '"a""b"',
        '"a\\"', '"a\\b"', '"é"',
        '"' + "a" * 256 + '"', "a,b", '"a", "b"', '"a";b', "a;b", "a\\b", "'a\x7f'",
    ],
)  # fmt: skip
def test_key_when_it_is_neither_a_string_nor_plain_is_refused(
    client: FlaskClient, name: str
) -> None:
    answer = ask(client, name=name)

    assert 400 == answer.status_code
    assert "is neither a quoted string" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ('"a b"', '"a b"'),
        (r'"a\"b"', r'"a\"b"'),
        ("a/b=:{}'", '"a/b=:{}\'"'),
        ("x" * 255, "x" * 255),
    ],
)
def test_key_when_it_is_a_string_or_plain_is_taken(
    client: FlaskClient, name: str, same: str
) -> None:
    assert 200 == ask(client, name=name).status_code
    assert "Idempotency-Replayed" in ask(client, name=same).headers
    assert "Idempotency-Replayed" not in ask(client, name='"another"').headers


def test_keys_of_two_callers_are_two(toy_store: ModelStore, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    texts = []
    for _ in range(2):
        text, key = make_key("somebody")
        file.add(key)
        texts.append(text)
    app = serve(toy_store, "parcel", keys_file=file.path)
    client = app.test_client()

    found = [
        ask(client, record, **{"x-api-key": text}).get_json()["prediction"]["value"]
        for text, record in zip(texts, (RECORD, OTHER), strict=True)
    ]

    assert ["small", "large"] == found
    app.extensions["resources"].answers.remove()


def test_routes_of_other_protocols_heed_the_key_and_lists_do_not(client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "b"}
    body = {"instances": [RECORD]}
    first, again = (
        client.post("/v1/models/parcel:predict", json=body, headers=headers) for _ in range(2)
    )

    assert (200, first.data) == (again.status_code, again.data)
    assert "Idempotency-Replayed" in again.headers
    assert "Idempotency-Replayed" not in client.get("/v0/models", headers=headers).headers
    wrong = client.post("/v1/models/parcel:predict", json={}, headers=headers)
    assert {"error"} == set(wrong.get_json())


def test_table_of_unknown_length_with_a_key_is_refused(client: FlaskClient) -> None:
    found = client.post(
        "/v0/predict", input_stream=io.BytesIO(b"weight"), content_type="text/csv",
        headers={"Idempotency-Key": "c", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip

    assert 400 == found.status_code
    assert "needs a Content-Length" in found.get_json()["detail"]


def test_answer_when_the_service_fails_is_not_kept(app: Flask, tmp_path: Path) -> None:
    client = app.test_client()
    models = app.extensions["resources"].models
    version, models.store = models.get(), ModelStore(tmp_path)
    models._versions.clear()
    assert 503 == ask(client).status_code

    models._versions[version.name, version.version] = version

    assert 200 == ask(client).status_code


def test_refusal_that_says_to_try_again_is_not_kept(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(rows: int) -> None:
        raise BadRequest(429, "wait")

    client = app.test_client()
    with monkeypatch.context() as refused:
        refused.setattr(requests, "count_rows", refuse)
        statuses = [ask(client).status_code]
    statuses.append(ask(client).status_code)

    assert [429, 200] == statuses


def test_request_when_the_first_is_not_done_is_told_to_wait(client: FlaskClient) -> None:
    cache: IdempotencyCache = client.application.extensions["resources"].answers
    assert cache.begin("", "a", b"") is None

    answer = ask(client)

    assert (409, "1") == (answer.status_code, answer.headers["Retry-After"])
    cache.forget("", "a")
    assert 200 == ask(client).status_code


def test_request_when_its_view_is_torn_down_is_new_when_sent_again(app: Flask) -> None:
    def predict(**_: Any) -> Any:
        raise SystemExit(1)

    view, app.view_functions["predict.predict"] = app.view_functions["predict.predict"], predict
    with pytest.raises(SystemExit):
        ask(app.test_client())
    app.view_functions["predict.predict"] = view

    assert 200 == ask(app.test_client()).status_code


def test_answers_when_they_are_too_many_bytes_leave_the_oldest_first(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_cache, "MOST_BYTES", 3 * 4096)
    for name in "abcde":
        ask(client, name=name)

    replayed = ["Idempotency-Replayed" in ask(client, name=name).headers for name in "edcba"]

    assert [True, True, True, False, False] == replayed


def test_answer_when_there_is_no_room_for_it_is_computed_again(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(client, name="stays")
    monkeypatch.setattr(idempotency_cache, "MOST_BYTES", 4095)

    answers = [ask(client) for _ in range(2)]

    assert [200, 200] == [answer.status_code for answer in answers]
    assert not any("Idempotency-Replayed" in answer.headers for answer in answers)
    assert "Idempotency-Replayed" in ask(client, name="stays").headers


def test_answers_when_the_file_cannot_be_used_are_given_all_the_same(
    client: FlaskClient, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))

    assert [200, 200] == [ask(client).status_code for _ in range(2)]
    assert "no answer can be stored" in caplog.text


def test_application_when_there_is_no_folder_for_temporary_files_is_made(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "absent")])

    app = serve(toy_store, "parcel", rate_limit="10/60")

    assert [200, 200] == [ask(app.test_client()).status_code for _ in range(2)]
    app.extensions["resources"].answers.remove_left()
    app.extensions["resources"].answers.sweep()
    app.extensions["resources"].answers.remove()


@pytest.mark.slow
def test_server_when_many_send_the_same_at_once_answers_them_alike(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        tmpdir=tmp_path,
    ) as server, ThreadPoolExecutor(8) as pool:  # fmt: skip
        start = threading.Barrier(8)

        def send(_: int) -> tuple[int, Any]:
            start.wait()
            headers = {"Content-Type": "application/json", "Idempotency-Key": "same"}
            return server.ask("/v0/predict", json.dumps(RECORD).encode(), **headers)

        found = [pool.submit(send, n) for n in range(8)]
        answers = [one.result() for one in found]

        assert set(Counter(status for status, _ in answers)) <= {200, 409}
        bodies = [json.dumps(body) for status, body in answers if status == 200]
        assert 1 == len(set(bodies))
        assert [*tmp_path.glob("answers-*/answers.sqlite")]
        server.process.send_signal(signal.SIGTERM)
        assert 0 == server.process.wait(60)
        assert not [*tmp_path.glob("answers-*")]
