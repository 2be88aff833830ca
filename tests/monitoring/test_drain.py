"""What was appended before an answer is in the database once, whatever is killed meanwhile.

The long form kills 1,000 times on each database: ``make log-kills rounds=1000``.
"""

import base64
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest
from flask import Flask

from engine.monitoring import drain
from persistence import prediction_spool
from persistence.database import DatabaseError
from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_entries import decode, encode
from persistence.prediction_rows import ANSWER
from persistence.prediction_spool import NoRoom, PredictionSpool, spool_files, total_bytes
from persistence.spool_reading import ASIDE, frame, read_frames
from tests.support.logged import ask, counted, drained, logging, set_aside, spooled
from tests.support.models import EXAMPLES

#: In the long form all rounds are those of the environment.
ROUNDS = os.environ.get("LOG_KILLS")


def forked(work: Callable[[], object]) -> int:
    """Do some work in a process of its own, which may be killed; return its number."""
    if child := os.fork():
        return child
    try:
        work()
    finally:
        os._exit(0)


def answer_for_ever(app: Flask, told: int) -> None:
    """Answer predictions; write the id of each down once it could be answered."""
    chance = SystemRandom()
    while True:
        ids = ask(app, chance.randint(1, 5))
        os.write(told, "".join(f"{each}\n" for each in ids if each).encode())


