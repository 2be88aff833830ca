"""The prediction log in a database: SQLite, which is a file, or PostgreSQL.

Every call has a deadline, and raises `DatabaseError` where the database does not do within it
what is asked of it. Nothing is imported or opened before the first call.
"""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persistence import prediction_queries as queries
from persistence.database import DatabaseError, hide_passwords, is_address
from persistence.prediction_rows import EVERYTHING, Count, OutcomeRow, PredictionRow, Selection
from persistence.prediction_tables import are_current, take_steps

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: Seconds that a call may take, and of these to wait for another writer of SQLite.
SECONDS, BUSY_SECONDS = 30.0, 5.0

#: How many predictions are read, or deleted, in one transaction.
BLOCK = 5000


class PredictionDatabase:
    """The prediction log at an address, as `DATABASE_URL` has it, or in a file of SQLite.

    A call takes ``seconds`` at most.
    """

    def __init__(self, address: str | Path, *, seconds: float = SECONDS) -> None:
        self._address = str(address)
        self._seconds = seconds
        self._is_ready = False

    def store(
        self, predictions: Sequence[PredictionRow], outcomes: Sequence[OutcomeRow] = (),
        counts: Sequence[Count] = (), *, spool: str = "", position: int = 0,
    ) -> None:  # fmt: skip
        """Store what a spool has up to a position, in one transaction with the position.

        Nothing is done where it was reached before. Rows that are there already stay.
        """
        with self._transaction(writes=True) as connection:
            if spool and not queries.advance(connection, spool, position):
                return
            queries.insert_predictions(connection, predictions)
            queries.insert_outcomes(connection, outcomes)
            queries.add_counts(connection, counts)

    def position(self, spool: str) -> int:
        """Return the position up to which a spool is stored; 0 where nothing of it is."""
        with self._transaction() as connection:
            return queries.position(connection, spool)

    def forget(self, spool: str) -> None:
        """Forget the position of a spool that is deleted."""
        with self._transaction(writes=True) as connection:
            queries.forget(connection, spool)

    def select(
        self, selection: Selection = EVERYTHING, *, newest_first: bool = False,
        most: int | None = None, after: tuple[float, int] | None = None, has_outcome: bool = False,
    ) -> Iterator[list[PredictionRow]]:  # fmt: skip
        """Read predictions in the order of their time, in blocks of at most `BLOCK`.

        Parameters
        ----------
        most : int, optional
            How many to read at most.
        after : tuple of float and int, optional
            ``at`` and ``place`` of the prediction after which to begin.
        has_outcome : bool
            Whether to read only those of which an outcome is stored.
        """
        while most is None or most > 0:
            size = BLOCK if most is None else min(most, BLOCK)
            with self._transaction() as connection:
                rows = queries.read_block(
                    connection, selection, after, size,
                    newest_first=newest_first, has_outcome=has_outcome,
                )  # fmt: skip
            if rows:
                yield rows
            if len(rows) < size:
                return
            most = None if most is None else most - size
            after = rows[-1].at, rows[-1].place

    def outcomes(self, predictions: Sequence[PredictionRow]) -> Mapping[str, list[OutcomeRow]]:
        """Map the id of each of some predictions that has outcomes to these, the latest last."""
        with self._transaction() as connection:
            return queries.outcomes_of(connection, predictions)

    def counts(
        self, model: str, *, since: float = 0, until: float | None = None,
        version: str | None = None, fields: Sequence[str] = (), by_hour: bool = False,
    ) -> list[Count]:  # fmt: skip
        """Add up the counts of a model in a time, over all hours (then 0) or for each."""
        with self._transaction() as connection:
            return queries.read_counts(
                connection, model, since, until, version=version, fields=fields, by_hour=by_hour
            )

    def count(self, selection: Selection) -> tuple[int, int]:
        """Return how many predictions and outcomes `delete` would delete."""
        with self._transaction() as connection:
            return queries.count(connection, selection)

    def delete(self, selection: Selection) -> tuple[int, int]:
        """Delete predictions and their outcomes; return how many of both.

        The counts stay: they say nothing of a single prediction. What is deleted is overwritten
        in a file of SQLite.
        """
        predictions = outcomes = 0
        while True:
            with self._transaction(writes=True) as connection:
                block = queries.delete_block(connection, selection, BLOCK)
            predictions, outcomes = predictions + block[0], outcomes + block[1]
            if block[0] < BLOCK:
                return predictions, outcomes

    def prune(self, before: float) -> int:
        """Delete what is older than a time, the counts too; return how many predictions."""
        deleted, _ = self.delete(Selection(until=before))
        with self._transaction(writes=True) as connection:
            queries.prune_rest(connection, before)
        return deleted

    def close(self) -> None:
        """Close the connections that are open."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator["Connection"]:
        """Yield a connection; what is done with it is one transaction, and has a deadline."""
        engine = self._engine
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with engine.connect() as connection, _deadline(connection, self._seconds):
                if not self._is_ready:
                    with suppress(SQLAlchemyError), connection.begin():
                        self._is_ready = are_current(connection)
                if not self._is_ready:
                    with connection.execution_options(writes=True).begin():
                        take_steps(connection)
                    self._is_ready = True
                with connection.execution_options(writes=writes).begin():
                    yield connection
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[:1]
            raise DatabaseError(
                f"the prediction log does not answer: {hide_passwords(''.join(reason))}"
            ) from error

    @cached_property
    def _engine(self) -> "Engine":
        try:
            from sqlalchemy.exc import ArgumentError

            make = _postgresql if is_address(self._address) else _sqlite
            return make(self._address, self._seconds)
        except ImportError as error:  # psycopg raises it where it has no libpq
            raise DatabaseError(
                f"the prediction log needs {error.name}, which is not installed: "
                "pip install -r requirements-serve-log.txt"
            ) from error
        except (ValueError, ArgumentError) as error:
            raise DatabaseError(
                "DATABASE_URL cannot be read: give postgresql://user@host:5432/database "
                "or sqlite:///file"
            ) from error


def _sqlite(address: str, seconds: float) -> "Engine":
    from sqlalchemy import create_engine, event

    path = Path(address.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        f"sqlite:///{path}", hide_parameters=True, pool_timeout=seconds, pool_size=2,
        max_overflow=0, connect_args={"timeout": min(seconds, BUSY_SECONDS)},
    )  # fmt: skip

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


def _postgresql(address: str, seconds: float) -> "Engine":
    from sqlalchemy import create_engine

    return create_engine(
        f"postgresql+psycopg://{address.partition('://')[2]}",
        hide_parameters=True, pool_size=2, max_overflow=0, pool_timeout=seconds,
        connect_args={
            "connect_timeout": max(2, round(min(seconds, 10))),
            "options": f"-c statement_timeout={round(seconds * 1000)} -c timezone=UTC",
        },
    )  # fmt: skip


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
    # The server's own time limit does not help where the network says nothing any more.
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
