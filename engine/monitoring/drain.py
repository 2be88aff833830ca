"""The drain of the prediction log: what waits in the spool goes to the database, exactly once.

    python -m engine.monitoring.drain FOLDER    with DATABASE_URL and PREDICTION_DAYS

One process for a folder, which gives way to answers. A transaction stores rows together with the
position up to which their file is stored. So whatever ends this process or the database, the
next one goes on from there. A file is deleted once all of it is stored and no process writes it.
"""

import logging
import os
import random
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.monitoring.log_rows import LogRows, Rows
from persistence.atomic_files import locked
from persistence.database import DatabaseError
from persistence.drain_status import DrainStatus
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_entries import VersionEntry, decode
from persistence.prediction_spool import (
    BELL,
    LOCK,
    START,
    is_written,
    last_receipt,
    note_stored,
    read_frames,
    remove,
    spool_files,
    wait_for,
    wake,
)

_log = logging.getLogger(__name__)

#: Bytes that are stored in a transaction, about, and the seconds that it may take.
BATCH, CALL_SECONDS = 2**20, 10.0

#: Seconds between two looks at a spool without news, and the longest pause after failures.
LOOK_SECONDS, MOST_PAUSE = 0.25, 30.0

#: Seconds after which a drain ends that no process writes for.
LINGER_SECONDS = 8.0

#: Seconds between two deletions of what is too old.
_PRUNE_SECONDS = 3600.0

_DAY = 86_400

#: The file of frames that cannot be read as rows.
ASIDE = "unreadable.frames"


class _Source:
    """A file of the spool, and how far it is stored."""

    def __init__(self, path: Path, database: PredictionDatabase) -> None:
        self.path = path
        self.position = max(START, database.position(path.name))
        self.log = LogRows()
        self.descriptor = os.open(path, os.O_RDWR)
        place = START
        while place < self.position and (frames := [*read_frames(self.descriptor, place, BATCH)]):
            for content, place in frames:
                if place <= self.position:
                    self.log.rows(e for e in decode(content) if isinstance(e, VersionEntry))
        note_stored(self.descriptor, self.position)


class Drain:
    """Stores what waits in a folder; `status` says how far it is."""

    def __init__(self, folder: Path, database: PredictionDatabase) -> None:
        self.folder = folder
        self.status = DrainStatus.read(folder)
        self._database = database
        self._sources: dict[Path, _Source] = {}
        self._noted = 0.0

    def store(self) -> None:
        """Store what waits now, the oldest file first; raise `DatabaseError` where that fails."""
        begun_at = time.time()
        for path in spool_files(self.folder):
            with suppress(FileNotFoundError):  # a draft that was published, or given up
                if path.suffix == ".spool":
                    self._store_file(path)
                else:
                    remove(path, path.stat().st_size)
        self.status.empty_at, self.status.error = begun_at, ""
        self.note()

    def note(self, error: str = "") -> None:
        """Write the status, once a second, or at once with an error."""
        if error or time.monotonic() > self._noted + 1:
            self._noted, self.status.error = time.monotonic(), error
            with suppress(OSError):
                self.status.write(self.folder)

    def _store_file(self, path: Path) -> None:
        source = self._sources.get(path) or _Source(path, self._database)
        self._sources[path] = source
        _, end = last_receipt(path, source.position)  # what comes meanwhile waits for other files
        while source.position < end:
            frames = [*read_frames(source.descriptor, source.position, BATCH)]
            rows = self._rows(source, [content for content, _ in frames])
            position = frames[-1][1]
            self._database.store(
                rows.predictions, rows.outcomes, rows.counts, spool=path.name, position=position
            )
            source.position = position
            note_stored(source.descriptor, position)
            self.status.stored += len(rows.predictions)
            self.note()
        if remove(path, source.position):
            os.close(self._sources.pop(path).descriptor)
            self._database.forget(path.name)

    def _rows(self, source: _Source, contents: list[bytes]) -> Rows:
        """Return the rows of frames; one that cannot be read is set aside."""
        try:
            return source.log.rows([entry for content in contents for entry in decode(content)])
        except Exception as error:  # noqa: BLE001  it must not keep back all others
            if len(contents) == 1:
                _log.error("a frame of %s is set aside: %s", source.path.name, type(error).__name__)
                with (self.folder / ASIDE).open("ab") as file:
                    file.write(contents[0])
                return Rows()
        rows = Rows()
        for content in contents:
            part = self._rows(source, [content])
            rows.predictions += part.predictions
            rows.outcomes += part.outcomes
            rows.counts += part.counts
        return rows


def empty(folder: Path, database: PredictionDatabase, *, seconds: float = 60.0) -> bool:
    """Store what waits now, or let the drain that runs do so; return whether all is stored.

    Raise `DatabaseError` where the database does not take it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / LOCK).touch()
    with locked(folder / LOCK, seconds=0) as is_ours:
        if is_ours:
            Drain(folder, database).store()
            return True
    wake(folder)
    return all(wait_for(last_receipt(path), seconds) for path in spool_files(folder))


def run(folder: Path, database: PredictionDatabase, *, days: int) -> None:
    """Store what comes until no process has written for a while; nothing where another drains."""
    with suppress(FileExistsError):
        os.mkfifo(folder / BELL, 0o600)
    bell = os.open(folder / BELL, os.O_RDWR | os.O_NONBLOCK)
    drain = Drain(folder, database)
    now = needed_at = time.monotonic()
    failures, next_try, next_prune = 0, now, now
    while now < needed_at + LINGER_SECONDS:
        if now >= next_try:
            try:
                drain.store()
                if days and now >= next_prune:
                    next_prune = now + _PRUNE_SECONDS
                    database.prune(time.time() - days * _DAY)
                failures, pause = 0, LOOK_SECONDS
            except (DatabaseError, OSError) as error:
                failures += 1
                pause = min(MOST_PAUSE, LOOK_SECONDS * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                drain.note(str(error))
                _log.warning("predictions wait: %s", error)
            next_try = time.monotonic() + pause
        is_rung = select.select([bell], [], [], max(0.0, min(next_try - now, 1.0)))[0]
        if is_rung:
            os.read(bell, 2**16)
        now = time.monotonic()
        if is_rung and not failures:
            next_try = now
        if any(map(is_written, spool_files(folder))):
            needed_at = now


def main() -> None:
    """Drain a folder, as a process that gives way to all others."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends by itself, when all is stored
    logging.basicConfig(format="prediction log: %(message)s")
    folder = Path(sys.argv[1])
    database = PredictionDatabase(os.environ["DATABASE_URL"], seconds=CALL_SECONDS)
    with suppress(DatabaseError):
        database.position("")  # imports much, which would take long after the next line
    os.nice(19)
    with locked(folder / LOCK, seconds=1) as is_ours:
        if is_ours:
            run(folder, database, days=int(os.environ.get("PREDICTION_DAYS") or 0))
            database.close()


if __name__ == "__main__":
    main()
