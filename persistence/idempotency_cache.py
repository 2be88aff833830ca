"""Answers of the last day, so that a request that is sent again gets the same answer.

They are in one SQLite file, which all workers of a service share and which is
removed when the service ends.
"""

import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

#: How long an answer is stored, and a request counts as pending, whose worker may be gone.
STORED_SECONDS, PENDING_SECONDS = 24 * 3600, 60

#: Answers that are stored at most; the oldest are deleted.
MOST_ANSWERS = 10_000

_SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF; -- it need not survive a power cut
    CREATE TABLE IF NOT EXISTS answers (
        caller TEXT, name TEXT, digest BLOB, at REAL, status INTEGER, headers TEXT, body BLOB,
        PRIMARY KEY (caller, name)
    );
    CREATE INDEX IF NOT EXISTS by_age ON answers (at);
"""


class CacheUnavailable(Exception):
    """The answers cannot be read or written; the message says why."""


class StoredAnswer(NamedTuple):
    """An answer as it was sent; its status is 0 while another worker computes it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_same: bool  # as the request that came first


class IdempotencyCache:
    """Answers by caller and by the key that the caller gives a request.

    Nothing is opened before the first use. The name of the file is chosen at
    once, so that processes forked from this one share it. Methods raise
    CacheUnavailable when the file cannot be used.
    """

    def __init__(self) -> None:
        name = f"answers-{os.getpid()}-{secrets.token_hex(8)}.sqlite"
        self.path = Path(tempfile.gettempdir()) / name
        self._local = threading.local()

    def begin(self, caller: str, name: str, digest: bytes) -> StoredAnswer | None:
        """Return the answer to a request; None, and record it as pending, when it is new."""
        now = time.time()
        with self._using() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "DELETE FROM answers WHERE at < ? OR (status = 0 AND at < ?)",
                (now - STORED_SECONDS, now - PENDING_SECONDS),
            )
            row = database.execute(
                "SELECT status, headers, body, digest FROM answers WHERE caller = ? AND name = ?",
                (caller, name),
            ).fetchone()
            if row:
                status, headers, body, first_digest = row
                return StoredAnswer(status, json.loads(headers), body, first_digest == digest)
            database.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, 0, '{}', x'')", (caller, name, digest, now)
            )
            database.execute(
                "DELETE FROM answers WHERE rowid IN "
                "(SELECT rowid FROM answers ORDER BY at DESC LIMIT -1 OFFSET ?)",
                (MOST_ANSWERS,),
            )
        return None

    def finish(
        self, caller: str, name: str, *, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Store the answer to a pending request."""
        with self._using() as database:
            database.execute(
                "UPDATE answers SET status = ?, headers = ?, body = ? "
                "WHERE caller = ? AND name = ?",
                (status, json.dumps(dict(headers)), body, caller, name),
            )

    def forget(self, caller: str, name: str) -> None:
        """Delete a pending request, so that it is new when it is sent again."""
        with self._using() as database:
            database.execute("DELETE FROM answers WHERE caller = ? AND name = ?", (caller, name))

    def remove(self) -> None:
        """Remove the file."""
        for end in ("", "-wal", "-shm"):
            self.path.with_name(f"{self.path.name}{end}").unlink(missing_ok=True)

    @contextmanager
    def _using(self) -> Iterator["sqlite3.Connection"]:
        """Yield this thread's connection; what is done with it is one transaction."""
        import sqlite3

        try:
            if getattr(self._local, "process", None) != os.getpid():
                with suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
                database = sqlite3.connect(self.path, timeout=5, isolation_level=None)
                database.executescript(_SCHEMA)
                self._local.database, self._local.process = database, os.getpid()
            with self._local.database as database:
                yield database
        except (sqlite3.Error, OSError) as error:
            raise CacheUnavailable(f"{self.path}: {error}") from error
