"""Transactions with the database of the prediction log: a file of SQLite, or PostgreSQL.

Each has a deadline. Nothing is imported or opened before the first one.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persistence.database import (
    DatabaseError,
    RefusedRow,
    is_address,
    open_engine,
    reason_of,
)
from persistence.prediction_tables import are_current, take_steps

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: Seconds of those of a transaction to wait for another writer of SQLite.
_BUSY_SECONDS = 5.0

#: A connection to PostgreSQL is not used any more when it is so old: its server may be gone.
_RECYCLE_SECONDS = 60


class Transactions:
    """Transactions with the database at an address, of ``seconds`` at most."""

    def __init__(self, address: str, seconds: float) -> None:
        self._address = address
        self._seconds = seconds
        self._is_prepared = False

    @contextmanager
    def begin(self, *, writes: bool = False) -> Iterator["Connection"]:
        """Yield a connection; what is done with it is done as a whole, in time, or not at all.

        Raise `DatabaseError` where it is not done; `RefusedRow` where the values are the reason.
        """
        engine = self._engine
        from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

        try:
            with engine.connect() as connection, _deadline(connection, self._seconds):
                if not self._is_prepared:
                    self._prepare(connection)
                with connection.execution_options(writes=writes).begin():
                    yield connection
        except SQLAlchemyError as error:
            # PostgreSQL: 54 is a limit that the values exceed.
            is_limit = str(getattr(getattr(error, "orig", None), "sqlstate", None)).startswith("54")
            if is_limit or isinstance(error, (DataError, IntegrityError)):
                raise RefusedRow(f"the prediction log refuses a row: {reason_of(error)}") from error
            raise DatabaseError(
                f"the prediction log does not answer: {reason_of(error)}"
            ) from error

    def _prepare(self, connection: "Connection") -> None:
        """Make the tables, or what they lack; nobody is kept waiting where nothing is to do."""
        with connection.begin():
            are_complete = are_current(connection)
        if not are_complete:
            with connection.execution_options(writes=True).begin():
                take_steps(connection)
        self._is_prepared = True

    def overwrite(self) -> None:
        """Take what SQLite has deleted out of its journal, too.

        Raise `DatabaseError` where another process reads what was there before.
        """
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                (is_busy, *_) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise DatabaseError(
                    "it is deleted, but the journal of the database still has it, as another "
                    "process reads from there: run this again once that has ended"
                )

    def close(self) -> None:
        """Close what is open."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    @cached_property
    def _engine(self) -> "Engine":
        options = {"pool_size": 2, "max_overflow": 0, "pool_timeout": self._seconds}
        make = _postgresql if is_address(self._address) else _sqlite
        return make(self._address, self._seconds, options)


def _sqlite(address: str, seconds: float, options: dict[str, Any]) -> "Engine":
    path = Path(address.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (
            not path.exists()
        ):  # SQLite would let others read it, and gives its journal the same rights
            path.touch(mode=0o600)
    except OSError as error:
        raise DatabaseError(f"the prediction log cannot be made: {error}") from error
    waits = {"timeout": min(seconds, _BUSY_SECONDS)}
    engine = open_engine(f"sqlite:///{path}", connect_args=waits, **options)
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _open(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # a transaction begins where `_begin` says so
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def _begin(connection: "Connection") -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(address: str, seconds: float, options: dict[str, Any]) -> "Engine":
    limits = {
        "connect_timeout": max(2, round(min(seconds, 10))),
        "options": f"-c statement_timeout={round(seconds * 1000)} -c timezone=UTC",
    }
    address = f"postgresql+psycopg://{address.partition('://')[2]}"
    return open_engine(address, connect_args=limits, pool_recycle=_RECYCLE_SECONDS, **options)


@contextmanager
def _deadline(connection: "Connection", seconds: float) -> Iterator[None]:
    """Let what is done with a connection fail once so many seconds are over."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        end = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)
        return
    # The server's own limit does not help where the network says nothing any more.
    timer = threading.Timer(seconds + 1, _cut, [driver])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(driver: Any) -> None:
    with suppress(OSError), socket.socket(fileno=driver.fileno()) as connection:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        finally:
            connection.detach()