def kill(children: list[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("kind", "rounds"),
    [
        ("sqlite", 4), pytest.param("sqlite", 25, marks=pytest.mark.slow),
        pytest.param("postgresql", 25, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_predictions_when_all_are_killed_are_stored_once(
    toy_store: ModelStore, tmp_path: Path, request: pytest.FixtureRequest, kind: str, rounds: int
) -> None:
    app = logging(toy_store, tmp_path / "log")
    is_sqlite = kind == "sqlite"
    address = "" if is_sqlite else request.getfixturevalue("postgresql").address
    told = os.open(tmp_path / "told", os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def work() -> None:
        database = PredictionDatabase(address or tmp_path / "log/log.sqlite3")
        drain.run(drain.Drain(tmp_path / "log", database), parent=os.getppid())

    for _ in range(int(ROUNDS or rounds)):
        children = [forked(lambda: answer_for_ever(app, told)) for _ in range(2)]
        children.append(forked(work))
        time.sleep(SystemRandom().uniform(0.01, 0.15))
        kill(children)

    ids = (tmp_path / "told").read_text().split()
    stored = drained(tmp_path / "log", address)
    database = PredictionDatabase(address or tmp_path / "log/log.sqlite3")
    total = sum(each.n for each in counted(database) if each.field == ANSWER)
    database.close()
    print(f"{kind}: {int(ROUNDS or rounds)} rounds, {len(ids)} answered, {len(stored)} stored")
    assert set() == {*ids} - stored.keys(), "lost"
    assert len(ids) == len({*ids})
    assert total == len(stored), "counted twice, or not at all"


def test_file_when_its_end_is_torn_is_stored_up_to_it(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path / "log")
    whole = [ask(app)[0] for _ in range(2)]
    content = spooled(tmp_path / "log").rstrip(b"\0")
    (torn,) = ask(app)
    longer = spooled(tmp_path / "log").rstrip(b"\0")

    for end in range(len(content), len(longer)):
        path = tmp_path / "00000000000000000001-1-0.spool"
        path.write_bytes(longer[:end] + bytes(50))
        with path.open("rb") as file:
            assert len(content) == [*read_frames(file.fileno(), 0, 2**20)][-1][1], end
    assert [*drained(tmp_path)] == whole
    assert longer[: len(content)] == content
    assert torn in drained(tmp_path / "log")


def test_file_when_stored_is_soon_left_by_its_process_and_deleted(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_spool, "ROTATED_SECONDS", 0.0)
    app = logging(toy_store, tmp_path)
    ids, spool = ask(app), app.extensions["resources"].log.spool
    spool.rotate()
    ids += ask(app)
    assert 1 == len(spool_files(tmp_path)), "nothing of it is stored, so it gets no second file"
    assert {*ids} == drained(tmp_path).keys()
    assert 1 == len(spool_files(tmp_path)), "its process writes it"

    spool.rotate()
    assert {*ids} == drained(tmp_path).keys()
    assert [] == spool_files(tmp_path)
    ids += ask(app)
    assert {*ids} == drained(tmp_path).keys()


def test_figures_when_nothing_waits_are_zero_though_files_are_written(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, before = logging(toy_store, tmp_path), time.time()
    ask(app)
    drained(tmp_path)
    assert total_bytes(tmp_path) > 1000
    idle = figures(tmp_path)

    assert (0, 0) == (idle["prediction_log_spool_bytes"], idle["prediction_log_lag_seconds"])
    ids = ask(app, 3)
    busy = figures(tmp_path)
    assert len("".join(ids)) < busy["prediction_log_spool_bytes"] < 3000
    assert 0 < busy["prediction_log_lag_seconds"] <= time.time() - before
    assert 1 == busy["prediction_log_stored"]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}


def test_predictions_when_the_database_is_locked_wait_in_order(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path)
    ids = ask(app)
    drained(tmp_path)
    database = PredictionDatabase(tmp_path / "log.sqlite3", seconds=0.2)
    draining = drain.Drain(tmp_path, database)
    other = sqlite3.connect(tmp_path / "log.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ids += [ask(app)[0] for _ in range(3)]

    with pytest.raises(DatabaseError):
        draining.store()
    ids += ask(app)
    other.execute("COMMIT")
    draining.store()

    rows = [row.id for block in database.select() for row in block]
    assert ids == rows
    assert not (tmp_path / ASIDE).exists(), "a lock refuses no row"
    other.close()
    database.close()


def test_frame_when_it_cannot_be_read_keeps_back_no_other(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path)
    ids = ask(app)
    spool = app.extensions["resources"].log.spool
    spool.append(b"\xc1", {})
    ids += ask(app)

    assert ids == [*drained(tmp_path)]
    (line,) = set_aside(tmp_path)
    assert frame(b"\xc1") == base64.b64decode(line["content"])
    ids += ask(app)
    assert ids == [*drained(tmp_path)], "the next drain passes over it, too"
    assert 1 == figures(tmp_path)["prediction_log_damaged"]


def test_drain_when_its_parent_has_ended_stores_what_waits_and_ends(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    ids, database = ask(logging(toy_store, tmp_path)), PredictionDatabase(tmp_path / "log.sqlite3")

    drain.run(drain.Drain(tmp_path, database), parent=0)

    assert ids == [row.id for block in database.select() for row in block]
    database.close()


def test_spool_when_it_is_full_leaves_no_empty_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_spool, "_PAUSE", 0.0)
    spool = PredictionSpool(tmp_path, most=2**16)

    for _ in range(20):
        with pytest.raises(NoRoom):
            spool.reserve(2**16)

    assert [] == spool_files(tmp_path)


def test_spool_when_many_processes_append_stays_within_its_bound(tmp_path: Path) -> None:
    most = 2**18

    def fill() -> None:
        spool = PredictionSpool(tmp_path, most=most)
        for _ in range(200):
            spool.append(encode([]) + os.urandom(3000), {})

    children = [forked(fill) for _ in range(4)]
    sizes = []
    while children:
        sizes.append(total_bytes(tmp_path))
        child, _ = os.waitpid(children[-1], os.WNOHANG)
        children = children[:-1] if child else children

    assert max(sizes) <= most
    frames = 0
    for path in spool_files(tmp_path):
        with path.open("rb") as file:
            frames += sum(1 for _ in read_frames(file.fileno(), 0, 2**20))
    assert frames * 3009 > most / 2


def test_entries_when_written_are_read_again() -> None:
    from persistence.prediction_entries import Outcomes, TableFile

    entries: list[Any] = [
        Outcomes("m", "s", 1.0, [("id", True, None), ({"order": 7}, 2.5, 3.0)]),
        TableFile(0, "i", 1.0, 0.1, "", "r", "sha", "text/csv", 3, [1, 2]),
    ]

    assert entries == decode(encode(entries))


@pytest.mark.slow
def test_predictions_when_postgresql_says_nothing_wait_and_come_in_order(
    toy_store: ModelStore, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgresql")
    app = logging(toy_store, tmp_path)
    ids = ask(app)
    database = PredictionDatabase(server.address, seconds=1)
    draining = drain.Drain(tmp_path, database)
    draining.store()

    server.freeze()
    try:
        ids += [ask(app)[0] for _ in range(3)]
        with pytest.raises(DatabaseError):
            draining.store()
        ids += ask(app)
    finally:
        server.thaw()
    draining.store()

    stored = [row.id for block in database.select() for row in block]
    assert ids == [each for each in stored if each in ids]
    database.close()


def test_files_when_a_process_begins_another_describe_all_their_versions(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_spool, "ROTATED", 6000)
    app = logging(toy_store, tmp_path)
    client, ids = app.test_client(), []
    for _ in range(12):
        ids += ask(app)
        answer = client.post("/v0/models/rent/predict", json=EXAMPLES["rent"])
        ids.append(answer.headers["X-Prediction-Id"])

    assert len(spool_files(tmp_path)) > 1
    assert {*ids} == drained(tmp_path).keys()
