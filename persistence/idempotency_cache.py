"""Answers of the last day, so that a request that is sent again gets the same answer.

    <temporary folder>/answers-<random>/answers.sqlite

All workers of a service share the file. Its folder is removed when the service ends, or by
the next service that starts where it was killed.
"""

import fcntl
import json
import logging
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from persistence.shared_memory import SharedMemory

if TYPE_CHECKING:
    import sqlite3

_log = logging.getLogger(__name__)

#: How long an answer is stored.
STORED_SECONDS = 24 * 3600

#: Most bytes of all answers together, each counted in whole pages; the oldest are deleted.
#: On a disk with little room it is half of what is free.
MOST_BYTES = 32 * 2**20

#: Seconds between two sweeps.
SWEEP_SECONDS = 60.0

_PAGE = 4096
_PREFIX = "answers-"

# The journal is on the disk, so that a killed process leaves whole answers, and is truncated,
# so that it does not grow. A journal of the kind WAL maps a file, and a full disk then kills.
_SCHEMA = """
    PRAGMA page_size = 4096; -- _PAGE
    PRAGMA journal_mode = TRUNCATE;
    PRAGMA synchronous = OFF; -- it need not survive a power cut
    CREATE TABLE IF NOT EXISTS answers (
        caller TEXT, name TEXT, digest BLOB, at REAL, bytes INTEGER,
        status INTEGER, headers TEXT, body BLOB, PRIMARY KEY (caller, name)
    );
    CREATE INDEX IF NOT EXISTS by_age ON answers (at, bytes);
"""


class CacheUnavailable(Exception):
    """The answers cannot be read or written; the message says why."""


class StoredAnswer(NamedTuple):
    """An answer as it was sent; its status is 0 while another request computes it."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    is_same: bool = True  # as the request that came first


class IdempotencyCache:
    """Answers by caller and by the key that the caller gives a request.

    While a request is answered, its process holds a lock, which the kernel releases when the
    process is killed. Nothing is written before there is an answer, so a request whose answer
    could not be stored is new when it is sent again.

    Nothing is opened before the first use. The name of the folder is chosen at once, so that
    processes forked from this one share it. `begin` and `finish` raise CacheUnavailable when
    the file cannot be used.
    """

    def __init__(self) -> None:
        self._name = f"{_PREFIX}{secrets.token_hex(8)}"
        self._local = threading.local()
        self._locks = SharedMemory(_PAGE)  # only the locks over it are used
        self._pending: set[int] = set()
        self._threads = threading.Lock()
        self._folder = _Users()
        self._next_sweep = 0.0

    @property
    def path(self) -> Path:
        """The file, which need not exist."""
        return _temporary_folder() / self._name / "answers.sqlite"

    def begin(self, caller: str, name: str, digest: bytes) -> StoredAnswer | None:
        """Return the answer to a request; None, and count it as pending, when it is new.

        A request that is pending must be finished or forgotten by the process that began it.
        """
        if not self._lock(_place(caller, name)):
            return StoredAnswer(0)
        try:
            with self._using() as database:
                row = database.execute(
                    "SELECT status, headers, body, digest FROM answers "
                    "WHERE caller = ? AND name = ? AND at > ?",
                    (caller, name, time.time() - STORED_SECONDS),
                ).fetchone()
        except BaseException:
            self.forget(caller, name)
            raise
        if row is None:
            return None
        self.forget(caller, name)
        status, headers, body, first_digest = row
        return StoredAnswer(status, json.loads(headers), body, first_digest == digest)

    def finish(
        self, caller: str, name: str, digest: bytes,
        *, status: int, headers: Mapping[str, str], body: bytes,
    ) -> None:  # fmt: skip
        """Store the answer to a pending request, which is pending no longer.

        It is not stored where there is no room even without the others.
        """
        text = json.dumps(dict(headers))
        size = _PAGE * (1 + (len(text) + len(body)) // _PAGE)
        try:
            with self._using() as database:
                database.execute("BEGIN IMMEDIATE")
                if not _make_room(database, size, _most_bytes(self.path)):
                    return
                database.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (caller, name, digest, time.time(), size, status, text, body),
                )
        finally:
            self.forget(caller, name)

    def forget(self, caller: str, name: str) -> None:
        """Let a pending request be new when it is sent again; nothing is raised."""
        place = _place(caller, name)
        with self._threads:
            if place in self._pending:
                self._pending.remove(place)
                fcntl.lockf(self._locks.descriptor, fcntl.LOCK_UN, 1, place)

    def sweep(self) -> None:
        """Delete the answers of more than a day ago, if that was not done lately."""
        now = time.monotonic()
        if now < self._next_sweep or self._identity() is None:
            return
        self._next_sweep = now + SWEEP_SECONDS
        try:
            with self._using() as database:
                database.execute("BEGIN IMMEDIATE")
                _delete_old(database)
        except CacheUnavailable as error:
            _log.error("old answers are not deleted: %s", error)

    def remove(self) -> None:
        """Remove the file and its folder."""
        with suppress(OSError):
            shutil.rmtree(self.path.parent)

    def remove_left(self) -> None:
        """Remove what services that were killed have left, and nothing that another one uses."""
        with suppress(OSError):
            for path in _temporary_folder().glob(f"{_PREFIX}*"):
                with suppress(OSError):
                    _remove_if_left(path)

    def _lock(self, place: int) -> bool:
        """Count a request as pending, unless it is pending in a process of this service."""
        with self._threads:
            if place in self._pending:
                return False
            try:
                fcntl.lockf(self._locks.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except OSError:
                return False
            self._pending.add(place)
            return True

    @contextmanager
    def _using(self) -> Iterator["sqlite3.Connection"]:
        """Yield this thread's connection; what is done with it is one transaction."""
        import sqlite3

        try:
            identity = self._identity()
            if identity is None or getattr(self._local, "identity", None) != identity:
                self._local.database = self._open()
                self._local.identity = self._identity()
            with self._local.database as database:
                yield database
        except (sqlite3.Error, OSError) as error:
            raise CacheUnavailable(f"{self._name}: {error}") from error

    def _identity(self) -> tuple[int, int] | None:
        """Return what changes with the process and the file; None when there is no file."""
        with suppress(OSError):
            return os.getpid(), self.path.stat().st_ino
        return None

    def _open(self) -> "sqlite3.Connection":
        import sqlite3

        folder = self.path.parent
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise OSError(f"{folder} belongs to another user")
        self._folder.join(folder)
        database = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        database.executescript(_SCHEMA)
        return database


