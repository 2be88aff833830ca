"""The drain of the prediction log: what waits in the spool goes to the database, exactly once.

    python -m engine.monitoring.drain FOLDER PARENT    with DATABASE_URL and PREDICTION_DAYS

One process for a folder, which gives way to answers and ends after its parent. A transaction
stores rows together with the position up to which their file is stored. So whatever ends this
process or the database, the next one goes on from there. A file is deleted once all of it is
stored and no process writes it. What cannot be read, and a row that the database refuses, is
set aside in a file, so that it keeps back nothing else.
"""

import logging
import os
import random
import select
import signal
import sys
import time
from contextlib import suppress
from copy import copy
from pathlib import Path

import msgspec

from engine.monitoring.log_rows import LogRows, Rows
from persistence.atomic_files import locked
from persistence.database import DatabaseError, RefusedRow
from persistence.drain_status import DrainStatus
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_entries import VersionEntry, decode
from persistence.prediction_spool import BELL, LOCK, spool_files, wake
from persistence.spool_reading import (
    ASIDE,
    last_receipt,
    note_stored,
    read_frames,
    remove,
    wait_for,
)

_log = logging.getLogger(__name__)

#: Bytes that are stored in a transaction, about, and the seconds that it may take.
BATCH, CALL_SECONDS = 2**20, 10.0

#: Seconds between two looks at a spool without news, and the longest pause after failures.
LOOK_SECONDS, MOST_PAUSE = 0.25, 30.0

#: Seconds between two deletions of what is too old.
_PRUNE_SECONDS = 3600.0

_DAY = 86_400

#: A drain that gives way stores so many rows per second at most, unless those that it began with
#: have waited for so many seconds.
PACE, LATE_SECONDS = 7000, 60.0

#: What says nothing of the rows that are to be stored: they wait.
_FAILURES = (DatabaseError, OSError, MemoryError)


class _Source:
    """A file of the spool, and how far it is stored."""

    def __init__(self, path: Path, descriptor: int, database: PredictionDatabase) -> None:
        self.name = path.name
        self.descriptor = descriptor
        self.position = database.position(path.name)
        self.log = LogRows()
        place = 0
        while place < self.position and (frames := [*read_frames(self.descriptor, place, BATCH)]):
            place = frames[-1][1]
            for content, _ in frames:
                with suppress(msgspec.DecodeError):  # it was set aside
                    self.log.rows(e for e in decode(content) if isinstance(e, VersionEntry))
        note_stored(self.descriptor, self.position)


