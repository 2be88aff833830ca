"""A row that the database refuses keeps back no other; a database that is down refuses none."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from persistence.database import DatabaseError
from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_entries import Outcomes, encode
from persistence.prediction_rows import ANSWER, EVERYTHING
from persistence.spool_reading import ASIDE
from tests.support.logged import ask, counted, drained, logging, set_aside
from tests.support.models import EXAMPLES
from tests.support.postgresql import Postgresql

#: Triggers of SQLite, as a user of the database may have made them.
_REFUSE = """CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} WHEN {condition}
    BEGIN SELECT RAISE(ABORT, 'not this one'); END"""


def tell(app: Flask, *outcomes: Any) -> None:
    """Append outcomes to the spool."""
    entry = Outcomes("parcel", "", time.time(), [*outcomes])
    app.extensions["resources"].log.spool.append(encode([entry]), {})


def refuse(database: PredictionDatabase, table: str, condition: str) -> None:
    with database._transactions.begin(writes=True) as connection:
        connection.exec_driver_sql(_REFUSE.format(table=table, condition=condition))


def outcome_ids(database: PredictionDatabase) -> set[str]:
    with database._transactions.begin() as connection:
        found = connection.exec_driver_sql("SELECT id FROM prediction_outcomes")
        return {id_ for (id_,) in found}


def test_row_when_refused_is_set_aside_and_all_others_are_stored(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, database = logging(toy_store, tmp_path), PredictionDatabase(tmp_path / "log.sqlite3")
    refuse(database, "prediction_log", "NEW.id LIKE '%-13'")
    refuse(database, "prediction_outcomes", "NEW.id = 'refused'")
    ids = ask(app, 3)
    answer = app.test_client().post("/v0/predict", json=[EXAMPLES["parcel"]] * 20)
    table = answer.headers["X-Prediction-Id"]
    tell(app, ("first", 1, None), ("refused", 2, None), ("last", 3, None))
    ids += [*(f"{table}-{number}" for number in range(20) if number != 13), *ask(app, 3)]

    assert {*ids} == drained(tmp_path).keys()
    assert {"first", "last"} == outcome_ids(database)
    contents = [line["content"] for line in set_aside(tmp_path)]
    rows = [row for content in contents for part in content.values() for row in part]
    assert [f"{table}-13", "refused"] == [row["id"] for row in rows]
    assert EXAMPLES["parcel"] == rows[0]["record"]
    total = sum(count.n for count in counted(database) if count.field == ANSWER)
    assert 26 == total, "what was answered is counted, whether or not it is stored"
    figure = figures(tmp_path)
    assert (2, 25) == (figure["prediction_log_damaged"], figure["prediction_log_stored"])
    assert 0 == figure["prediction_log_spool_bytes"]
    database.close()


def test_counts_when_refused_are_set_aside_and_their_predictions_are_stored(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, database = logging(toy_store, tmp_path), PredictionDatabase(tmp_path / "log.sqlite3")
    refuse(database, "prediction_counts", "NEW.field = 'colour'")
    ids = ask(app, 3)

    assert {*ids} == drained(tmp_path).keys()
    (line,) = set_aside(tmp_path)
    assert {"counts"} == line["content"].keys()
    database.close()


def test_spool_when_much_is_set_aside_is_full(toy_store: ModelStore, tmp_path: Path) -> None:
    app = logging(toy_store, tmp_path, prediction_spool_bytes=2**16)
    (tmp_path / ASIDE).write_bytes(bytes(2**16))

    answer = app.test_client().post("/v0/predict", json=EXAMPLES["parcel"])

    assert (200, "full") == (answer.status_code, answer.headers["X-Prediction-Log"])


def test_rows_when_the_database_is_broken_are_not_taken_for_refused(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app, database = logging(toy_store, tmp_path), PredictionDatabase(tmp_path / "log.sqlite3")
    database.count(EVERYTHING)
    database.close()
    ids, whole = ask(app, 3), (tmp_path / "log.sqlite3").read_bytes()
    with (tmp_path / "log.sqlite3").open("r+b") as file:
        file.write(os.urandom(len(whole)))

    with pytest.raises(DatabaseError, match="not a database"):
        drained(tmp_path)
    assert not (tmp_path / ASIDE).exists()
    (tmp_path / "log.sqlite3").write_bytes(whole)
    assert {*ids} == drained(tmp_path).keys()


@pytest.mark.slow
def test_row_when_postgresql_cannot_hold_it_is_set_aside(
    toy_store: ModelStore, tmp_path: Path, postgresql: Postgresql
) -> None:
    app, database = logging(toy_store, tmp_path), PredictionDatabase(postgresql.address)
    ids = ask(app)
    too_long = {"order": os.urandom(5000).hex()}  # no index of PostgreSQL has room for it
    tell(app, (ids[0], "small", None), (too_long, "small", None), ("a\0b", "small", None))
    ids += ask(app)

    stored = drained(tmp_path, postgresql.address)

    assert {*ids} <= stored.keys()
    assert ids[0] in outcome_ids(database)
    reasons = [line["reason"] for line in set_aside(tmp_path)]
    assert 2 == len(reasons)
    assert "index row" in reasons[0] and "cannot contain NUL" in reasons[1]
    database.close()
