"""The middleware stands in one order, which the application and the fast path share."""

import pytest
from flask import Response

from engine.api.fast_path import answer
from engine.api.middleware import order
from engine.api.middleware.order import ORDER, Middleware
from persistence.model_persistence import ModelStore
from tests.support.application import serve


def test_application_when_made_has_the_middleware_in_its_order(toy_store: ModelStore) -> None:
    app = serve(toy_store, "parcel")

    before = [middleware.before for middleware in ORDER if middleware.before]
    after = [middleware.after for middleware in ORDER if middleware.after]

    assert (before, after) == (app.before_request_funcs[None], app.after_request_funcs[None])


def test_fast_path_when_a_middleware_is_not_in_the_order_is_off(
    toy_store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_path = serve(toy_store, "parcel").extensions["application"].fast_path
    assert [] == fast_path.obstacles()

    monkeypatch.setattr(answer, "ORDER", ORDER[:-1])
    assert [
        "before_request engine.api.middleware.prediction_log.refuse_early",
        "after_request engine.api.middleware.prediction_log.finish",
    ] == fast_path.obstacles()


def test_fast_path_when_an_entry_is_added_to_the_order_is_off(
    toy_store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = Middleware(lambda: Response("no", 403), lambda response: response)
    monkeypatch.setattr(order, "GUARDING", (*order.GUARDING, added))
    monkeypatch.setattr(order, "ORDER", (*ORDER, added))
    monkeypatch.setattr(answer, "ORDER", (*ORDER, added))

    app = serve(toy_store, "parcel")

    assert 403 == app.test_client().post("/v0/predict", json={}).status_code
    assert 2 == len(app.extensions["application"].fast_path.obstacles())
