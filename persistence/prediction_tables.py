"""The tables of the prediction log, and the steps from one shape of them to the next.

A step only adds: a table, an index, or a column that may be empty. So code of an earlier
release goes on with tables of a later one: it names the columns that it reads and writes.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

#: Of the lock in PostgreSQL under which one process at a time takes the steps.
_LOCK = 0x7072656469637473


class Tables(NamedTuple):
    """The tables, as SQLAlchemy knows them."""

    predictions: "Table"
    identifiers: "Table"
    outcomes: "Table"
    counts: "Table"
    spools: "Table"
    steps: "Table"


@cache
def tables() -> Tables:
    """Return the tables."""
    from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text

    data, number = MetaData(), BigInteger().with_variant(Integer, "sqlite")
    # Ids are compared by their bytes, as SQLite does, whatever the language of a database.
    identity = Text().with_variant(Text(collation="C"), "postgresql")

    def columns(kind: Any, *names: str, **more: Any) -> list[Any]:
        return [Column(name, kind, nullable=False, **more) for name in names]

    def optional(kind: Any, *names: str) -> list[Any]:
        return [Column(name, kind) for name in names]

    predictions = Table(
        "prediction_log", data, *columns(number, "place", primary_key=True),
        *columns(identity, "id", unique=True), *columns(Float(53), "at"),
        *columns(Text, "model", "version"), *optional(Text, "record", "value", "probabilities"),
        *optional(Float(53), "probability", "seconds"), *optional(Integer, "rows"),
        *optional(Text, "key", "request_id", "identifiers", "sha256"),
        Index("prediction_log_by_time", "at", "place"),
        Index("prediction_log_by_model", "model", "at", "place"),
    )  # fmt: skip
    identifiers = Table(
        "prediction_identifiers", data, *columns(Text, "name", "value", "model", primary_key=True),
        *columns(identity, "id", primary_key=True),
        Index("prediction_identifiers_by_id", "id"), sqlite_with_rowid=False,
    )  # fmt: skip
    outcomes = Table(
        "prediction_outcomes", data, *columns(Text, "digest", primary_key=True),
        *columns(Text, "model", "value", "identifiers", "source"), *optional(identity, "id"),
        *optional(Text, "name", "name_value"), *columns(Float(53), "at", "received_at"),
        Index("prediction_outcomes_by_id", "id"),
        Index("prediction_outcomes_by_name", "name", "name_value", "model"),
    )  # fmt: skip
    counts = Table(
        "prediction_counts", data, *columns(Text, "model", primary_key=True),
        *columns(Integer, "hour", primary_key=True, autoincrement=False),
        *columns(Text, "version", "field", "bin", primary_key=True), *columns(number, "n"),
        sqlite_with_rowid=False,
    )  # fmt: skip
    spool = columns(Text, "spool", primary_key=True)
    spools = Table("prediction_spools", data, *spool, *columns(number, "position"))
    steps = Table("prediction_log_steps", data, *columns(Integer, "step", primary_key=True))
    return Tables(predictions, identifiers, outcomes, counts, spools, steps)


def _make(connection: "Connection") -> None:
    tables().predictions.metadata.create_all(connection)


#: What was added to the tables, in this order; a step that a release has taken never changes.
STEPS = (_make,)


def are_current(connection: "Connection") -> bool:
    """Return whether all steps were taken, maybe by a later release, which took more."""
    from sqlalchemy import func, inspect, select

    steps = tables().steps
    if not inspect(connection).has_table(steps.name):
        return False
    return (connection.scalar(select(func.max(steps.c.step))) or 0) >= len(STEPS)


def take_steps(connection: "Connection") -> None:
    """Take the steps that nobody has taken yet, in a transaction that keeps others out."""
    from sqlalchemy import func, insert, select

    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    steps = tables().steps
    steps.create(connection, checkfirst=True)
    first = connection.scalar(select(func.max(steps.c.step))) or 0
    for number, step in enumerate(STEPS[first:], first + 1):
        step(connection)
        connection.execute(insert(steps).values(step=number))
