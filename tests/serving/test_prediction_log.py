"""What is answered is in the log, once, or the answer says that it is not."""

import csv
import io
import json
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from flask import Flask

from engine.monitoring import drain
from engine.serving import prediction_log, table_prediction
from persistence import prediction_spool
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_spool import spool_files, total_bytes
from tests.support.application import ask_loop
from tests.support.logged import ask, counted, drained, logging, plain, spooled
from tests.support.models import EXAMPLES, unstored

RECORD = EXAMPLES["parcel"]


def table(rows: int, **changes: Any) -> bytes:
    """Write rows of CSV, the last one with some changes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [*RECORD])
    writer.writeheader()
    writer.writerows([RECORD] * (rows - 1) + [{**RECORD, **changes}])
    return out.getvalue().encode()


def post_table(app: Flask, content: bytes) -> Any:
    return app.test_client().post("/v0/predict", data=content, headers={"Content-Type": "text/csv"})


def unlogged(app: Flask) -> dict[str, float]:
    """Return the predictions that were counted as missing in the log, by reason."""
    counted = app.extensions["resources"].metrics.tallies.read()
    return {
        key[1]: n for key, (n, *_) in counted if key[0] == "prediction_log_unlogged" and n
    }  # fmt: skip


def changed(
    store: ModelStore, folder: Path, change: Callable[[dict[str, Any]], None]
) -> ModelStore:
    """Make a store with a version of parcel whose card is changed."""
    card = json.loads(json.dumps(unstored(store.read_card("parcel"))))
    change(card)
    place = store.root / "parcel" / store.read_card("parcel")["version"]
    names = store.read_card("parcel")["files"]
    other = ModelStore(folder)
    files = {name: (place / name).read_bytes() for name in names}
    other.promote("parcel", other.write(card, files))
    return other


def test_prediction_when_answered_on_the_loop_or_by_flask_is_logged_alike(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path)

    (by_loop,) = ask(app)
    answer = app.test_client().post("/v0/predict", json=RECORD)
    rows = drained(tmp_path)

    by_flask = answer.headers["X-Prediction-Id"]
    assert {by_loop, by_flask} == rows.keys()
    assert plain(rows[by_loop]) == plain(rows[by_flask])
    row, prediction = rows[by_flask], answer.get_json()["prediction"]
    assert (RECORD, prediction["value"]) == (row.record, row.value)
    assert (prediction["probabilities"], prediction["probability"]) == (
        row.probabilities, row.probability,
    )  # fmt: skip
    assert answer.headers["X-Request-Id"] == row.request_id
    assert 0 < (row.seconds or 0) < 60


def test_records_when_many_have_the_id_of_their_request_and_their_number(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "MOST_BYTES", 1000)  # so that the table is a draft
    monkeypatch.setattr(table_prediction, "_MOST_NUMBERS", 2000)  # and has several blocks
    app = logging(toy_store, tmp_path)
    client = app.test_client()

    asked = {
        "list": (client.post("/v0/predict", json=[RECORD] * 2), 2),
        "table": (post_table(app, table(3000, weight=13.5)), 3000),
        "protocol": (client.post("/v1/models/parcel:predict", json={"instances": [RECORD]}), 1),
    }
    rows = drained(tmp_path)

    ids = {
        f"{answer.headers['X-Prediction-Id']}-{number}"
        for answer, count in asked.values() for number in range(count)
    }  # fmt: skip
    assert ids == rows.keys()
    assert 1 == sum(row.record == {**RECORD, "weight": 13.5} for row in rows.values())
    last = rows[f"{asked['table'][0].headers['X-Prediction-Id']}-2999"]
    assert 13.5 == (last.record or {})["weight"]
    assert [] == [path for path in spool_files(tmp_path) if path.suffix == ".draft"]


@pytest.mark.parametrize("most", [1000, 2**20])
def test_table_when_it_is_refused_leaves_nothing(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(prediction_log, "MOST_BYTES", most)
    app = logging(toy_store, tmp_path)

    answer = post_table(app, table(3000, weight=1e9))

    assert 422 == answer.status_code
    assert not {"X-Prediction-Id", "X-Prediction-Log"} & {*answer.headers.keys()}
    assert ({}, []) == (drained(tmp_path), spool_files(tmp_path))


def test_table_when_its_model_says_so_is_logged_by_its_digest(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store = changed(toy_store, tmp_path / "store", lambda card: card.update(log_tables="file"))
    app = logging(store, tmp_path / "log")
    content = table(30)

    answer = post_table(app, content)
    (row,) = drained(tmp_path / "log").values()

    from hashlib import sha256

    assert (30, sha256(content).hexdigest(), None) == (row.rows, row.sha256, row.record)
    assert {"small": 30} == {name: n for name, n in row.value.items() if n}
    assert answer.headers["X-Prediction-Id"] == row.id


def test_value_when_its_field_is_private_reaches_no_disk(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    def mark(card: dict[str, Any]) -> None:
        for field in card["schema"]["fields"]:
            field["private"] = field["name"] in ("weight", "colour")

    store = changed(toy_store, tmp_path / "store", mark)
    app = logging(store, tmp_path / "log")
    odd = {**RECORD, "weight": 17.3125}

    body = json.dumps(odd).encode()
    answers = [ask_loop(app, [("/v0/predict", {}, body)])[0]]
    answers.append(app.test_client().post("/v0/predict", json=[odd]).data)
    assert all(answers)
    import struct

    assert struct.pack("<d", 17.3125) not in spooled(tmp_path / "log")
    assert struct.pack("<d", odd["height"]) in spooled(tmp_path / "log")
    for row in drained(tmp_path / "log").values():
        assert {**odd, "weight": "(private)", "colour": "(private)"} == row.record
    database = PredictionDatabase(tmp_path / "log/log.sqlite3")
    assert {"weight", "colour"}.isdisjoint(count.field for count in counted(database))
    database.close()


def test_spool_when_full_is_told_counted_and_used_again_once_it_is_drained(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_spool, "_PAUSE", 0.0)
    app = logging(toy_store, tmp_path, prediction_spool_bytes=2**16)
    ids: list[str] = []
    while "" not in ids:
        ids += ask(app, 10)
        assert total_bytes(tmp_path) <= 2**16

    answer = app.test_client().post("/v0/predict", json=RECORD)
    stored = drained(tmp_path)

    assert (200, "full") == (answer.status_code, answer.headers["X-Prediction-Log"])
    assert {"full": ids.count("") + 1} == unlogged(app)
    assert stored.keys() == {*ids} - {""}
    assert ask(app) != [""]


def test_log_when_strict_and_full_refuses_before_work(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path, prediction_spool_bytes=2**16, prediction_log_full="refuse")
    ids: list[str] = []
    while "" not in ids and len(ids) < 5000:
        ids += ask(app, 10)
    decided = app.extensions["resources"].predictor.observers
    decided.add(type("Seen", (), {"decided": lambda self, batch: pytest.fail("it has worked")})())

    answers = [
        app.test_client().post("/v0/predict", json=RECORD), post_table(app, table(3)),
        app.test_client().post("/v1/models/parcel:predict", json={"instances": [RECORD]}),
    ]  # fmt: skip

    assert [(503, "1")] * 3 == [(each.status_code, each.headers["Retry-After"]) for each in answers]
    assert drained(tmp_path).keys() == {*ids} - {""}


def test_folder_when_it_cannot_be_read_fails_no_answer_and_hides_no_metric(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("a file")
    client = logging(toy_store, tmp_path / "log").test_client()

    answer, metrics = client.post("/v0/predict", json=RECORD), client.get("/metrics").data

    assert (200, "failed") == (answer.status_code, answer.headers["X-Prediction-Log"])
    assert b'prediction_log_unlogged_total{reason="failed"} 1.0' in metrics


@pytest.mark.parametrize(
    ("limit", "most"), [(resource.RLIMIT_FSIZE, 100), (resource.RLIMIT_NOFILE, 4)]
)
def test_disk_or_descriptors_when_used_up_fail_no_answer(
    toy_store: ModelStore, tmp_path: Path, limit: int, most: int
) -> None:
    app = logging(toy_store, tmp_path)
    before = ask(app, 5)
    if not (child := os.fork()):
        resource.setrlimit(limit, (most, most))
        answer = app.test_client().post("/v0/predict", json=RECORD)
        os._exit((answer.status_code, answer.headers.get("X-Prediction-Log")) != (200, "failed"))
    _, status = os.waitpid(child, 0)

    assert 0 == status
    assert drained(tmp_path).keys() == {*before}


def test_answer_when_the_log_is_sync_waits_for_the_database(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log.PredictionLog, "start_drain", lambda *_: None)
    app = logging(toy_store, tmp_path, prediction_log="sync")
    assert [""] == ask(app)  # the loop leaves it to a thread
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    answers: list[Any] = []
    stop = Event()

    def store() -> None:
        draining = drain.Drain(tmp_path, database)
        while not stop.wait(0.01):
            draining.store()

    thread = Thread(target=store)
    thread.start()
    answers.append(app.test_client().post("/v0/predict", json=RECORD))
    stop.set()
    thread.join()
    stored = [row.id for block in database.select() for row in block]
    database.close()
    monkeypatch.setattr(prediction_log, "SYNC_SECONDS", 0.05)
    late = app.test_client().post("/v0/predict", json=RECORD)

    assert [answers[0].headers["X-Prediction-Id"]] == stored
    assert (503, "1") == (late.status_code, late.headers["Retry-After"])
    assert {"late": 1} == unlogged(app)


def test_answer_when_the_log_fails_is_given_all_the_same(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = logging(toy_store, tmp_path)
    monkeypatch.setattr(prediction_log, "single_entry", lambda *_: 1 / 0)

    answer = app.test_client().post("/v0/predict", json=RECORD)

    assert (200, "failed") == (answer.status_code, answer.headers["X-Prediction-Log"])
    assert {"failed": 1} == unlogged(app)


def test_settings_when_the_library_is_missing_say_what_to_install(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import app as application
    from settings import InvalidSettings, Settings

    monkeypatch.setattr(application, "find_spec", lambda name: None)
    chosen = Settings(model_store=toy_store.root, prediction_folder=tmp_path / "log")

    assert application.create_app(chosen).extensions["resources"].log is None
    with pytest.raises(InvalidSettings, match=r"requirements-serve-log\.txt"):
        application.create_app(replace(chosen, prediction_log="sync"))


def test_log_when_the_spool_is_the_smallest_that_may_be_set_is_not_full_from_the_start(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path, prediction_log_full="refuse", prediction_spool_bytes=2**16)

    assert all(ask(app, 3))
