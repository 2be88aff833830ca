"""What pages show of the log: traffic, counts by period, a sample over time, outcomes of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persistence.prediction_database import PredictionDatabase
from persistence.prediction_overview import PredictionOverview, Sampled
from persistence.prediction_rows import (
    ANSWER,
    EVERYTHING,
    Count,
    OutcomeRow,
    PredictionRow,
    Selection,
)

DAY = 20_000 * 24  # in hours


def prediction(number: int, at: float, **changes: Any) -> PredictionRow:
    values: dict[str, Any] = {
        "id": f"{number:032x}", "at": at, "model": "shop", "version": "v1", "record": {},
        "value": "yes", "seconds": number / 1000, "identifiers": {"order": number},
    }  # fmt: skip
    return PredictionRow(**values | changes)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log.sqlite3"
    address: str = request.getfixturevalue("postgresql").address
    return address


@pytest.fixture
def database(address: str) -> Iterator[PredictionDatabase]:
    database = PredictionDatabase(address)
    yield database
    database.close()


@pytest.fixture
def overview(address: str) -> Iterator[PredictionOverview]:
    overview = PredictionOverview(address)
    yield overview
    overview._transactions.close()


def test_counts_when_read_by_period_are_those_of_the_window(
    database: PredictionDatabase, overview: PredictionOverview
) -> None:
    hours = {DAY - 1: 1, DAY: 2, DAY + 23: 4, DAY + 24: 8}
    counts = [Count("shop", "v1", hour, ANSWER, "yes", n) for hour, n in hours.items()]
    others = [
        Count("shop", "v1", DAY, "age", "0", 16), Count("bank", "v1", DAY, ANSWER, "yes", 32),
    ]  # fmt: skip
    database.store((), (), [*counts, *others])

    def found(first: int, end: int, hours: int) -> list[tuple[int, int]]:
        rows = overview.counts("shop", ANSWER, first, end, hours=hours)
        return sorted((count.hour, count.n) for count in rows)

    assert [(DAY, 2), (DAY + 23, 4)] == found(DAY, DAY + 24, 1)
    assert [(DAY, 6), (DAY + 24, 8)] == found(DAY, DAY + 48, 24)
    traffic = overview.traffic(["shop", "bank", "none"], DAY)
    assert {"shop": {DAY: 2, DAY + 23: 4, DAY + 24: 8}, "bank": {DAY: 32}} == traffic


def test_sample_when_many_came_at_once_has_the_first_of_each_span(
    database: PredictionDatabase, overview: PredictionOverview
) -> None:
    batch = [prediction(number, 1000.5) for number in range(1, 50)]
    alone = [prediction(100, 1004.0, value=2.5), prediction(101, 1004.5)]
    beside = [
        prediction(102, 999.9), prediction(103, 1010.0), prediction(104, 1006.0, model="bank"),
        prediction(105, 1008.0, record=None),  # a table by its file
    ]  # fmt: skip
    database.store([*batch, *alone, *beside])

    sample = overview.sample("shop", 1000, 1010, spans=10)

    assert [Sampled(1000.5, 0.001, "yes"), Sampled(1004.0, 0.1, 2.5)] == sorted(sample)


def test_outcomes_when_of_one_prediction_are_those_that_name_it(
    database: PredictionDatabase, overview: PredictionOverview
) -> None:
    row = prediction(7, 1000.0, identifiers={"order": 7, "shop": "x"})
    told: dict[str, Any] = {"model": "shop", "source": "s", "received_at": 5.0}
    of_it = [
        OutcomeRow(**told, value=1, id=row.id, at=30.0),
        OutcomeRow(**told, value=2, identifiers={"order": "7"}, at=10.0),
        OutcomeRow(**told, value=3, identifiers={"order": "7", "shop": "x"}, at=20.0),
    ]
    of_others = [
        OutcomeRow(**told, value=4, id=prediction(8, 0).id),
        OutcomeRow(**told, value=5, identifiers={"order": "7", "shop": "y"}),
        OutcomeRow(**told | {"model": "bank"}, value=6, id=row.id),
    ]
    database.store([row], [*of_it, *of_others])

    assert [2, 3, 1] == [outcome.value for outcome in overview.outcomes(row)]
    assert 6 == overview.outcome_count()


def test_judged_when_a_share_is_asked_for_has_about_so_many(database: PredictionDatabase) -> None:
    rows = [prediction(number, 1000.0 + number) for number in range(400)]
    told = [OutcomeRow(model="shop", value=1, source="s", received_at=5.0, id=row.id)
            for row in rows]  # fmt: skip
    database.store(rows, told)

    part = [*database.judged(EVERYTHING, most=999, share=0.25)]
    again = [*database.judged(Selection(model="shop"), most=999, share=0.25)]

    assert part == again
    assert 60 < len(part) < 140  # 100, by chance
    assert 400 == len([*database.judged(EVERYTHING, most=999)])
