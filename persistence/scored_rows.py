"""Rows of a database that are scored, and a table of their answers: SQLite or PostgreSQL.

A part of the answers is stored in one transaction together with its mark, so a part that is
stored again changes nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from persistence.database import DatabaseError, connected, find_table

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

#: Rows that are read at a time.
_ROWS = 5000

#: The columns that every table of answers has in front.
JOB, ROW = "job", "row_number"

#: The mark of a job of which all parts are stored.
_WHOLE = -1

_connected = partial(connected, failure="the database refuses")


def read_source(address: str, source: str) -> Iterator[Any]:
    """Yield the names of the columns, then some rows at a time, in one transaction.

    The source is a table, read in the order of its primary key, or a query with an ORDER BY.
    Raise `DatabaseError` where it cannot be read, or not in an order.
    """
    is_query = re.search(r"\s", source.strip()) is not None
    if is_query and not re.search(r"\border\s+by\b", source, re.IGNORECASE):
        raise DatabaseError("the query has no order: add ORDER BY with columns that are unique")
    with _connected(address) as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        else:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        options = {"stream_results": True, "yield_per": _ROWS}
        if is_query:
            options["no_parameters"] = True  # a % is no placeholder
            found = connection.exec_driver_sql(source, execution_options=options)
        else:
            found = connection.execution_options(**options).execute(_ordered(connection, source))
        yield [*map(str, found.keys())]
        yield from found.partitions(_ROWS)


def note_types(
    names: Sequence[str], batches: Iterator[Any], types: dict[str, str]
) -> Iterator[Any]:
    """Pass rows on, and note the type of each column: one that takes all of its values."""
    for rows in batches:
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            types[name] = max([types.get(name, "int"), *map(_type_of, column)], key=_TYPES.index)
        yield rows


#: Each takes the values of those before.
_TYPES = ("int", "float", "text")


def _type_of(value: Any) -> str:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return "int"
    return "float" if isinstance(value, float) or hasattr(value, "as_tuple") else "text"


class ScoreTable:
    """A table of answers, made where it is absent, with the marks of its parts beside it."""

    def __init__(self, address: str, name: str) -> None:
        self._address = address
        self._schema, _, self._name = name.rpartition(".")

    def is_whole(self, job: str) -> bool:
        """Return whether all parts of a job are stored."""
        with _connected(self._address) as connection:
            return self._has(connection, self._marks(), job, _WHOLE)

    def store(
        self, job: str, part: int, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]
    ) -> None:
        """Store a part and its mark, once: again it does nothing.

        The types are int, float or text, by the names of the columns.
        """
        import sqlalchemy as sa

        marks, kinds = self._marks(), {"int": sa.BigInteger, "float": sa.Double, "text": sa.Text}
        answers = sa.Table(
            self._name, marks.metadata, sa.Column(JOB, sa.Text, primary_key=True),
            sa.Column(ROW, sa.BigInteger, primary_key=True, autoincrement=False),
            *(sa.Column(name, kinds[kind]) for name, kind in types.items()),
        )  # fmt: skip
        with _connected(self._address) as connection:
            marks.metadata.create_all(connection)
            if not self._has(connection, marks, job, part):
                connection.execute(marks.insert(), {JOB: job, "part": part})
                if rows:
                    connection.execute(answers.insert(), [{JOB: job, **row} for row in rows])

    def finish(self, job: str) -> None:
        """Mark a job of which all parts are stored."""
        with _connected(self._address) as connection:
            connection.execute(self._marks().insert(), {JOB: job, "part": _WHOLE})

    def remove(self, job: str) -> None:
        """Delete what is stored of a job."""
        import sqlalchemy as sa

        with _connected(self._address) as connection:
            for name in (self._name, f"{self._name}_parts"):
                if sa.inspect(connection).has_table(name, self._schema or None):
                    table = sa.table(name, sa.column(JOB), schema=self._schema or None)
                    connection.execute(table.delete().where(table.c.job == job))

    def _marks(self) -> "Table":
        import sqlalchemy as sa

        return sa.Table(
            f"{self._name}_parts", sa.MetaData(schema=self._schema or None),
            sa.Column(JOB, sa.Text, primary_key=True),
            sa.Column("part", sa.BigInteger, primary_key=True, autoincrement=False),
        )  # fmt: skip

    def _has(self, connection: "Connection", marks: "Table", job: str, part: int) -> bool:
        import sqlalchemy as sa

        query = marks.select().where(marks.c.job == job, marks.c.part == part)
        is_there = sa.inspect(connection).has_table(marks.name, self._schema or None)
        return is_there and connection.execute(query).first() is not None


def _ordered(connection: "Connection", name: str) -> Any:
    """Return the query of a whole table in the order of its primary key."""
    import sqlalchemy as sa

    schema, bare = find_table(connection, name, "name one, or give a query")
    table = sa.Table(bare, sa.MetaData(), schema=schema, autoload_with=connection)
    if not table.primary_key.columns:
        raise DatabaseError(
            f"the table {name} has no primary key to order it by: give a query with ORDER BY"
        )
    return sa.select(table).order_by(*table.primary_key.columns)
