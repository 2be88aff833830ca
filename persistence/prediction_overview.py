"""What pages show of the prediction log: read in little time, or not at all."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from persistence.prediction_queries import columns, run
from persistence.prediction_rows import ANSWER, Count, OutcomeRow, PredictionRow, row_of
from persistence.transactions import Transactions

_OUTCOME = OutcomeRow.__struct_fields__

#: How many records had an answer: the rows of a table that is logged by its file, too.
_TRAFFIC = """SELECT model, hour, CAST(sum(n) AS BIGINT) FROM prediction_counts
    WHERE model IN :ids AND hour >= :first AND field = :field GROUP BY model, hour"""

_COUNTS = """SELECT model, version, {unit} * {hours}, field, bin, n FROM {table}
    WHERE model = :model AND {unit} >= :first AND {unit} < :end AND field = :field"""

#: The tables of counts, by the hours of their periods.
_TABLES = {
    1: _COUNTS.format(unit="hour", hours=1, table="prediction_counts"),
    24: _COUNTS.format(unit="day", hours=24, table="prediction_daily_counts"),
}

#: The first prediction of each of many spans, found by the index of the model and the time.
_SAMPLE = """WITH RECURSIVE spans (n) AS (
        SELECT 0 UNION ALL SELECT n + 1 FROM spans WHERE n < :last)
    SELECT p.at, p.seconds, p.value FROM spans JOIN prediction_log p ON p.place = (
        SELECT q.place FROM prediction_log q WHERE q.model = :model
        AND q.at >= :since + n * :step AND q.at < :since + (n + 1) * :step
        ORDER BY q.at, q.place LIMIT 1)
    WHERE p.record IS NOT NULL AND p.seconds IS NOT NULL"""

#: All predictions of a time.
_EACH = """SELECT at, seconds, value FROM prediction_log
    WHERE model = :model AND at >= :since AND at < :until
    AND record IS NOT NULL AND seconds IS NOT NULL LIMIT :most"""

_BY_ID = "SELECT {columns} FROM prediction_outcomes o WHERE o.model = :model AND o.id = :id"

_BY_NAME = """SELECT {columns} FROM prediction_outcomes o
    WHERE o.model = :model AND o.name = :name AND o.name_value = :value"""


class Sampled(NamedTuple):
    """A prediction of a sample: when it was answered, how fast, and with what."""

    at: float
    seconds: float
    value: Any  # as JSON has it


class PredictionOverview:
    """The prediction log at an address, as `PredictionDatabase` has it.

    What is not read within ``seconds`` raises `DatabaseError`.
    """

    def __init__(self, address: str | Path, *, seconds: float = 2.0) -> None:
        self._transactions = Transactions(str(address), seconds)

    def traffic(self, models: Sequence[str], since_hour: int) -> dict[str, dict[int, int]]:
        """Return how many records each of some models has answered, by hours since 1970."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        values = {"ids": [*models], "first": since_hour, "field": ANSWER}
        with self._transactions.begin() as connection:
            for model, hour, n in run(connection, _TRAFFIC, values):
                found[model][hour] = n
        return found

    def counts(self, model: str, field: str, first: int, end: int, *, hours: int) -> list[Count]:
        """Return the counts of a field by periods of 1 or 24 hours, each at its first hour."""
        values = {"model": model, "field": field, "first": first // hours, "end": end // hours}
        with self._transactions.begin() as connection:
            return [Count(*row) for row in run(connection, _TABLES[hours], values)]

    def sample(self, model: str, since: float, until: float, *, spans: int) -> list[Sampled]:
        """Return the first prediction of each of so many equal spans of a time, where there is one.

        So a table with many records counts no more than what came alone in the same span.
        """
        step = (until - since) / spans
        values = {"model": model, "since": since, "step": step, "last": spans - 1}
        with self._transactions.begin() as connection:
            rows = run(connection, _SAMPLE, values).all()
        return [Sampled(at, seconds, msgspec.json.decode(value)) for at, seconds, value in rows]

    def each(self, model: str, since: float, until: float, *, most: int) -> list[Sampled]:
        """Return the predictions of a time, so many at most, in no order."""
        values = {"model": model, "since": since, "until": until, "most": most}
        with self._transactions.begin() as connection:
            rows = run(connection, _EACH, values).all()
        return [Sampled(at, seconds, msgspec.json.decode(value)) for at, seconds, value in rows]

    def outcome_count(self) -> int:
        """Return how many outcomes of any model there are."""
        with self._transactions.begin() as connection:
            return int(run(connection, "SELECT count(*) FROM prediction_outcomes", {}).scalar())

    def outcomes(self, prediction: PredictionRow) -> list[OutcomeRow]:
        """Return what became true of a prediction, the latest last."""
        named = columns("o", _OUTCOME)
        told = {name: str(value) for name, value in prediction.identifiers.items()}
        model = {"model": prediction.model}
        with self._transactions.begin() as connection:
            query = _BY_ID.format(columns=named)
            rows = run(connection, query, {**model, "id": prediction.id}).all()
            for name, value in told.items():
                query = _BY_NAME.format(columns=named)
                rows += run(connection, query, {**model, "name": name, "value": value}).all()
        found = [row_of(OutcomeRow, _OUTCOME, row) for row in rows]
        of_it = [outcome for outcome in found if outcome.identifiers.items() <= told.items()]
        return sorted(of_it, key=lambda outcome: (outcome.at, outcome.received_at))