class Drain:
    """Stores what waits in a folder, and deletes what is older than some days; 0: nothing.

    One that gives way leaves the processors to the answers most of the time.
    """

    def __init__(
        self, folder: Path, database: PredictionDatabase, *, days: int = 0, gives_way: bool = False
    ) -> None:
        self.folder = folder
        self.status = DrainStatus.read(folder)
        self._written = copy(self.status)
        self._database = database
        self._days = days
        self._sources: dict[Path, _Source] = {}
        self._gives_way, self._begun = gives_way, 0.0
        self._noted, self._next_prune = 0.0, 0.0

    def store(self) -> None:
        """Store what waits now, the oldest file first; raise `DatabaseError` where that fails."""
        failure, self._begun = None, time.monotonic()
        for path in spool_files(self.folder):
            try:
                if path.suffix == ".spool":
                    self._store_file(path)
                else:
                    remove(path, path.stat().st_size)
            except FileNotFoundError:
                pass  # a draft that was published, or given up
            except OSError as error:  # one that cannot be read keeps back no other
                failure = error
        if failure is not None:
            raise failure
        if self._days and time.monotonic() >= self._next_prune:
            self._database.prune(time.time() - self._days * _DAY)
            self._next_prune = time.monotonic() + _PRUNE_SECONDS
        self.note()

    def note(self, error: str = "") -> None:
        """Write the status where it has changed, once a second, or at once with an error."""
        self.status.error = error
        if self.status != self._written and (error or time.monotonic() > self._noted + 1):
            self._noted, self._written = time.monotonic(), copy(self.status)
            with suppress(OSError):
                self.status.write(self.folder)

    def _store_file(self, path: Path) -> None:
        with path.open("r+b", buffering=0) as file:
            source = self._sources.get(path) or _Source(path, file.fileno(), self._database)
            self._sources[path], source.descriptor = source, file.fileno()
            _, end = last_receipt(path, source.position)  # what comes meanwhile has to wait
            while source.position < end:
                frames = [*read_frames(source.descriptor, source.position, BATCH)]
                begun, stored = time.monotonic(), self.status.stored
                self._store_frames(source, frames)
                self.note()
                if self._gives_way and begun < self._begun + LATE_SECONDS:
                    taken = time.monotonic() - begun
                    time.sleep(max(0.0, (self.status.stored - stored) / PACE - taken))
        rest = remove(path, source.position)
        if rest is not None:
            del self._sources[path]
            if rest:
                self._set_aside(source, rest, "no frame")
            self._database.forget(path.name)

    def _store_frames(self, source: _Source, frames: list[tuple[bytes, int]]) -> None:
        """Store frames, in halves where they cannot be stored all at once."""
        position, rows = frames[-1][1], Rows()
        try:
            rows = source.log.rows([entry for content, _ in frames for entry in decode(content)])
            self._advance(source, position, rows)
        except RefusedRow:
            if len(frames) == 1:
                self._store_rows(source, position, rows)
        except _FAILURES:
            raise
        except Exception as error:  # noqa: BLE001  a frame that cannot be read keeps back no other
            if len(frames) == 1:
                size = position - source.position
                content = os.pread(source.descriptor, size, source.position)
                self._set_aside(source, content, type(error).__name__)
                self._advance(source, position, Rows())
        half = len(frames) // 2
        for part in (frames[:half], frames[half:]) if source.position < position else ():
            self._store_frames(source, part)

    def _store_rows(self, source: _Source, position: int, rows: Rows) -> None:
        """Store the rows of a frame one by one, and set aside those that are refused."""
        single = [Rows(predictions=[row]) for row in rows.predictions]
        single += [Rows(outcomes=[row]) for row in rows.outcomes]
        for row in single:
            try:
                self._database.store(row.predictions, row.outcomes)
                self.status.stored += len(row.predictions)
            except RefusedRow as error:
                self._set_aside(source, row, str(error))
        counts = Rows(counts=rows.counts)
        try:
            self._advance(source, position, counts)
        except RefusedRow as error:
            self._set_aside(source, counts, str(error))
            self._advance(source, position, Rows())

    def _advance(self, source: _Source, position: int, rows: Rows) -> None:
        """Store rows with the position up to which the file is stored then."""
        is_next = self._database.store(
            rows.predictions, rows.outcomes, rows.counts,
            spool=source.name, after=source.position, position=position,
        )  # fmt: skip
        if not is_next:
            self._sources.clear()
            raise DatabaseError(f"the position of {source.name} has changed: it is read again")
        source.position = position
        note_stored(source.descriptor, position)
        self.status.stored += len(rows.predictions)

    def _set_aside(self, source: _Source, content: bytes | Rows, reason: str) -> None:
        """Keep what cannot be stored in a file; bytes are in base64."""
        _log.error("a part of %s is set aside in %s: %s", source.name, ASIDE, reason)
        line = {"spool": source.name, "after": source.position, "reason": reason}
        descriptor = os.open(self.folder / ASIDE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(msgspec.json.encode({**line, "content": content}) + b"\n")
        self.status.damaged += 1
        self._noted = 0.0  # so that the status is written at once


def empty(
    folder: Path, database: PredictionDatabase, *, days: int = 0, seconds: float = 60.0
) -> bool:
    """Do what a drain does, or let the one that runs do so; return whether all is stored.

    Raise `DatabaseError` where the database does not take it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / LOCK).touch(mode=0o600)
    with locked(folder / LOCK, seconds=0) as is_ours:
        if is_ours:
            Drain(folder, database, days=days).store()
            return True
    wake(folder)
    return all(wait_for(last_receipt(path), seconds) for path in spool_files(folder))


def run(drain: Drain, *, parent: int) -> None:
    """Store what comes until a process has ended, and once more after that."""
    with suppress(FileExistsError):
        os.mkfifo(drain.folder / BELL, 0o600)
    bell = os.open(drain.folder / BELL, os.O_RDWR | os.O_NONBLOCK)
    failures, next_try, is_last = 0, 0.0, False
    while not is_last:
        is_last = os.getppid() != parent
        if is_last or time.monotonic() >= next_try:
            try:
                drain.store()
                failures, pause = 0, LOOK_SECONDS
            except (DatabaseError, OSError) as error:
                failures += 1
                pause = min(MOST_PAUSE, LOOK_SECONDS * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                drain.note(str(error))
                _log.warning("predictions wait: %s", error)
            next_try = time.monotonic() + pause
        seconds = 0.0 if is_last else max(0.0, min(next_try - time.monotonic(), 1.0))
        if select.select([bell], [], [], seconds)[0]:
            os.read(bell, 2**16)
            next_try = next_try if failures else 0.0


def main() -> None:
    """Drain a folder, as a process that gives way to all others."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends by itself, when all is stored
    logging.basicConfig(format="prediction log: %(message)s")
    folder = Path(sys.argv[1])
    database = PredictionDatabase(os.environ["DATABASE_URL"], seconds=CALL_SECONDS)
    with locked(folder / LOCK, seconds=1) as is_ours:
        if is_ours:
            with suppress(DatabaseError):
                database.position("")  # imports much, which would take long after the next line
            os.nice(19)
            days = int(os.environ.get("PREDICTION_DAYS") or 0)
            gives_way = os.environ.get("PREDICTION_LOG") != "sync"  # no answer waits for it
            drain = Drain(folder, database, days=days, gives_way=gives_way)
            run(drain, parent=int(sys.argv[2]))
            database.close()


if __name__ == "__main__":
    main()
