"""Whatever happens to the disk, the database or the other drain: each prediction is stored once."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.monitoring.drain import Drain
from persistence import prediction_spool
from persistence.database import DatabaseError
from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import ANSWER
from persistence.prediction_spool import NoRoom, PredictionSpool, spool_files
from persistence.spool_reading import read_frames
from tests.support.logged import ask, counted, drained, logging, set_aside
from tests.support.postgresql import Postgresql


def stored(database: PredictionDatabase) -> list[str]:
    """Return the ids that a database has, where as many answers are counted."""
    ids = [row.id for block in database.select() for row in block]
    assert len(ids) == sum(count.n for count in counted(database) if count.field == ANSWER)
    return ids


def test_predictions_when_two_drains_meet_are_stored_and_counted_once(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, database = logging(toy_store, tmp_path), PredictionDatabase(tmp_path / "log.sqlite3")
    first, second = Drain(tmp_path, database), Drain(tmp_path, database)
    ids = ask(app, 2)
    first.store()
    second.store()
    ids += ask(app, 3)
    first.store()
    ids += ask(app)

    with pytest.raises(DatabaseError, match="has changed"):
        second.store()
    second.store()

    assert ids == stored(database)
    database.close()


def test_predictions_when_a_backup_is_restored_are_stored_again_once(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, database = logging(toy_store, tmp_path / "log"), PredictionDatabase(tmp_path / "now")
    drain = Drain(tmp_path / "log", database)
    ids = ask(app, 2)
    drain.store()
    database.close()
    shutil.copy(tmp_path / "now", tmp_path / "backup")
    ids += ask(app, 3)
    drain.store()
    database.close()
    shutil.copy(tmp_path / "backup", tmp_path / "now")
    ids += ask(app)

    with pytest.raises(DatabaseError, match="has changed"):
        drain.store()
    drain.store()

    assert ids == stored(database), "their file was still there"
    database.close()


def test_file_when_the_clock_was_wrong_is_stored_and_deleted(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path)
    ids = ask(app)
    app.extensions["resources"].log.spool._close()
    future = tmp_path / f"{'9' * 20}-1-0.spool"
    spool_files(tmp_path)[0].rename(future)
    os.utime(future, (4e9, 4e9))
    ids += ask(app)

    assert figures(tmp_path)["prediction_log_lag_seconds"] < 60
    assert {*ids} == drained(tmp_path).keys()
    assert not future.exists()


def test_frames_when_of_another_release_are_stored_or_set_aside(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path)
    ids, spool = ask(app), app.extensions["resources"].log.spool
    with spool_files(tmp_path)[0].open("rb") as file:
        content = [*read_frames(file.fileno(), 0, 2**20)][-1][0]
    (entry,) = msgspec.msgpack.decode(content)
    later = [*entry, "a field that is not known yet"]
    later[2] = "later"
    spool.append(msgspec.msgpack.encode([later]), {})
    spool.append(msgspec.msgpack.encode([["a kind that is not known yet", 7]]), {})
    ids += ["later", *ask(app)]

    assert ids == [*drained(tmp_path)]
    assert 1 == len(set_aside(tmp_path))


def test_spool_when_its_folder_cannot_be_written_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prediction_spool, "_PAUSE", 0.0)
    folder = tmp_path / "predictions"
    folder.write_text("a file stands in the folder's place")
    spool = PredictionSpool(folder, most=2**20)

    for _ in range(3):
        with pytest.raises(NoRoom):
            spool.reserve(1)
    folder.unlink()
    spool.reserve(1)

    (said,) = caplog.messages
    assert said.startswith(f"no prediction can be logged in {folder}: ") and "exists" in said


@pytest.mark.slow
def test_predictions_when_the_disk_is_full_are_answered_and_come_in_order(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_spool, "_PAUSE", 0.0)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount: list[Any] = ["mount", "-t", "tmpfs", "-o", "size=30m", "none", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        app = logging(toy_store, disk / "log")
        (disk / "filler").write_bytes(bytes(28 * 2**20))
        ids: list[str] = []
        while "" not in ids:
            ids += ask(app, 32)
        with pytest.raises(DatabaseError, match="disk is full"):
            drained(disk / "log")
        assert figures(disk / "log")["prediction_log_spool_bytes"] > 2**19

        (disk / "filler").unlink()
        drained(disk / "log")
        ids += ask(app)
        assert [id_ for id_ in ids if id_] == [*drained(disk / "log")]
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@contextmanager
def commit_cutter(target: int) -> Iterator[tuple[int, threading.Event]]:
    """Lead to a port of this machine; once the event is set, a COMMIT is done but not answered."""
    is_armed = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(source: socket.socket, sink: socket.socket, lost: list[bool]) -> None:
        is_client = source.getsockname()[1] == listener.getsockname()[1]
        with suppress(OSError):
            while content := source.recv(2**16):
                if is_client and is_armed.is_set() and b"COMMIT" in content:
                    is_armed.clear()
                    lost.append(True)
                if lost and not is_client:
                    break
                sink.sendall(content)
        for side in (source, sink):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, server = (
                    listener.accept()[0],
                    socket.create_connection(("127.0.0.1", target)),
                )
                lost: list[bool] = []
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=pass_on, args=(*pair, lost), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1], is_armed
    listener.close()


@pytest.mark.slow
def test_predictions_when_a_commit_is_done_but_not_answered_are_stored_once(
    toy_store: ModelStore, tmp_path: Path, postgresql: Postgresql
) -> None:
    app = logging(toy_store, tmp_path)
    with commit_cutter(postgresql.port) as (port, is_armed):
        database = PredictionDatabase(postgresql.at(port), seconds=2)
        drain = Drain(tmp_path, database)
        ids = ask(app, 2)
        drain.store()
        ids += ask(app, 3)
        is_armed.set()

        with pytest.raises(DatabaseError, match="does not answer"):
            drain.store()
        assert not is_armed.is_set()
        ids += ask(app)
        with pytest.raises(DatabaseError, match="has changed"):
            drain.store()
        drain.store()

        assert ids == stored(database)
        database.close()
