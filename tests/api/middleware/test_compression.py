"""Answers in gzip: for those who accept it, and only where it gains something."""

import gzip
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.test_requests import BODY
from tests.support.table_bodies import ARROW, CSV, JSON, LINES, PARCEL, ask, write_csv, write_lines

MANY = [PARCEL] * 30
TABLE = write_csv([{**PARCEL, "weight": row % 1000 / 10} for row in range(20_000)])


def send(client: FlaskClient, body: bytes, kind: str, **headers: str) -> Any:
    """Post a table with more headers, named as Python can."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v0/predict", data=body, content_type=kind, headers=named)


@pytest.mark.parametrize("form", [JSON, CSV, LINES])
@pytest.mark.parametrize("body", [write_csv(MANY), TABLE], ids=["in memory", "spooled"])
def test_answer_when_gzip_is_accepted_is_the_plain_one_compressed(
    toy_client: FlaskClient, body: bytes, form: str
) -> None:
    plain = send(toy_client, body, CSV, Accept=form)

    answer = send(toy_client, body, CSV, Accept=form, Accept_Encoding="gzip, deflate, br")

    found = gzip.decompress(answer.data)
    assert "gzip" == answer.headers["Content-Encoding"]
    assert "Accept-Encoding" == answer.headers["Vary"]
    assert len(answer.data) < len(found) / 3
    skipped = len("Sat, 21 Nov 2026 05:52:02 GMT") + 200 if form == JSON else 0  # the time
    assert plain.data[: len(plain.data) - skipped] == found[: len(found) - skipped]


@pytest.mark.parametrize(
    ("accepted", "records", "form"),
    [
        ("identity", MANY, JSON), ("gzip;q=0", MANY, JSON), ("br", MANY, JSON), ("", MANY, JSON),
        ("gzip;q=0.1, identity", MANY, JSON), ("gzip", [PARCEL], JSON), ("gzip", MANY, ARROW),
    ],
)  # fmt: skip
def test_answer_when_gzip_gains_nothing_is_plain(
    toy_client: FlaskClient, accepted: str, records: list[dict[str, Any]], form: str
) -> None:
    answer = send(toy_client, write_lines(records), LINES, Accept=form, Accept_Encoding=accepted)

    assert 200 == answer.status_code
    assert not {"Content-Encoding", "Vary"} & {*answer.headers.keys()}


def test_answer_that_caches_may_keep_varies_with_the_encoding(toy_client: FlaskClient) -> None:
    plain = toy_client.get("/openapi.json")
    packed = toy_client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})

    assert ["Accept-Encoding"] * 2 == [plain.headers["Vary"], packed.headers["Vary"]]
    assert plain.data == gzip.decompress(packed.data)
    assert len(packed.data) == packed.content_length


@pytest.mark.parametrize("path", ["/v0/predict", "/invocations", "/predict"])
def test_body_in_gzip_is_answered_as_the_plain_one(toy_client: FlaskClient, path: str) -> None:
    body = write_lines([PARCEL] * 2).replace(b"}\n{", b"},{").strip()
    body = b"[" + body + b"]"
    plain = toy_client.post(path, data=body, content_type=JSON)

    packed = toy_client.post(
        path, data=gzip.compress(body), content_type=JSON, headers={"Content-Encoding": "gzip"}
    )

    assert (200, 200) == (plain.status_code, packed.status_code), packed.data
    drop = ("prediction_time",)
    assert {k: v for k, v in plain.get_json().items() if k not in drop} == {
        k: v for k, v in packed.get_json().items() if k not in drop
    }


def test_table_in_gzip_is_answered_as_the_plain_one(toy_client: FlaskClient) -> None:
    packed = send(toy_client, gzip.compress(TABLE), CSV, Accept=CSV, Content_Encoding="gzip")

    assert ask(toy_client, TABLE, CSV, CSV).data == packed.data


@pytest.mark.parametrize(
    "path", ["/v0/predict", "/v0/models/rent/predict", "/inference/rent", "/predict",
             "/invocations", "/v1/models/rent:predict", "/v2/models/rent/infer"],
)  # fmt: skip
def test_query_when_a_route_predicts_is_refused_by_name(toy_client: FlaskClient, path: str) -> None:
    answer = toy_client.post(f"{path}?threshold=0.3", data=BODY, content_type=JSON)

    assert 400 == answer.status_code
    assert "the query has the parameter 'threshold', and " in answer.text
    assert " takes none: leave" in answer.text


@pytest.mark.parametrize("query", ["", "?"])
def test_query_when_it_is_empty_is_no_query(toy_client: FlaskClient, query: str) -> None:
    answer = toy_client.post(f"/v0/models/rent/predict{query}", data=BODY, content_type=JSON)

    assert 200 == answer.status_code


@pytest.mark.parametrize(
    ("path", "nearest"),
    [("/readyz/", "/readyz"), ("/v0/predict/", "/v0/predict"), ("/health//", "/health"),
     ("/v0/models/rent/predict/", "/v0/models/rent/predict"), ("/reddyz", "/readyz")],
)  # fmt: skip
def test_address_when_it_is_nearly_one_is_suggested(
    toy_client: FlaskClient, path: str, nearest: str
) -> None:
    answer = toy_client.get(path)

    assert 404 == answer.status_code
    assert f"did you mean '{nearest}'?" in answer.get_json()["detail"]


def test_static_file_is_compressed_and_kept_and_asked_for_again_without_being_sent(
    toy_client: FlaskClient,
) -> None:
    path, packed = "/static/docs.js?v=1", {"Accept-Encoding": "gzip"}
    plain = toy_client.get(path)
    answer = toy_client.get(path, headers=packed)

    again = toy_client.get(path, headers={**packed, "If-None-Match": answer.headers["ETag"]})
    part = toy_client.get(path, headers={**packed, "Range": "bytes=0-11"})

    assert plain.data == gzip.decompress(answer.data)
    assert "Accept-Encoding" == answer.headers["Vary"]
    assert "max-age=2592000" in answer.headers["Cache-Control"]
    assert "no-cache" == toy_client.get("/static/docs.js").headers["Cache-Control"]
    assert answer.headers["ETag"].startswith('W/"')
    assert (304, b"") == (again.status_code, again.data)
    assert (206, b'"use strict"') == (part.status_code, part.data)
    assert "Content-Encoding" not in part.headers
