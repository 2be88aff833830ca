"""A shadow: what it answers in silence is compared and counted, and nobody notices."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask

from engine.runtime.version import StoredVersion
from engine.serving.candidates import hash_to_unit
from engine.serving.observers import Decided
from engine.serving.request import Chosen, PredictRequest
from persistence.model_persistence import ModelStore
from tests.serving.test_candidates import at_once, ways
from tests.support.application import ask_loop, serve
from tests.support.candidates import (
    PARCEL,
    copied,
    offline,
    parcels,
    scraped,
    try_version,
    version_of,
)
from tests.support.runtimes import RUN_FILE
from tests.support.serving import wait_until
from tests.support.table_bodies import CSV, write_csv

PER_VERSION = ("model", "version")


@pytest.fixture
def store(two_parcels: ModelStore, tmp_path: Path) -> ModelStore:
    return copied(two_parcels, tmp_path)


def counted(app: Flask, what: str) -> float:
    """Give a count of the shadow's, over all versions, when nothing waits any more."""
    wait_until(lambda: 0 == app.extensions["resources"].shadow._bytes, "the end of all comparisons")
    return counted_now(app, what)


def counted_now(app: Flask, what: str) -> float:
    """Give a count of the shadow's, over all versions."""
    return scraped(app.test_client()).of(f"model_shadow_{what}_total").get((), 0)


def expected_differences(store: ModelStore, records: list[dict[str, Any]]) -> tuple[int, float]:
    old, new = (offline(store, version, records) for version in store.versions("parcel"))
    labels = sum(a.value != b.value for a, b in zip(old, new, strict=True))
    largest = max(
        abs(a - b)
        for before, after in zip(old, new, strict=True)
        for a, b in zip(before.probabilities, after.probabilities, strict=True)
    )
    return labels, largest


def test_shadow_when_asked_every_way_counts_what_differs_offline(store: ModelStore) -> None:
    promoted, candidate = try_version(store, "shadow")
    records = parcels(90)
    app = serve(store, "parcel")
    client = app.test_client()
    client.get("/readyz")  # loads the promoted version

    for record in records[:30]:
        assert promoted == version_of(client.post("/v0/predict", json=record))
    for record in records[30:60]:
        assert promoted == at_once(app, record)
    table = write_csv(records[60:])
    answer = client.post("/v0/predict", data=table, content_type=CSV)

    assert promoted == version_of(answer)
    assert 90 == counted(app, "records")
    labels, largest = expected_differences(store, records)
    assert 0 < labels < 90
    exposed = scraped(client)
    key = ("parcel", candidate)
    assert {key: labels} == exposed.of("model_shadow_differences_total", *PER_VERSION)
    differences = exposed.of("model_shadow_largest_difference", *PER_VERSION)
    assert {key: pytest.approx(largest)} == differences
    assert {(promoted,): 90} == exposed.of("model_predictions_total", "version")


@pytest.mark.parametrize("way", ways())
def test_shadow_when_any_way_is_asked_follows(store: ModelStore, way: str) -> None:
    promoted, _ = try_version(store, "shadow")
    app = serve(store, "parcel", aip_predict_route="/vertex")

    assert promoted == version_of(app.test_client().post(**ways()[way]))

    records = 2 if way == "many" else 1
    assert records == counted(app, "records")


def test_shadow_when_a_request_names_a_version_or_is_not_valid_is_not_asked(
    store: ModelStore,
) -> None:
    promoted, _ = try_version(store, "shadow")
    app = serve(store, "parcel")
    client = app.test_client()

    client.post(f"/v0/models/parcel/versions/{promoted}/predict", json=PARCEL)
    client.post("/v0/predict", json={**PARCEL, "weight": "heavy"})
    given = {"Idempotency-Key": "once"}
    for _ in range(3):
        assert 200 == client.post("/v0/predict", json=PARCEL, headers=given).status_code

    assert (1, 0) == (counted(app, "records"), counted(app, "dropped"))


def test_shadow_when_its_share_is_half_follows_about_half(store: ModelStore) -> None:
    promoted, candidate = try_version(store, "shadow", share=0.5)
    app = serve(store, "parcel")
    client = app.test_client()
    bodies = [json.dumps(record).encode() for record in parcels(100)]
    expected = sum(hash_to_unit("parcel", candidate, body) < 0.5 for body in bodies)

    for body in bodies:
        client.post("/v0/predict", data=body, content_type="application/json")

    assert 30 < expected < 70
    assert expected == counted(app, "records")
    assert {promoted} == {at_once(app, record) for record in parcels(100)}
    assert 2 * expected == counted(app, "records")


