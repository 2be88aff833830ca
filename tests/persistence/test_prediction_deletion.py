from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import EVERYTHING, OutcomeRow, PredictionRow, Selection

_TOLD: dict[str, Any] = {"model": "shop", "value": 1.0, "source": "s", "received_at": 5.0}


def prediction(order: int, **changes: Any) -> PredictionRow:
    values: dict[str, Any] = {
        "id": f"{order:032x}", "at": 1000.0 + order, "model": "shop", "version": "v1",
        "record": {"order": order}, "value": 1.0, "key": "ana",
        "identifiers": {"order": order, "customer": "c"},
    }  # fmt: skip
    return PredictionRow(**values | changes)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PredictionDatabase]:
    """Two predictions of a customer, with outcomes by customer and by customer and order."""
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    of_customer = OutcomeRow(**_TOLD, identifiers={"customer": "c"})
    of_both = OutcomeRow(**_TOLD, identifiers={"customer": "c", "order": "2"})
    database.store([prediction(1), prediction(2)], [of_customer, of_both])
    yield database
    database.close()


def outcomes_by_order(database: PredictionDatabase) -> dict[Any, int]:
    judged = database.judged(EVERYTHING, most=99)
    return {row.identifiers["order"]: len(outcomes) for row, outcomes in judged}


def test_deleted_row_when_another_has_its_outcomes_leaves_them(
    database: PredictionDatabase,
) -> None:
    assert (1, 0) == database.delete(Selection(id=prediction(1).id))
    assert {2: 2} == outcomes_by_order(database)
    assert (1, 2) == database.delete(Selection(key="ana"))


def test_deleted_row_when_one_outcome_is_of_it_alone_takes_that_along(
    database: PredictionDatabase,
) -> None:
    assert (1, 1) == database.delete(Selection(id=prediction(2).id))
    assert {1: 1} == outcomes_by_order(database)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(identifiers={"customer": "c"}, model="other"),
        Selection(identifiers={"customer": "c"}, until=5.0),
        Selection(identifiers={"customer": "c"}, version="v2"),
        Selection(identifiers={"customer": "c", "order": "3"}),
    ],
)
def test_delete_when_narrowed_to_nothing_leaves_outcomes(
    database: PredictionDatabase, selection: Selection
) -> None:
    assert (0, 0) == database.delete(selection)
    assert {1: 1, 2: 2} == outcomes_by_order(database)


def test_outcome_when_of_a_table_logged_by_its_file_is_no_judgement(
    database: PredictionDatabase,
) -> None:
    table = prediction(9, record=None, value={"no": 1}, identifiers={}, sha256="0", rows=1)
    database.store([table], [OutcomeRow(**_TOLD, id=table.id)])
    assert {1: 1, 2: 2} == outcomes_by_order(database)
