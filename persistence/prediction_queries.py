"""Queries of the prediction log: how they are run, and what they select."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from persistence.prediction_rows import Selection, json_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: By what is given of a selection, its condition.
_CONDITIONS = {
    "model": "p.model = :model",
    "version": "p.version = :version",
    "since": "p.at >= :since",
    "until": "p.at < :until",
    "key": "p.key = :key",
    "id": "p.id >= :id AND p.id < :end",  # the rows of a request, too
}

#: Few predictions have these: a query has to begin with them, however many others there are.
_RARE = ("key", "id", "identifiers")


def run(connection: "Connection", query: str, values: Any) -> Any:
    """Run a query with values, or for each of many of them."""
    from sqlalchemy import bindparam, text

    statement = text(query)
    if ":ids" in query:
        statement = statement.bindparams(bindparam("ids", expanding=True))
    return connection.execute(statement, values)


def insert(connection: "Connection", table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that are not there yet."""
    if rows:
        # SQLAlchemy would look at each value before the driver does.
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        names, marks = ", ".join(rows[0]), ", ".join([mark] * len(rows[0]))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        connection.exec_driver_sql(query, [tuple(row.values()) for row in rows])


def where(selection: Selection) -> tuple[str, dict[str, Any]]:
    """Return a condition for predictions, and the values in it."""
    parts, values = ["1 = 1"], {}
    is_rare = any(getattr(selection, name) for name in _RARE)
    for name, condition in _CONDITIONS.items():
        if (value := getattr(selection, name)) is not None:
            # No index serves `IS TRUE`. SQLite, without statistics, would choose that of the model.
            is_beside = is_rare and name not in _RARE
            parts.append(f"({condition}) IS TRUE" if is_beside else condition)
            values[name] = value
    if selection.id is not None:
        values["end"] = f"{selection.id}."  # "." is next to the "-" of rows
    for number, (name, value) in enumerate(selection.identifiers.items()):
        parts.append(
            "p.id IN (SELECT id FROM prediction_identifiers "
            f"WHERE name = :name{number} AND value = :value{number})"
        )
        values |= {f"name{number}": name, f"value{number}": str(value)}
    return " AND ".join(parts), values


def where_alone(selection: Selection) -> tuple[str, dict[str, Any]]:
    """Return a condition for outcomes by what they name; empty where only predictions tell."""
    told = selection.version, selection.since, selection.until, selection.key
    if any(each is not None for each in told):
        return "", {}
    values = {"model": selection.model, "id": selection.id}
    parts = [f"{name} = :{name}" for name, value in values.items() if value is not None]
    for number, (name, value) in enumerate(selection.identifiers.items()):
        parts.append(f"replace(identifiers, :pair{number}, '') <> identifiers")
        values[f"pair{number}"] = json_text({name: str(value)})[1:-1]
    return " AND ".join(parts), {name: value for name, value in values.items() if value is not None}


def columns(table: str, names: Sequence[str]) -> str:
    """Return columns of a table, as a query names them."""
    return ", ".join(f"{table}.{name}" for name in names)