class _Users:
    """The lock that every process holds that uses a folder; a folder without it was left."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._threads = threading.Lock()

    def join(self, folder: Path) -> None:
        """Hold the lock of a folder from now on, and no other."""
        with self._threads:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            self._descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)


def _delete_old(database: "sqlite3.Connection") -> None:
    database.execute("DELETE FROM answers WHERE at < ?", (time.time() - STORED_SECONDS,))


def _make_room(database: "sqlite3.Connection", size: int, most: int) -> bool:
    """Delete the oldest until there is room for so many bytes; False if there never is."""
    if size > most:
        return False
    _delete_old(database)
    (total,) = database.execute("SELECT total(bytes) FROM answers").fetchone()
    while total + size > most:
        rowid, oldest = database.execute(
            "SELECT rowid, bytes FROM answers ORDER BY at LIMIT 1"
        ).fetchone()
        database.execute("DELETE FROM answers WHERE rowid = ?", (rowid,))
        total -= oldest
    return True


def _most_bytes(file: Path) -> int:
    used = file.stat().st_size
    return min(MOST_BYTES, (used + shutil.disk_usage(file.parent).free) // 2)


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir())


def _place(caller: str, name: str) -> int:
    """Return the place in the file of locks that stands for a request."""
    text = json.dumps([caller, name]).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) >> 2


def _remove_if_left(path: Path) -> None:
    status = path.lstat()
    if status.st_uid != os.geteuid():
        return
    if not stat.S_ISDIR(status.st_mode):  # of an earlier release: nothing in it is young
        if stat.S_ISREG(status.st_mode) and status.st_mtime < time.time() - STORED_SECONDS:
            path.unlink()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(descriptor)
