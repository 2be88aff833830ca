"""Observers see every decision once, whichever way the records came in."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from engine.serving.observers import Decided, Observers
from persistence.model_persistence import ModelStore
from tests.serving.test_candidates import at_once, ways
from tests.support.application import ask_loop, serve
from tests.support.candidates import PARCEL, copied, parcels, scraped, try_version
from tests.support.table_bodies import CSV, write_csv


class Spy:
    """An observer that keeps what it sees, and counts what was certain."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Decided]] = []
        self.certain = 0

    def decided(self, batch: Sequence[Decided]) -> Callable[[], None]:
        self.batches.append(batch)
        return self.count

    def count(self) -> None:
        self.certain += 1


class Broken:
    """An observer that fails."""

    def decided(self, batch: Sequence[Decided]) -> None:
        raise OSError("the disk of the log is full")


@pytest.fixture
def app(toy_store: ModelStore) -> Flask:
    app = serve(toy_store, "parcel", aip_predict_route="/vertex")
    app.extensions["resources"].models.get()
    return app


@pytest.fixture
def spy(app: Flask) -> Spy:
    spy = Spy()
    app.extensions["resources"].predictor.observers.add(spy)
    return spy


def answered(decided: Decided) -> int:
    """Count the records of a decision; see that each has an answer."""
    size = getattr(decided.decisions, "size", 1)
    assert size == len(decided.matrix)
    return size


@pytest.mark.parametrize("way", ways())
def test_observer_when_any_way_is_asked_sees_it_once(app: Flask, spy: Spy, way: str) -> None:
    request = {**ways()[way], "headers": {"X-Request-Id": "mine", **ways()[way].get("headers", {})}}

    assert 200 == app.test_client().post(**request).status_code

    ((decided,),) = spy.batches
    assert (2 if way == "many" else 1) == answered(decided)
    assert (1, "mine") == (spy.certain, decided.chosen.request.request_id)
    assert app.extensions["resources"].models.get() is decided.chosen.version


def test_observer_when_the_loop_answers_sees_all_at_once(app: Flask, spy: Spy) -> None:
    for record in (PARCEL, [PARCEL] * 3):
        body = json.dumps(record).encode()
        ask_loop(app, [("/v0/predict", {}, body)] * 2)

    assert [[1, 1], [3, 3]] == [[*map(answered, batch)] for batch in spy.batches]
    assert 2 == spy.certain


def test_observer_when_a_table_is_asked_sees_it_block_by_block(app: Flask, spy: Spy) -> None:
    rows = 70_000
    table = write_csv([PARCEL] * rows)

    answer = app.test_client().post("/v0/predict", data=table, content_type=CSV)

    assert 200 == answer.status_code
    assert 1 < len(spy.batches) == spy.certain
    assert rows == sum(answered(decided) for (decided,) in spy.batches)


@pytest.mark.slow
def test_observer_when_a_later_block_is_refused_does_not_take_it_for_certain(
    app: Flask, spy: Spy
) -> None:
    table = write_csv([*[PARCEL] * 70_000, {**PARCEL, "weight": "heavy"}])

    answer = app.test_client().post("/v0/predict", data=table, content_type=CSV)

    assert 422 == answer.status_code
    assert spy.batches and 0 == spy.certain
    assert {} == scraped(app.test_client()).of("model_predictions_total", "model")


@pytest.mark.parametrize(
    "body", [{**PARCEL, "weight": "heavy"}, [PARCEL, {}], {}], ids=["one", "many", "empty"]
)
def test_observer_when_records_are_refused_sees_nothing(app: Flask, spy: Spy, body: Any) -> None:
    assert 422 == app.test_client().post("/v0/predict", json=body).status_code
    assert at_once(app, body) is None

    assert [] == spy.batches


def test_answer_when_an_observer_fails_comes_and_the_others_see_it(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    observers: Observers = app.extensions["resources"].predictor.observers
    spy = Spy()
    observers.add(Broken())
    observers.add(spy)

    assert 200 == app.test_client().post("/v0/predict", json=PARCEL).status_code
    assert at_once(app, PARCEL)

    assert 2 == spy.certain == len(spy.batches)
    assert 2 == caplog.text.count("OSError: the disk of the log is full")


def test_request_when_a_version_is_tried_in_silence_names_it_to_observers(
    two_parcels: ModelStore, tmp_path: Path
) -> None:
    store = copied(two_parcels, tmp_path)
    promoted, candidate = try_version(store, "shadow")
    app, spy = serve(store, "parcel"), Spy()
    app.extensions["resources"].predictor.observers.add(spy)

    for record in parcels(2):
        app.test_client().post("/v0/predict", json=record)
    at_once(app, PARCEL)

    chosen = [decided.chosen for batch in spy.batches for decided in batch]
    assert [(promoted, candidate)] * 3 == [
        (choice.version.version, choice.shadow.version) for choice in chosen if choice.shadow
    ]
