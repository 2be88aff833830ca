"""The request around the body: content type, size, method, path, identifier."""

import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.answers import read_problem, read_strictly
from tests.support.application import serve

RECORD = {"area": 60, "rooms": 2, "city": "Natal"}
BODY = json.dumps(RECORD).encode()


class CountedStream(io.RawIOBase):
    """A body without end that counts what is taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, room: Any) -> int:
        """Fill the room with blanks."""
        room[:] = b" " * len(room)
        self.taken += len(room)
        return len(room)


@pytest.fixture(scope="module")
def asked(toy_store: ModelStore) -> FlaskClient:
    return serve(toy_store, "rent").test_client()


def predict(asked: FlaskClient, body: bytes = BODY, **request: Any) -> Any:
    return asked.post("/v0/predict", data=body, **({"content_type": "application/json"} | request))


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;Charset="UTF-8"',
        "application/json ; charset=utf8; version=1",
    ],
)
def test_content_type_when_it_is_json_in_utf8_is_read(asked: FlaskClient, kind: str) -> None:
    assert 200 == predict(asked, content_type=kind).status_code


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/json, text/csv",
        "application/problem+json",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/x-pickle",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        'text/csv; charset="shift_jis"',
        "application/x-ndjson; charset=utf-16",
    ],
)
def test_content_type_when_it_is_another_is_refused(asked: FlaskClient, kind: str | None) -> None:
    read_problem(predict(asked, content_type=kind), 415)


@pytest.mark.parametrize("encoding", ["br", "zstd", "x"])
def test_content_encoding_when_it_is_another_is_refused(asked: FlaskClient, encoding: str) -> None:
    answer = predict(asked, headers={"Content-Encoding": encoding})

    assert "send gzip, deflate or none" in read_problem(answer, 415)["detail"]


def test_content_encoding_when_it_is_identity_is_read(asked: FlaskClient) -> None:
    assert 200 == predict(asked, headers={"Content-Encoding": "identity"}).status_code


def test_body_when_it_is_as_large_as_may_be_is_read(toy_store: ModelStore) -> None:
    exact = serve(toy_store, "rent", max_body_bytes=len(BODY)).test_client()
    smaller = serve(toy_store, "rent", max_body_bytes=len(BODY) - 1).test_client()

    assert 200 == predict(exact).status_code
    assert "larger than" in read_problem(predict(smaller), 413)["detail"]


def test_body_when_its_length_is_too_large_is_refused_unread(asked: FlaskClient) -> None:
    stream = CountedStream()

    answer = predict(
        asked, b"", environ_overrides={"wsgi.input": stream, "CONTENT_LENGTH": str(10**7)}
    )

    assert "larger than 5242880 bytes" in read_problem(answer, 413)["detail"]
    assert 0 == stream.taken


def test_body_when_it_streams_without_end_is_refused_at_the_limit(asked: FlaskClient) -> None:
    stream = CountedStream()
    chunked = {
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }

    answer = predict(asked, b"", environ_overrides=chunked)

    read_problem(answer, 413)
    assert 5 * 2**20 <= stream.taken <= 6 * 2**20


def test_body_when_it_streams_exactly_to_the_limit_is_read(toy_store: ModelStore) -> None:
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    exact = serve(toy_store, "rent", max_body_bytes=len(BODY)).test_client()

    whole = predict(exact, environ_overrides=chunked)
    more = predict(exact, BODY + b" ", environ_overrides=chunked)

    assert 200 == whole.status_code
    read_problem(more, 413)


def test_body_when_its_length_is_unknown_is_taken_for_empty(asked: FlaskClient) -> None:
    answer = predict(asked, environ_overrides={"CONTENT_LENGTH": ""})

    assert "is empty" in read_problem(answer, 400)["detail"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_method_when_it_is_not_for_this_path_is_refused(asked: FlaskClient, method: str) -> None:
    answer = asked.open("/v0/predict", method=method, data=BODY, content_type="application/json")

    read_problem(answer, 405)
    assert {"OPTIONS", "POST"} == set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/health", "/readyz", "/v0/model_info", "/openapi.json", "/docs"])
def test_method_when_it_is_head_answers_without_a_body(asked: FlaskClient, path: str) -> None:
    got = asked.get(path)

    answer = asked.head(path)

    assert 200 == answer.status_code
    assert b"" == answer.data
    assert got.content_type == answer.content_type
    assert "X-Request-Id" in answer.headers


def test_method_when_it_is_options_names_those_allowed(asked: FlaskClient) -> None:
    answer = asked.options("/v0/predict")

    assert 200 == answer.status_code
    assert {"OPTIONS", "POST"} == set(answer.headers["Allow"].split(", "))
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v0",
        "/v0/predict/",
        "/V0/predict",
        "/v9/predict",
        "/v0/predict/rent",
        "/v0//predict",
        "/v0/models/predict",
        "/static",
        "/static/",
        "/static/../app.py",
        "/static/%2e%2e/docs.py",
        "/static/..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/static/docs.js%00",
        "/" + "x" * 10_000,
    ],
)
def test_path_when_there_is_nothing_is_not_found(asked: FlaskClient, path: str) -> None:
    answer = read_problem(asked.get(path), 404)

    assert len(answer["detail"]) < 300


NAMES = [
    "nothing", "RENT", "rent ", " rent", "rent.", "rén", "rent\u0301", "..", "%2e%2e", "%252e%252e",
    "..%5c..", "%00", "rent%00", "rent%0a", "~", "*", "r*", "re[n]t", "CON", "-", "'", '"<b>',
    "%ff", "%ed%a0%80", "%c0%ae%c0%ae", "\uff0e\uff0e", "\u202erent", "promoted.json",
    "0" * 300, "rent" * 75, "x" * 300,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_model_when_there_is_none_of_that_name_is_not_found(asked: FlaskClient, name: str) -> None:
    predicted = asked.post(f"/v0/models/{name}/predict", json=RECORD)
    described = asked.get(f"/v0/models/{name}/model_info")

    for answer in (predicted, described):
        body = read_problem(answer, 404)
        assert "there is no model" in body["detail"]
        assert len(body["detail"]) < 500


@pytest.mark.parametrize("name", ["%2f", "..%2frent", "%2e%2e%2f%2e%2e%2fetc", "rent%2f", ""])
def test_model_when_its_name_holds_a_slash_is_not_found(asked: FlaskClient, name: str) -> None:
    read_problem(asked.post(f"/v0/models/{name}/predict", json=RECORD), 404)


def test_request_when_it_names_itself_is_answered_by_that_name(asked: FlaskClient) -> None:
    given = "Ab-9_.z" * 9

    good = predict(asked, headers={"X-Request-Id": given})
    bad = predict(asked, b"", headers={"X-Request-Id": given})

    assert given == good.headers["X-Request-Id"]
    assert given == read_problem(bad, 400)["request_id"]


@pytest.mark.parametrize(
    "given", ["", "a b", "x" * 65, "a;b", "a/b", "<b>", "\u00e9", "a,b", '"a"']
)
def test_request_when_its_name_is_unsafe_gets_another(asked: FlaskClient, given: str) -> None:
    answer = predict(asked, headers={"X-Request-Id": given})

    assert given != answer.headers["X-Request-Id"]
    assert 32 == len(answer.headers["X-Request-Id"])


def test_request_when_it_has_no_name_gets_one_of_its_own(asked: FlaskClient) -> None:
    paths = ["/health", "/docs", "/", "/nothing", "/v0/predict", "/static/docs.js"]

    names = [asked.get(path).headers["X-Request-Id"] for path in paths]

    assert len(paths) == len(set(names))


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/static/docs.js", "/health", "/openapi.json", "/v0/predict", "/nothing"]
)
def test_answer_when_it_is_any_carries_no_cookie_and_is_not_sniffed(
    asked: FlaskClient, path: str
) -> None:
    answer = asked.get(path, headers={"Origin": "http://elsewhere.example"})

    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_docs_page_when_asked_runs_our_own_scripts_only(asked: FlaskClient) -> None:
    answer = asked.get("/docs")

    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["Content-Security-Policy"].split(";")
    )
    assert "'none'" == policy["default-src"]
    assert "'self'" == policy["script-src"]
    assert "'self'" == policy["connect-src"]
    assert "'none'" == policy["frame-ancestors"]
    assert "<script>" not in answer.text
    assert "://" not in answer.text.replace("http://localhost/", "")  # its own, to copy


def test_prediction_when_answered_is_not_to_be_stored(asked: FlaskClient) -> None:
    answer = predict(asked)

    assert "no-store" == answer.headers["Cache-Control"]
    assert "application/json" == answer.content_type
    assert read_strictly(answer.data)
