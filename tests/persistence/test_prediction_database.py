"""The prediction log in a database has each row once, and finds, adds up and deletes rows."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import EVERYTHING, Count, OutcomeRow, PredictionRow, Selection


def prediction(number: int, **changes: Any) -> PredictionRow:
    values: dict[str, Any] = {
        "id": f"{number:032x}", "at": 1000.0 + number, "model": "shop", "version": "v1",
        "record": {"age": number}, "value": True, "probability": 0.75,
        "probabilities": {"no": 0.25, "yes": 0.75}, "seconds": 0.01, "key": "ana",
        "request_id": "r", "identifiers": {"order": number // 2},
    }  # fmt: skip
    return PredictionRow(**values | changes)


def number_of(row: PredictionRow) -> int:
    return int(row.id, 16)


@pytest.fixture
def database(tmp_path: Path) -> PredictionDatabase:
    return PredictionDatabase(tmp_path / "log.sqlite3")


def test_row_when_stored_again_is_there_once(database: PredictionDatabase) -> None:
    rows, count = [prediction(1), prediction(2)], Count("shop", "v1", 3, "age", "0", 2)

    database.store(rows[:1], (), [count], spool="a", position=10)
    database.store(rows, (), [count], spool="a", position=10)  # the spool is where it was
    database.store(rows, (), [count], spool="a", position=20)

    (stored,) = database.select()
    assert rows == [msgspec.structs.replace(row, place=0) for row in stored]
    assert [Count("shop", "v1", 0, "age", "0", 4)] == database.counts("shop")
    assert (20, 0) == (database.position("a"), database.position("b"))
    database.forget("a")
    assert 0 == database.position("a")


def test_deleted_row_when_outcomes_are_of_it_takes_them_along(database: PredictionDatabase) -> None:
    told: dict[str, Any] = {"model": "shop", "value": False, "source": "s", "received_at": 5.0}
    outcomes = [
        OutcomeRow(**told, id=prediction(4).id), OutcomeRow(**told, identifiers={"order": 2}),
        OutcomeRow(**told, identifiers={"order": 3}),
    ]  # fmt: skip
    database.store([prediction(n) for n in range(10)], outcomes)

    judged = {number_of(row): told for row, told in database.judged(EVERYTHING, most=99)}
    assert {4: 2, 5: 1, 6: 1, 7: 1} == {number: len(told) for number, told in judged.items()}
    selection = Selection(identifiers={"order": 2})
    assert 2 == database.count(selection)
    assert (2, 2) == database.delete(selection)

    newest = [row for block in database.select(newest_first=True) for row in block]
    assert [9, 8, 7, 6, 3, 2, 1, 0] == [*map(number_of, newest)]
    assert [7, 6] == [number_of(row) for row, _ in database.judged(EVERYTHING, most=99)]
