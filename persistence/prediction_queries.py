"""What the prediction log asks of its database, each within a transaction."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from persistence.prediction_rows import Count, OutcomeRow, PredictionRow, Selection
from persistence.prediction_tables import tables

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

_PREDICTION = PredictionRow.__struct_fields__

#: What a database has as text in JSON.
_JSON = ("record", "value", "probabilities", "identifiers")

_HOUR = 3600


def advance(connection: "Connection", spool: str, position: int) -> bool:
    """Move the position of a spool ahead; return False where it is there already."""
    table = tables().spools
    insert = _insert(connection, table)
    statement = insert.on_conflict_do_update(
        index_elements=["spool"], set_={"position": insert.excluded.position},
        where=table.c.position < insert.excluded.position,
    )  # fmt: skip
    return bool(connection.execute(statement, {"spool": spool, "position": position}).rowcount)


def position(connection: "Connection", spool: str) -> int:
    """Return the position of a spool."""
    from sqlalchemy import select

    table = tables().spools
    return connection.scalar(select(table.c.position).where(table.c.spool == spool)) or 0


def forget(connection: "Connection", spool: str) -> None:
    """Delete the position of a spool."""
    table = tables().spools
    connection.execute(table.delete().where(table.c.spool == spool))


def insert_predictions(connection: "Connection", rows: Sequence[PredictionRow]) -> None:
    """Insert predictions that are not there yet."""
    _insert_new(connection, tables().predictions, [_plain(row) for row in rows])
    named = [
        {"name": name, "value": _json(value), "model": row.model, "id": row.id}
        for row in rows if row.identifiers for name, value in row.identifiers.items()
    ]  # fmt: skip
    _insert_new(connection, tables().identifiers, named)


def insert_outcomes(connection: "Connection", rows: Sequence[OutcomeRow]) -> None:
    """Insert outcomes that are not there yet."""
    _insert_new(connection, tables().outcomes, [_plain_outcome(row) for row in rows])


def add_counts(connection: "Connection", counts: Sequence[Count]) -> None:
    """Add counts to those that are there."""
    table = tables().counts
    insert = _insert(connection, table)
    statement = insert.on_conflict_do_update(
        index_elements=[*table.primary_key], set_={"n": table.c.n + insert.excluded.n}
    )
    if rows := [msgspec.structs.asdict(count) for count in counts]:
        # In one order, so that two that write at a time never wait for each other.
        rows.sort(key=lambda row: [str(row[column.name]) for column in table.primary_key])
        connection.execute(statement, rows)


def read_block(
    connection: "Connection", selection: Selection, after: tuple[float, int] | None, size: int,
    *, newest_first: bool, has_outcome: bool,
) -> list[PredictionRow]:  # fmt: skip
    """Read so many of the predictions that are meant, after one of them."""
    from sqlalchemy import select, tuple_

    table = tables().predictions
    order = tuple_(table.c.at, table.c.place)
    where = _conditions(selection)
    if after is not None:
        where.append(order < after if newest_first else order > after)
    if has_outcome:
        where.append(_has_outcome())
    columns = [table.c.at, table.c.place]
    statement = select(*(table.c[name] for name in _PREDICTION)).where(*where).limit(size)
    statement = statement.order_by(*(each.desc() if newest_first else each for each in columns))
    return [_row(found) for found in connection.execute(statement)]


def outcomes_of(
    connection: "Connection", predictions: Sequence[PredictionRow]
) -> Mapping[str, list[OutcomeRow]]:
    """Map the ids of predictions to their outcomes, the latest last."""
    from sqlalchemy import select

    outcomes, identifiers = tables().outcomes, tables().identifiers
    columns = [outcomes.c[name] for name in OutcomeRow.__struct_fields__]
    rows = {row.id: row for row in predictions}
    by_id = select(outcomes.c.id, *columns).where(outcomes.c.id.in_(rows))
    by_name = select(identifiers.c.id, *columns).where(identifiers.c.id.in_(rows)).join(
        outcomes, _same_identifier()
    )  # fmt: skip
    found = defaultdict(list)
    for statement in (by_id, by_name):
        for id_, *values in connection.execute(statement):
            outcome = _outcome(values)
            if outcome.model == rows[id_].model and (
                outcome.identifiers.items() <= rows[id_].identifiers.items()
            ):
                found[id_].append(outcome)
    for some in found.values():
        some.sort(key=lambda outcome: (outcome.at, outcome.received_at))
    return found


def read_counts(
    connection: "Connection", model: str, since: float, until: float | None,
    *, version: str | None, fields: Sequence[str], by_hour: bool,
) -> list[Count]:  # fmt: skip
    """Add up the counts of a model, over all hours or for each."""
    from sqlalchemy import func, literal, select

    columns = tables().counts.c
    where = [columns.model == model, columns.hour >= math.floor(since / _HOUR)]
    if until is not None:
        where.append(columns.hour < math.ceil(until / _HOUR))
    if version is not None:
        where.append(columns.version == version)
    if fields:
        where.append(columns.field.in_(fields))
    groups = [columns.version, *[columns.hour] * by_hour, columns.field, columns.bin]
    hour = columns.hour if by_hour else literal(0)
    statement = select(
        columns.model, columns.version, hour, columns.field, columns.bin, func.sum(columns.n)
    ).where(*where).group_by(columns.model, *groups).order_by(*groups)  # fmt: skip
    return [Count(*found[:-1], int(found[-1])) for found in connection.execute(statement)]


def count(connection: "Connection", selection: Selection) -> tuple[int, int]:
    """Count the predictions that are meant, and their outcomes."""
    from sqlalchemy import func, select

    predictions, outcomes = tables().predictions, tables().outcomes
    meant = select(predictions.c.id).where(*_conditions(selection))
    of_meant = select(func.count()).select_from(outcomes).where(_told_of(meant, selection))
    counted = connection.scalar(select(func.count()).select_from(meant.subquery()))
    return counted or 0, connection.scalar(of_meant) or 0


def delete_block(connection: "Connection", selection: Selection, size: int) -> tuple[int, int]:
    """Delete so many of the predictions that are meant, and their outcomes; count both."""
    from sqlalchemy import delete, select

    predictions, identifiers, outcomes = tables()[:3]
    meant = select(predictions.c.id).where(*_conditions(selection)).limit(size)
    ids = [*connection.scalars(meant)]
    told = connection.execute(delete(outcomes).where(_told_of(ids, selection))).rowcount
    connection.execute(delete(identifiers).where(identifiers.c.id.in_(ids)))
    connection.execute(delete(predictions).where(predictions.c.id.in_(ids)))
    return len(ids), told


def prune_rest(connection: "Connection", before: float) -> None:
    """Delete the outcomes and the counts of a time."""
    outcomes, counts = tables().outcomes, tables().counts
    connection.execute(outcomes.delete().where(outcomes.c.received_at < before))
    connection.execute(counts.delete().where(counts.c.hour < math.floor(before / _HOUR)))


def _conditions(selection: Selection) -> list[Any]:
    from sqlalchemy import or_, select

    columns, identifiers = tables().predictions.c, tables().identifiers.c
    where: list[Any] = [
        columns[name] == value
        for name in ("model", "version", "key")
        if (value := getattr(selection, name)) is not None
    ]
    if selection.since is not None:
        where.append(columns.at >= selection.since)
    if selection.until is not None:
        where.append(columns.at < selection.until)
    if selection.id is not None:
        # The id of a request means all its rows: "." comes after "-".
        rows = columns.id.between(f"{selection.id}-", f"{selection.id}.")
        where.append(or_(columns.id == selection.id, rows))
    for name, value in selection.identifiers.items():
        named = identifiers.name == name, identifiers.value == _json(value)
        where.append(columns.id.in_(select(identifiers.id).where(*named)))
    return where


def _has_outcome() -> "ColumnElement[bool]":
    """Whether a prediction has an outcome."""
    from sqlalchemy import exists, or_

    predictions, identifiers, outcomes = tables()[:3]
    by_name = exists().where(identifiers.c.id == predictions.c.id, _same_identifier())
    return or_(exists().where(outcomes.c.id == predictions.c.id), by_name)


def _same_identifier() -> "ColumnElement[bool]":
    """Whether an outcome is of the predictions with an identifier."""
    from sqlalchemy import and_

    identifiers, outcomes = tables().identifiers.c, tables().outcomes.c
    return and_(
        outcomes.name == identifiers.name, outcomes.name_value == identifiers.value,
        outcomes.model == identifiers.model,
    )  # fmt: skip


def _told_of(ids: Any, selection: Selection) -> "ColumnElement[bool]":
    """Whether an outcome is of some predictions, or else of what is meant itself."""
    from sqlalchemy import and_, exists, or_

    identifiers, outcomes = tables().identifiers, tables().outcomes
    of_names = exists().where(identifiers.c.id.in_(ids), _same_identifier())
    told = [outcomes.c.id.in_(ids), of_names]
    if selection.id is not None:
        told.append(outcomes.c.id == selection.id)
    told += [
        and_(outcomes.c.name == name, outcomes.c.name_value == _json(value))
        for name, value in selection.identifiers.items()
    ]
    return or_(*told)


def _insert(connection: "Connection", table: "Table") -> Any:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def _insert_new(connection: "Connection", table: "Table", rows: Sequence[Any]) -> None:
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _plain(row: PredictionRow) -> dict[str, Any]:
    """Return a prediction as its table has it."""
    plain = {name: getattr(row, name) for name in _PREDICTION if name != "place"}
    plain["record"] = None if row.record is None else _json(row.record)
    plain["value"] = _json(row.value)
    plain["probabilities"] = None if row.probabilities is None else _json(row.probabilities)
    plain["identifiers"] = _json(row.identifiers) if row.identifiers else None
    return plain


def _row(found: Sequence[Any]) -> PredictionRow:
    """Return a prediction from what its table has."""
    plain = dict(zip(_PREDICTION, found, strict=True))
    for name in _JSON:
        plain[name] = None if plain[name] is None else msgspec.json.decode(plain[name])
    return PredictionRow(**plain | {"identifiers": plain["identifiers"] or {}})


def _plain_outcome(row: OutcomeRow) -> dict[str, Any]:
    """Return an outcome as its table has it: found by its id, or by one of its identifiers."""
    name = min(row.identifiers, default=None)
    return {
        "digest": row.digest, "model": row.model, "id": row.id or None, "name": name,
        "name_value": None if name is None else _json(row.identifiers[name]),
        "identifiers": _json(row.identifiers), "value": _json(row.value),
        "at": row.received_at if row.at is None else row.at,
        "received_at": row.received_at, "source": row.source,
    }  # fmt: skip


def _outcome(found: Sequence[Any]) -> OutcomeRow:
    """Return an outcome from what its table has."""
    plain = dict(zip(OutcomeRow.__struct_fields__, found, strict=True))
    plain |= {name: msgspec.json.decode(plain[name]) for name in ("value", "identifiers")}
    return OutcomeRow(**plain | {"id": plain["id"] or ""})
