"""The prediction log in a database: each prediction, outcome and count once.

Every call is one transaction, or one for each block, with a deadline. It raises `DatabaseError`
where the database does not do within that what is asked of it.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from persistence.prediction_queries import columns, insert, run, where, where_alone
from persistence.prediction_rows import (
    EVERYTHING,
    Count,
    OutcomeRow,
    PredictionRow,
    Selection,
    columns_of,
    outcome_columns,
    row_of,
)
from persistence.transactions import Transactions

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: How many predictions are read, or deleted, in one transaction.
BLOCK = 5000

_PREDICTION, _OUTCOME = PredictionRow.__struct_fields__, OutcomeRow.__struct_fields__

_SAME_NAME = "o.name = i.name AND o.name_value = i.value AND o.model = i.model"

_ADVANCE = """UPDATE prediction_spools SET position = :position
    WHERE spool = :spool AND position = :after"""

_BEGIN = """INSERT INTO prediction_spools (spool, position) VALUES (:spool, :position)
    ON CONFLICT DO NOTHING"""

_COUNT = """INSERT INTO prediction_counts (model, hour, version, field, bin, n)
    VALUES (:model, :hour, :version, :field, :bin, :n)
    ON CONFLICT (model, hour, version, field, bin)
    DO UPDATE SET n = prediction_counts.n + excluded.n"""

#: The same by day: a month of hours takes too long to add up.
_COUNT_DAY = _COUNT.replace("prediction_counts", "prediction_daily_counts").replace("hour", "day")

_OUTCOMES_BY_ID = "DELETE FROM prediction_outcomes WHERE id IN :ids"

_OUTCOMES_BY_NAME = f"""SELECT i.id, o.digest, o.model, o.identifiers
    FROM prediction_identifiers i JOIN prediction_outcomes o ON {_SAME_NAME} WHERE i.id IN :ids"""


class PredictionDatabase:
    """The prediction log at an address, as `DATABASE_URL` has it, or in a file of SQLite.

    A transaction has ``seconds`` at most.
    """

    def __init__(self, address: str | Path, *, seconds: float = 30.0) -> None:
        self._transactions = Transactions(str(address), seconds)

    def store(
        self, predictions: Sequence[PredictionRow], outcomes: Sequence[OutcomeRow] = (),
        counts: Sequence[Count] = (), *, spool: str = "", after: int = 0, position: int = 0,
    ) -> bool:  # fmt: skip
        """Store what a spool has between two positions, in one transaction with the second.

        Nothing is done, and False returned, where the spool is not stored just up to the
        first. Rows that are there already stay.
        """
        rows = [*map(columns_of, predictions)]
        names = [
            {"name": name, "value": str(value), "model": row.model, "id": row.id}
            for row in predictions if row.identifiers for name, value in row.identifiers.items()
        ]  # fmt: skip
        # In one order, so that two who write at a time never wait for each other.
        numbers = sorted(map(msgspec.structs.asdict, counts), key=lambda count: [*count.values()])
        with self._transactions.begin(writes=True) as connection:
            place = {"spool": spool, "position": position}
            if spool and not (
                run(connection, _ADVANCE, {**place, "after": after}).rowcount if after
                else run(connection, _BEGIN, place).rowcount
            ):  # fmt: skip
                return False
            insert(connection, "prediction_log", rows)
            insert(connection, "prediction_identifiers", names)
            insert(connection, "prediction_outcomes", [*map(outcome_columns, outcomes)])
            if numbers:
                run(connection, _COUNT, numbers)
                run(connection, _COUNT_DAY, [n | {"day": n["hour"] // 24} for n in numbers])
        return True

    def position(self, spool: str) -> int:
        """Return the position up to which a spool is stored; 0 where nothing of it is."""
        query = "SELECT position FROM prediction_spools WHERE spool = :spool"
        return self._scalar(query, {"spool": spool})

    def forget(self, spool: str) -> None:
        """Forget the position of a spool that is deleted."""
        self._change("DELETE FROM prediction_spools WHERE spool = :spool", spool=spool)

    def select(
        self, selection: Selection = EVERYTHING, *, newest_first: bool = False,
        most: int | None = None, after: tuple[float, int] | None = None,
    ) -> Iterator[list[PredictionRow]]:  # fmt: skip
        """Read predictions in the order of their time, in blocks; at most so many.

        The first comes after the one with ``after`` as its ``at`` and ``place``.
        """
        comes, order = ("<", "DESC") if newest_first else (">", "ASC")
        while most is None or most > 0:
            size = BLOCK if most is None else min(most, BLOCK)
            condition, values = where(selection)
            if after is not None:
                condition += f" AND (p.at, p.place) {comes} (:at, :place)"
                values |= {"at": after[0], "place": after[1]}
            query = f"""SELECT {columns("p", _PREDICTION)} FROM prediction_log p WHERE {condition}
                ORDER BY p.at {order}, p.place {order} LIMIT {size}"""
            with self._transactions.begin() as connection:
                found = run(connection, query, values)
                rows = [row_of(PredictionRow, _PREDICTION, row) for row in found]
            if rows:
                yield rows
                after = rows[-1].at, rows[-1].place
            if len(rows) < size:
                return
            most = None if most is None else most - size

    def judged(
        self, selection: Selection, *, most: int, share: float = 1.0
    ) -> Iterator[tuple[PredictionRow, list[OutcomeRow]]]:
        """Read predictions with their outcomes, the latest last; the newest predictions first.

        There are so many outcomes at most. With a share below 1 only about so many of all are
        looked at, by chance: their digests are as good as random numbers.
        """
        condition, values = where(selection)
        condition += " AND p.record IS NOT NULL"  # of a table by its file no answer is known
        if share < 1:
            condition += " AND o.digest < :digest"
            values["digest"] = f"{int(share * 16**8):08x}"
        both = f"{columns('p', _PREDICTION)}, {columns('o', _OUTCOME)}"
        # The limit may cut off outcomes of the last prediction: the earliest of them.
        at, came = (len(_PREDICTION) + 1 + _OUTCOME.index(name) for name in ("at", "received_at"))
        # A cross join has SQLite begin with the outcomes, which are fewer.
        query = f"""SELECT {both} FROM prediction_outcomes o
            CROSS JOIN prediction_log p WHERE p.id = o.id AND p.model = o.model AND {condition}
            UNION ALL SELECT {both} FROM prediction_outcomes o
            CROSS JOIN prediction_identifiers i CROSS JOIN prediction_log p
            WHERE {_SAME_NAME} AND p.id = i.id AND {condition}
            ORDER BY 2 DESC, {len(_PREDICTION)} DESC, {at} DESC, {came} DESC LIMIT {most}"""
        with self._transactions.begin() as connection:
            found = run(connection, query, values).all()
        for head, rows in groupby(found, key=lambda row: row[: len(_PREDICTION)]):
            prediction = row_of(PredictionRow, _PREDICTION, head)
            outcomes = [row_of(OutcomeRow, _OUTCOME, row[len(_PREDICTION) :]) for row in rows]
            names = {name: str(value) for name, value in prediction.identifiers.items()}.items()
            told = [outcome for outcome in outcomes if outcome.identifiers.items() <= names]
            if told:
                yield prediction, sorted(told, key=lambda each: (each.at, each.received_at))

    def counts(
        self, model: str, field: str | None = None, *, since: float = 0, until: float = 1e12,
        by_hour: bool = False,
    ) -> list[Count]:  # fmt: skip
        """Add up the counts of a model, or of one field, in a time, or list them by hour."""
        first, end = int(since // 3600), math.ceil(until / 3600)
        days: dict[str, Any] = {"first_day": math.ceil(first / 24), "end_day": end // 24}
        if by_hour or days["first_day"] >= days["end_day"]:
            days = {"first_day": 0, "end_day": 0}
        hour, group = ("hour", "hour, ") if by_hour else ("0", "")
        query = f"""SELECT model, version, {hour}, field, bin, CAST(sum(n) AS BIGINT) FROM (
                SELECT model, version, hour, field, bin, n FROM prediction_counts
                WHERE model = :model AND hour >= :first AND hour < :end
                AND (hour < :first_day * 24 OR hour >= :end_day * 24)
                UNION ALL SELECT model, version, 0, field, bin, n FROM prediction_daily_counts
                WHERE model = :model AND day >= :first_day AND day < :end_day
            ) AS counted WHERE {"1 = 1" if field is None else "field = :field"}
            GROUP BY model, {group}version, field, bin ORDER BY {group}version, field, bin"""
        days |= {"model": model, "field": field, "first": first, "end": end}
        with self._transactions.begin() as connection:
            return [Count(*row) for row in run(connection, query, days)]

    def has_identifier(self, name: str) -> bool:
        """Return whether a prediction or an outcome has an identifier of a name."""
        query = """SELECT count(*) FROM (
            SELECT 1 AS n FROM prediction_identifiers WHERE name = :name
            UNION ALL SELECT 1 FROM prediction_outcomes WHERE name = :name LIMIT 1) AS named"""
        return bool(self._scalar(query, {"name": name}))

    def versions(self, model: str) -> list[str]:
        """Return the versions of a model that predictions are logged of, by the counts."""
        query = "SELECT DISTINCT version FROM prediction_daily_counts WHERE model = :model"
        with self._transactions.begin() as connection:
            return sorted(run(connection, query, {"model": model}).scalars())

    def count(self, selection: Selection) -> int:
        """Return how many predictions are meant."""
        condition, values = where(selection)
        return self._scalar(f"SELECT count(*) FROM prediction_log p WHERE {condition}", values)

    def delete(self, selection: Selection) -> tuple[int, int]:
        """Delete predictions and their outcomes; return how many of both.

        Outcomes that other predictions have by the same identifiers stay, and so do the counts,
        as they say nothing of a single prediction.
        """
        outcomes, predictions = self._remove(selection, with_outcomes=True)
        condition, values = where_alone(selection)  # also those without a prediction
        query = f"DELETE FROM prediction_outcomes WHERE {condition}"
        outcomes += self._change(query, **values) if condition else 0
        self._transactions.overwrite()
        return predictions, outcomes

    def prune(self, before: float) -> int:
        """Delete what is older than a time, counts too; return how many predictions."""
        _, predictions = self._remove(Selection(until=before))
        query = "DELETE FROM prediction_outcomes WHERE received_at < :before"
        self._change(query, before=before)
        self._change("DELETE FROM prediction_counts WHERE hour < :hour", hour=int(before // 3600))
        query = "DELETE FROM prediction_daily_counts WHERE day < :day"
        self._change(query, day=math.floor(before / 86400))
        return predictions

    def close(self) -> None:
        """Close what is open."""
        self._transactions.close()

    def _scalar(self, query: str, values: Any) -> int:
        with self._transactions.begin() as connection:
            return int(run(connection, query, values).scalar() or 0)

    def _change(self, query: str, **values: Any) -> int:
        with self._transactions.begin(writes=True) as connection:
            return int(run(connection, query, values).rowcount)

    def _remove(self, selection: Selection, *, with_outcomes: bool = False) -> tuple[int, int]:
        """Delete predictions, perhaps with outcomes of theirs alone; return how many of both."""
        outcomes = predictions = 0
        for rows in self.select(selection):
            ids = {"ids": [row.id for row in rows]}
            with self._transactions.begin(writes=True) as connection:
                told = run(connection, _OUTCOMES_BY_NAME, ids).all() if with_outcomes else []
                run(connection, "DELETE FROM prediction_identifiers WHERE id IN :ids", ids)
                query = "DELETE FROM prediction_log WHERE id IN :ids"
                predictions += run(connection, query, ids).rowcount
                if with_outcomes:
                    outcomes += run(connection, _OUTCOMES_BY_ID, ids).rowcount
                    outcomes += _delete_told(connection, rows, told)
        return outcomes, predictions


def _delete_told(
    connection: "Connection", rows: Sequence[PredictionRow], told: Sequence[Any]
) -> int:
    """Delete outcomes of deleted predictions that no other has by the same identifiers."""
    names = {row.id: {name: str(each) for name, each in row.identifiers.items()} for row in rows}
    found = {
        digest: Selection(model=model, identifiers=identifiers)
        for prediction, digest, model, text in told
        if (identifiers := msgspec.json.decode(text)).items() <= names[prediction].items()
    }
    alone = []
    for digest, selection in found.items():
        condition, values = where(selection)
        others = f"SELECT 1 FROM prediction_log p WHERE {condition} LIMIT 1"
        if run(connection, others, values).first() is None:
            alone.append(digest)
    query = "DELETE FROM prediction_outcomes WHERE digest IN :ids"
    return int(run(connection, query, {"ids": alone}).rowcount) if alone else 0
