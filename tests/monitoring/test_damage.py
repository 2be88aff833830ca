"""Damage to the files of the spool, and what else is in their folder, costs no other prediction."""

import base64
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.monitoring import drain
from persistence.atomic_files import locked
from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_spool import LOCK, spool_files
from tests.support.logged import ask, drained, logging, set_aside


def content_of(path: Path) -> bytes:
    return path.read_bytes().rstrip(b"\0")


def test_frame_when_damaged_costs_no_other(toy_store: ModelStore, tmp_path: Path) -> None:
    app = logging(toy_store, tmp_path)
    first, ends = ask(app), [len(content_of(spool_files(tmp_path)[0]))]
    ids = [ask(app)[0] for _ in range(3)]
    (path,) = spool_files(tmp_path)
    with path.open("r+b") as file:
        file.seek(ends[0] + 20)
        file.write(b"\xff\xff")

    assert {*first, *ids[1:]} == drained(tmp_path).keys()
    assert 1 == figures(tmp_path)["prediction_log_damaged"]
    assert ask(app)[0] in drained(tmp_path), "the next drain passes over it, too"


def test_end_when_damaged_is_kept_and_counted(toy_store: ModelStore, tmp_path: Path) -> None:
    app = logging(toy_store, tmp_path)
    first, end = ask(app), len(content_of(spool_files(tmp_path)[0]))
    ask(app, 3)
    app.extensions["resources"].log.spool._close()
    with spool_files(tmp_path)[0].open("r+b") as file:
        file.seek(end)
        file.write(bytes(30))

    assert first == [*drained(tmp_path)]
    (line,) = set_aside(tmp_path)
    assert len(base64.b64decode(line["content"])) > 500
    assert [] == spool_files(tmp_path)
    assert 1 == figures(tmp_path)["prediction_log_damaged"]


def test_spool_when_its_folder_has_other_things_is_stored(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, other = logging(toy_store, tmp_path / "log"), tmp_path / "other"
    ids = ask(app, 3)
    other.write_bytes(b"V" * 100)
    (tmp_path / "log/00000000000000000001-1-0.spool").symlink_to(other)
    (tmp_path / "log/00000000000000000002-1-0.spool").mkdir()
    os.mkfifo(tmp_path / "log/00000000000000000003-1-0.spool")
    (tmp_path / "log/notes.spool").touch()

    assert ids == [*drained(tmp_path / "log")]
    assert b"V" * 100 == other.read_bytes()
    assert figures(tmp_path / "log")["prediction_log_lag_seconds"] < 60


def test_file_when_it_cannot_be_opened_keeps_back_no_other(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, bad = logging(toy_store, tmp_path), tmp_path / "00000000000000000001-1-0.spool"
    bad.touch()
    ids, opened = ask(app, 3), Path.open

    def refuse(path: Path, *rest: Any, **options: Any) -> Any:
        if path == bad:
            raise PermissionError(13, "denied", str(path))
        return opened(path, *rest, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError):
        drained(tmp_path)
    monkeypatch.undo()
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    assert ids == [row.id for block in database.select() for row in block]
    database.close()


def test_folder_when_deleted_loses_nothing(toy_store: ModelStore, tmp_path: Path) -> None:
    app = logging(toy_store, tmp_path / "log")
    stored = ask(app)
    drained(tmp_path / "log", tmp_path / "log.sqlite3")
    waiting = ask(app)
    shutil.rmtree(tmp_path / "log")
    waiting += ask(app)

    app.extensions["resources"].log.spool.rotate()
    waiting += ask(app)

    assert [*stored, *waiting] == [*drained(tmp_path / "log", tmp_path / "log.sqlite3")]


def test_drain_when_another_runs_opens_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["drain", str(tmp_path)])
    monkeypatch.setenv("DATABASE_URL", str(tmp_path / "log.sqlite3"))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "nice", lambda _: None)
    (tmp_path / LOCK).touch()
    with locked(tmp_path / LOCK):
        drain.main()
    assert not (tmp_path / "log.sqlite3").exists()