class Gate:
    """Holds a version's answers until it is opened."""

    def __init__(self, version: StoredVersion, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        original = version.decide_matrix

        def decide(matrix: Any) -> Any:
            self.entered.set()
            assert self.opened.wait(60)
            return original(matrix)

        monkeypatch.setattr(version, "decide_matrix", decide)


def test_answers_when_the_shadow_is_stuck_come_and_what_has_no_room_is_dropped(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted, candidate = try_version(store, "shadow")
    app = serve(store, "parcel")
    client = app.test_client()
    gate = Gate(app.extensions["resources"].models.get("parcel", candidate), monkeypatch)
    monkeypatch.setattr("engine.serving.shadow.MOST_BYTES", most := 2**20)
    rows = 2_000
    table = write_csv([PARCEL] * rows)

    assert promoted == version_of(client.post("/v0/predict", json=PARCEL))
    assert gate.entered.wait(60)
    sent = 1
    while not counted_now(app, "dropped"):  # the gate is closed: nothing is taken out of the queue
        assert sent < 50 * rows
        answer = client.post("/v0/predict", data=table, content_type=CSV)
        assert promoted == version_of(answer)
        sent += rows

    assert most / 200 < sent  # a record takes 7 numbers, and 3 or 4 of its answer
    assert 0 == counted_now(app, "records")
    assert promoted == at_once(app, PARCEL)
    gate.opened.set()
    assert sent + 1 == counted(app, "records") + counted(app, "dropped")
    assert 0 == counted(app, "failures")


def test_answers_when_the_shadow_fails_come_and_the_failures_are_counted(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    promoted, candidate = try_version(store, "shadow")
    app = serve(store, "parcel")
    client = app.test_client()
    shadow = app.extensions["resources"].models.get("parcel", candidate)
    monkeypatch.setattr(shadow, "decide_matrix", lambda matrix: 1 / 0)

    assert {promoted} == {
        version_of(client.post("/v0/predict", json=record)) for record in parcels(5)
    }

    assert 5 == counted(app, "failures")
    assert 1 == caplog.text.count(f"the shadow {candidate} of parcel fails")
    assert 0 == counted(app, "records")


def test_answers_when_those_of_the_shadow_are_not_finite_come_and_each_is_a_failure(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted, candidate = try_version(store, "shadow")
    app = serve(store, "parcel")
    shadow = app.extensions["resources"].models.get("parcel", candidate)
    original = shadow.decide_matrix

    def decide(matrix: Any) -> Any:
        decisions = original(matrix)
        decisions.probabilities[-1, 0] = np.nan
        return decisions

    monkeypatch.setattr(shadow, "decide_matrix", decide)

    answer = app.test_client().post("/v0/predict", json=parcels(5))

    assert promoted == version_of(answer)
    assert (4, 1) == (counted(app, "records"), counted(app, "failures"))
    assert 0 < scraped(app.test_client()).of("model_shadow_largest_difference")[()] <= 1


def test_records_when_their_memory_is_used_again_are_compared_as_they_were(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, candidate = try_version(store, "shadow")
    app = serve(store, "parcel")
    models, shadow = app.extensions["resources"].models, app.extensions["resources"].shadow
    gate = Gate(models.get("parcel", candidate, is_named=False), monkeypatch)
    records = parcels(100)
    promoted = models.get("parcel")
    decoded = promoted.decoder.read(json.dumps(records).encode())
    decided = Decided(
        Chosen(PredictRequest(b"", "", "", None), promoted, models.candidate("parcel")),
        decoded.matrix, promoted.decide_matrix(decoded.matrix),
    )  # fmt: skip

    for _ in range(2):  # the first is taken at once, the second waits
        shadow.decided([decided])
    assert gate.entered.wait(60)
    decoded.matrix[:] = 0
    gate.opened.set()

    expected, _ = expected_differences(store, records)
    assert (200, 2 * expected) == (counted(app, "records"), counted(app, "differences"))


def test_answers_when_the_shadow_is_damaged_come_and_each_is_a_failure(store: ModelStore) -> None:
    promoted, candidate = try_version(store, "shadow")
    (store.root / "parcel" / candidate / RUN_FILE).write_bytes(b"x")
    app = serve(store, "parcel")

    assert promoted == version_of(app.test_client().post("/v0/predict", json=PARCEL))

    assert 1 == counted(app, "failures")
    refused = scraped(app.test_client()).of("model_refused", *PER_VERSION)
    assert {("parcel", candidate): 1} == refused


def test_shadow_when_it_has_ended_is_not_read_again(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted, candidate = try_version(store, "shadow")
    app = serve(store, "parcel")
    client, models = app.test_client(), app.extensions["resources"].models
    gate = Gate(models.get("parcel", candidate, is_named=False), monkeypatch)
    for _ in range(3):
        client.post("/v0/predict", json=PARCEL)
    assert gate.entered.wait(60)

    store.promote("parcel", promoted)
    models.catch_up("parcel")
    gate.opened.set()

    assert 2 == counted(app, "dropped")
    assert models.loaded("parcel", candidate, is_named=False) is None


def test_thread_when_nothing_comes_ends_and_another_takes_up(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.serving.shadow._IDLE_SECONDS", 0.01)
    try_version(store, "shadow")
    app = serve(store, "parcel")
    shadow = app.extensions["resources"].shadow

    for count in range(1, 4):
        app.test_client().post("/v0/predict", json=PARCEL)
        assert count == counted(app, "records")
        wait_until(lambda: shadow._thread is None, "the thread's end")


def test_loop_when_a_shadow_follows_answers_as_without(store: ModelStore) -> None:
    body = json.dumps(PARCEL).encode()

    def answer() -> bytes:
        app = serve(store, "parcel")
        app.extensions["resources"].models.get()
        (written,) = ask_loop(app, [("/v0/predict", {b"x-request-id": b"one"}, body)])
        assert written
        return written[1].partition(b'"prediction_time"')[0]

    before = answer()
    try_version(store, "shadow")

    assert before == answer()
