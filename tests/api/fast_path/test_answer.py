"""Requests that the event loop answers together: each as if it were alone."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from engine.api.fast_path.answer import FastPath
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import EXAMPLES

HEADERS = {b"host": b"here", b"content-type": b"application/json"}
Request = tuple[bytes, dict[bytes, bytes], bytes, bool]


@pytest.fixture(scope="module")
def app(toy_store: ModelStore) -> Flask:
    found = serve(toy_store, "parcel")
    for name in ("parcel", "rent"):
        found.extensions["resources"].models.get(name)
    return found


def request(body: Any, path: str = "/v0/predict", *, is_last: bool = False) -> Request:
    return path.encode(), HEADERS, json.dumps(body).encode(), is_last


GOOD = EXAMPLES["parcel"]
TOGETHER = [
    request(GOOD),
    request({**GOOD, "weight": 99, "height": 5}),
    request({**GOOD, "weight": "heavy"}),
    request([GOOD, {**GOOD, "pieces": 2}]),
    request(EXAMPLES["rent"], "/v0/models/rent/predict"),
    request(GOOD, "/v0/models/nobody/predict"),
    request(GOOD, "/v0/models/coin/predict"),
    request(GOOD, is_last=True),
    request(GOOD, "/livez"),
    request({**GOOD, "weight": 2, "height": 150}),
]


def answers(app: Flask, asked: list[Request]) -> list[bytes | None]:
    fast_path: FastPath = app.extensions["application"].fast_path
    found = [one and one.head + one.body for one in fast_path.answers(asked)]
    made_up = re.compile(rb"[0-9a-f]{32}|[A-Z][a-z]{2}, [^\"\r]+ GMT")
    return [made_up.sub(b"", one) if one else None for one in found]


def test_requests_when_answered_together_get_what_each_gets_alone(app: Flask) -> None:
    alone = [answers(app, [one])[0] for one in TOGETHER]

    assert alone == answers(app, TOGETHER)
    assert [2, 5, 6, 8] == [place for place, one in enumerate(alone) if one is None]
    assert 6 == len(set(filter(None, alone)))
    assert [7] == [place for place, one in enumerate(alone) if one and b"Connection: close" in one]


def test_requests_when_one_of_them_fails_are_answered_all_the_same(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answers(app, TOGETHER)
    rent = app.extensions["resources"].models.get("rent")
    monkeypatch.setattr(rent, "predict_one", lambda matrix: 1 / 0)

    found = answers(app, TOGETHER)

    assert found[4] is None
    assert [*expected[:4], *expected[5:]] == [*found[:4], *found[5:]]


def test_model_when_asked_at_its_other_addresses_is_answered_alike(app: Flask) -> None:
    version = app.extensions["resources"].models.get("rent").version
    paths = (
        "/v0/models/rent/predict",
        "/inference/rent",
        f"/v0/models/rent/versions/{version}/predict",
    )

    one, *others = answers(app, [request(EXAMPLES["rent"], path) for path in paths])

    assert one
    assert [one, one] == others
    assert [None] == answers(
        app, [request(EXAMPLES["rent"], "/v0/models/rent/versions/20200101T000000Z-00000/predict")]
    )
