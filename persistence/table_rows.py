"""The rows of a table or a query, a part at a time, for jobs that copy them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persistence.database import connected, find_table

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select


def read_rows(
    place: str | Path,
    source: str,
    *,
    column: str = "",
    first: Any = None,
    end: Any = None,
    rows: int = 10_000,
) -> Iterator[list[dict[str, Any]]]:
    """Read a table, a view or a query (``SELECT …``), so many rows at a time.

    With a column the rows are in its order: those from ``first`` on and before ``end``. A row
    without a value there belongs to every selection that has no end.

    Raises
    ------
    DatabaseError
        Where there is no such table, or the database does not answer.
    """
    with connected(place) as connection:
        connection = connection.execution_options(yield_per=rows, postgresql_readonly=True)
        statement = _select(connection, source, column, first, end)
        for part in connection.execute(statement).mappings().partitions():
            yield [dict(row) for row in part]


def _select(
    connection: "Connection", source: str, column: str, first: Any, end: Any
) -> "Select[Any]":
    import sqlalchemy as sa

    if re.match(r"(?i)\s*(select|with)\s", source):
        # A colon before a word would begin a value that is bound later.
        query = re.sub(r"(?<!:):(?=\w)", r"\:", source.strip().rstrip(";"))
        rows: Any = sa.text(f"({query}) AS source")
    else:
        schema, name = find_table(connection, source, "give one it has")
        rows = sa.table(name, schema=schema)
    statement = sa.select(sa.text("*")).select_from(rows)
    if column:
        moving: sa.ColumnClause[Any] = sa.column(column)
        statement = statement.order_by(moving)
        # Without a type, the database compares a text as what its column is.
        low, high = (sa.literal(each, sa.types.NullType()) for each in (first, end))
        if first is not None:
            is_new = moving >= low
            statement = statement.where(is_new if end is not None else is_new | moving.is_(None))
        if end is not None:
            statement = statement.where(moving < high)
    return statement
