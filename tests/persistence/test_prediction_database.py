"""The prediction log in a database has each row once, and finds, adds up and deletes rows."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy

from persistence import prediction_tables
from persistence.database import DatabaseError
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_queries import where
from persistence.prediction_rows import EVERYTHING, Count, OutcomeRow, PredictionRow, Selection
from tests.support.logged import counted
from tests.support.postgresql import Postgresql


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/folder/log.sqlite3"
    address: str = request.getfixturevalue("postgresql").address
    return address


@pytest.fixture
def database(address: str) -> Iterator[PredictionDatabase]:
    database = PredictionDatabase(address, seconds=2)
    yield database
    database.close()


def test_row_when_stored_again_is_there_once(database: PredictionDatabase) -> None:
    rows, count = [prediction(1), prediction(2)], Count("shop", "v1", 3, "age", "0", 2)

    assert database.store(rows[:1], (), [count], spool="a", position=10)
    for after in (0, 5, 20):  # where the spool is not
        assert not database.store(rows, (), [count], spool="a", after=after, position=15)
    assert database.store(rows, (), [count], spool="a", after=10, position=20)

    (stored,) = database.select()
    assert rows == [msgspec.structs.replace(row, place=0) for row in stored]
    assert [Count("shop", "v1", 3, "age", "0", 4)] == counted(database)
    assert [Count("shop", "v1", 0, "age", "0", 4)] == database.counts("shop")
    assert (20, 0) == (database.position("a"), database.position("b"))
    database.forget("a")
    assert 0 == database.position("a")


def test_deleted_row_when_outcomes_are_of_it_takes_them_along(database: PredictionDatabase) -> None:
    told: dict[str, Any] = {"model": "shop", "value": False, "source": "s", "received_at": 5.0}
    outcomes = [
        OutcomeRow(**told, id=prediction(4).id), OutcomeRow(**told, identifiers={"order": "2"}),
        OutcomeRow(**told, identifiers={"order": "3"}),
        OutcomeRow(**told, identifiers={"order": "4", "shop": "x"}),  # no prediction has both
    ]  # fmt: skip
    database.store([prediction(n) for n in range(10)], outcomes)
    later = [msgspec.structs.replace(outcome, received_at=9.0) for outcome in outcomes]
    database.store([], later)  # told again

    judged = {number_of(row): told for row, told in database.judged(EVERYTHING, most=99)}
    assert {4: 2, 5: 1, 6: 1, 7: 1} == {number: len(told) for number, told in judged.items()}
    selection = Selection(identifiers={"order": "2"})
    assert 2 == database.count(selection)
    assert (2, 2) == database.delete(selection)

    newest = [row for block in database.select(newest_first=True) for row in block]
    assert [9, 8, 7, 6, 3, 2, 1, 0] == [*map(number_of, newest)]
    assert [7, 6] == [number_of(row) for row, _ in database.judged(EVERYTHING, most=99)]
    assert (0, 1) == database.delete(Selection(identifiers={"shop": "x"}))  # without a prediction
    assert (0, 0) == database.delete(Selection(identifiers={"shop": "x"}))


def test_outcomes_when_contradicting_are_ordered_by_when_they_came_true(
    database: PredictionDatabase,
) -> None:
    told: dict[str, Any] = {"model": "shop", "source": "", "id": prediction(1).id}
    times = [("c", 7.0, None), ("a", 9.0, 1.0), ("b", 8.0, 2.0), ("d", 9.0, 7.0)]
    outcomes = [OutcomeRow(**told, value=v, received_at=came, at=at) for v, came, at in times]
    other = OutcomeRow(**told | {"model": "rent"}, value="z", received_at=99.0)

    database.store([], [*outcomes, other])  # before their prediction
    database.store([prediction(1)])

    ((_, found),) = database.judged(EVERYTHING, most=9)
    assert ["a", "b", "c", "d"] == [outcome.value for outcome in found]
    assert ["d"] == [told[-1].value for _, told in database.judged(EVERYTHING, most=1)]


def test_deleted_row_when_in_sqlite_is_in_no_file_any_more(tmp_path: Path) -> None:
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    database.store([prediction(n, record={"name": "Xaver"}, key="x") for n in range(100)])

    database.close()
    with sqlite3.connect(tmp_path / "log.sqlite3", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM prediction_log").fetchone()
        hasty = PredictionDatabase(tmp_path / "log.sqlite3", seconds=0.1)
        with pytest.raises(DatabaseError, match="run this again"):
            hasty.delete(Selection(key="x"))
        hasty.close()
    reader.close()

    assert (0, 0) == database.delete(Selection(key="x"))

    assert not any(b"Xaver" in path.read_bytes() for path in tmp_path.iterdir())


def test_page_when_after_a_row_goes_on_there(database: PredictionDatabase) -> None:
    database.store([prediction(number, at=5.0) for number in range(5)])

    (first,) = database.select(newest_first=True, most=2)
    (rest,) = database.select(newest_first=True, after=(first[-1].at, first[-1].place))

    assert [[4, 3], [2, 1, 0]] == [[*map(number_of, first)], [*map(number_of, rest)]]


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(key="bo", model="shop"), [1]), (Selection(version="v2"), [2]),
        (Selection(since=1001.0, until=1003.0), [1, 2]), (Selection(model="none"), []),
        (Selection(id=f"{3:032x}"), [3]), (Selection(identifiers={"order": 0}), [0, 1]),
        (Selection(identifiers={"order": "'; DROP TABLE prediction_log; --"}), []),
    ],
)  # fmt: skip
def test_selection_when_given_means_these(
    database: PredictionDatabase, selection: Selection, numbers: list[int]
) -> None:
    rows = [prediction(0), prediction(1, key="bo"), prediction(2, version="v2")]
    database.store([*rows, prediction(3, id=f"{3:032x}-1")])

    found = [row for block in database.select(selection) for row in block]

    assert numbers == [int(row.id[:32], 16) for row in found]
    assert len(numbers) == database.count(selection)


def test_counts_when_of_a_window_are_the_sum_of_its_hours(database: PredictionDatabase) -> None:
    numbers = {hour: 10**k for k, hour in enumerate((22, 25, 47, 48, 71, 73))}
    database.store([], [], [Count("shop", "v1", h, "age", "0", n) for h, n in numbers.items()])

    for first, end in ((0, 100), (22, 73), (23, 48), (25, 47), (47, 49), (24, 72), (30, 40)):
        (*found,) = database.counts("shop", since=first * 3600, until=end * 3600)
        inside = [n for hour, n in numbers.items() if first <= hour < end]
        assert ([sum(inside)] if inside else []) == [count.n for count in found]
    assert numbers == {c.hour: c.n for c in database.counts("shop", by_hour=True)}


def test_prune_when_old_deletes_what_is_older(database: PredictionDatabase) -> None:
    counts = [Count("shop", "v1", hour, "age", "0", 1) for hour in (0, 1)]
    told: dict[str, Any] = {"model": "shop", "value": True, "source": ""}
    outcomes = [OutcomeRow(**told, id=prediction(1).id, received_at=at, at=at) for at in (5.0, 9e9)]
    database.store([prediction(1, at=5.0), prediction(2, at=7200.0)], outcomes, counts)

    assert 1 == database.prune(before=3600.0)

    (rows,) = database.select()
    assert [2] == [*map(number_of, rows)]
    assert [1] == [count.hour for count in counted(database)]
    database.store([prediction(1)])
    assert 1 == len([*database.judged(EVERYTHING, most=9)])


def test_code_when_tables_are_of_a_later_release_goes_on(
    database: PredictionDatabase, address: str
) -> None:
    database.store([prediction(1)])
    kinds = address.replace("postgres:", "postgresql+psycopg:")
    engine = sqlalchemy.create_engine(kinds)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE prediction_log ADD COLUMN mood TEXT")
        connection.exec_driver_sql("INSERT INTO prediction_log_steps VALUES (99)")
    engine.dispose()

    database = PredictionDatabase(address)
    database.store([prediction(2)])
    assert [1, 2] == [number_of(row) for block in database.select() for row in block]
    database.close()


def test_tables_of_the_first_release_are_brought_forward_with_what_they_have(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(prediction_tables, "STEPS", prediction_tables.STEPS[:1])
        database = PredictionDatabase(address)
        database.store([prediction(1)])
    database.close()
    database = PredictionDatabase(address)
    database.store([prediction(2)])
    assert [1, 2] == [number_of(row) for block in database.select() for row in block]
    with database._transactions.begin() as connection:
        indexes = sqlalchemy.inspect(connection).get_indexes("prediction_log")
    assert "prediction_log_by_key" in {index["name"] for index in indexes}
    database.close()


def test_sqlite_when_another_writes_is_given_up_in_time(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    database = PredictionDatabase(path, seconds=0.1)
    database.store([prediction(1)])
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(DatabaseError, match="does not answer: database is locked"):
            database.store([prediction(2)])
        assert [[1]] == [[*map(number_of, rows)] for rows in database.select()]  # reading goes on

    database.store([prediction(2)])
    assert 2 == database.count(EVERYTHING)


def test_sqlite_when_a_query_takes_long_is_given_up(tmp_path: Path) -> None:
    database = PredictionDatabase(tmp_path / "log.sqlite3", seconds=0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    with pytest.raises(DatabaseError, match="interrupted"), database._transactions.begin() as some:
        some.exec_driver_sql(endless)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgres://ana:S3cret@127.0.0.1:1/x", "does not answer: connection"),
        ("postgres://ana:S3cret@127.0.0.1:x/x", "address of the database cannot be read"),
        ("/dev/null/x/log.sqlite3", "Not a directory"),
    ],
)
def test_database_when_it_is_not_there_is_named_without_its_password(
    address: str, words: str
) -> None:
    with pytest.raises(DatabaseError, match=words) as refused:
        PredictionDatabase(address, seconds=2).count(EVERYTHING)

    assert "S3cret" not in str(refused.value)


@pytest.mark.slow
def test_postgresql_when_it_says_nothing_any_more_is_given_up_and_comes_back(
    postgresql: Postgresql,
) -> None:
    database = PredictionDatabase(postgresql.address, seconds=1)
    before = database.count(EVERYTHING)
    postgresql.freeze()
    try:
        with pytest.raises(DatabaseError, match="does not answer"):
            database.count(EVERYTHING)
    finally:
        postgresql.thaw()

    assert before == database.count(EVERYTHING)
    database.close()


def test_sqlite_when_it_is_made_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.sqlite3"

    PredictionDatabase(path).store([prediction(1)])

    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert {0o600} == {each.stat().st_mode & 0o777 for each in path.parent.iterdir()}


@pytest.mark.parametrize(
    "selection", [Selection(id="0" * 32), Selection(identifiers={"order": 1}), Selection(key="bo")]
)
def test_sqlite_when_few_predictions_are_meant_searches_no_others(
    tmp_path: Path, selection: Selection
) -> None:
    """Else these take as long as all of a model's predictions, beyond the deadline."""
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    database.store([prediction(1)])
    narrow = msgspec.structs.replace(selection, model="shop", version="v1", since=1.0, until=2e9)
    part, values = where(narrow)
    query = f"EXPLAIN QUERY PLAN SELECT * FROM prediction_log p WHERE {part} ORDER BY at, place"  # noqa: S608

    with database._transactions.begin() as connection:
        steps = [row.detail for row in connection.execute(sqlalchemy.text(query), values)]

    assert not [step for step in steps if "SCAN" in step or "(model=?" in step or "(at" in step]
    assert [step for step in steps if "(id" in step or "(key=?" in step]
