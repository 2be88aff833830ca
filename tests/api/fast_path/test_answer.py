"""Requests that the event loop answers together: each as if it were alone."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES

Request = tuple[str, dict[bytes, bytes], bytes]


@pytest.fixture(scope="module")
def app(toy_store: ModelStore) -> Flask:
    app = serve(toy_store, "parcel")
    for name in ("parcel", "rent"):
        app.extensions["resources"].models.get(name)
    return app


def request(body: Any, path: str = "/v0/predict", **headers: str) -> Request:
    given = {name.encode(): value.encode() for name, value in headers.items()}
    return path, given, json.dumps(body).encode()


GOOD = EXAMPLES["parcel"]
TOGETHER = [
    request(GOOD),
    request({**GOOD, "weight": 99, "height": 5}),
    request({**GOOD, "weight": "heavy"}),
    request([GOOD, {**GOOD, "pieces": 2}]),
    request(EXAMPLES["rent"], "/v0/models/rent/predict"),
    request(GOOD, "/v0/models/nobody/predict"),
    request(GOOD, "/v0/models/coin/predict"),
    request(GOOD, connection="close"),
    request(GOOD, "/livez"),
    request({**GOOD, "weight": 2, "height": 150}),
]


def answers(app: Flask, requests: list[Request]) -> list[bytes | None]:
    written = [answer and answer[0] + answer[1] for answer in ask_loop(app, requests)]
    made_up = re.compile(rb"[0-9a-f]{32}|[A-Z][a-z]{2}, [^\"\r]+ GMT")
    return [made_up.sub(b"", answer) if answer else None for answer in written]


def test_requests_when_answered_together_get_what_each_gets_alone(app: Flask) -> None:
    alone = [answers(app, [request])[0] for request in TOGETHER]

    assert alone == answers(app, TOGETHER)
    assert [2, 5, 6, 8] == [place for place, answer in enumerate(alone) if answer is None]
    assert 6 == len(set(filter(None, alone)))
    closing = [answer is not None and b"Connection: close" in answer for answer in alone]
    assert [place == 7 for place in range(len(alone))] == closing


def test_requests_when_one_of_them_fails_are_answered_all_the_same(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answers(app, TOGETHER)
    rent = app.extensions["resources"].models.get("rent")
    monkeypatch.setattr(rent, "predict_one", lambda packed: 1 / 0)

    together = answers(app, TOGETHER)

    assert together[4] is None
    assert [*expected[:4], *expected[5:]] == [*together[:4], *together[5:]]


def test_model_when_asked_at_its_other_addresses_is_answered_alike(app: Flask) -> None:
    version = app.extensions["resources"].models.get("rent").version
    paths = (
        "/v0/models/rent/predict",
        "/inference/rent",
        f"/v0/models/rent/versions/{version}/predict",
    )

    first, *others = answers(app, [request(EXAMPLES["rent"], path) for path in paths])

    assert first
    assert [first, first] == others
    assert [None] == answers(
        app, [request(EXAMPLES["rent"], "/v0/models/rent/versions/20200101T000000Z-00000/predict")]
    )
