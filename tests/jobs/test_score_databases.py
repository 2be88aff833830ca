"""Scoring of tables in SQLite and PostgreSQL, into others."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from flask.testing import FlaskClient

from tests.jobs.score_runs import answers_of, read, score
from tests.support.postgresql import Postgresql
from tests.support.table_bodies import PARCEL


def check_database(folder: Path, client: FlaskClient, address: str) -> None:
    """Score one table of a database into another, by its key and by a query."""
    engine = sqlalchemy.create_engine(address.replace("postgres://", "postgresql+psycopg://"))
    metadata = sqlalchemy.MetaData()
    kinds: dict[str, Any] = {
        "weight": sqlalchemy.Float, "pieces": sqlalchemy.Integer, "height": sqlalchemy.Float,
        "colour": sqlalchemy.Text, "shape": sqlalchemy.Text, "fragile": sqlalchemy.Boolean,
        "express": sqlalchemy.Boolean,
    }  # fmt: skip
    columns = [sqlalchemy.Column(name, kind) for name, kind in kinds.items()]
    key = sqlalchemy.Column("note", sqlalchemy.Integer, primary_key=True)
    table = sqlalchemy.Table("parcels", metadata, *columns, key)
    records = [{**PARCEL, "weight": at % 100, "height": None, "note": at} for at in range(700)]
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [*reversed(records)])

    assert 0 == score("env:WAREHOUSE/parcels", "env:WAREHOUSE/scores", "--workers", "1")
    query = "SELECT * FROM parcels WHERE note < 10 AND colour LIKE '%blue' ORDER BY note DESC"
    assert 0 == score(f"env:WAREHOUSE/{query}", "ten.csv", "--workers", "1")

    expected = answers_of(client, records)
    with engine.begin() as connection:
        query = (
            "SELECT row_number, note, height, value, probability FROM scores ORDER BY row_number"
        )
        found = connection.execute(sqlalchemy.text(query)).all()
    assert [
        (at + 1, at, None, one["value"], float(one["probability"]))
        for at, one in enumerate(expected)
    ] == [*map(tuple, found)]
    ten = read(folder / "ten.csv")
    assert [str(at) for at in range(9, -1, -1)] == [each["note"] for each in ten]
    assert [each["value"] for each in reversed(expected[:10])] == [each["value"] for each in ten]
    engine.dispose()


def test_table_of_sqlite_is_scored_into_another(
    folder: Path, toy_client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{folder}/warehouse.db"
    sqlite3.connect(folder / "warehouse.db").close()
    monkeypatch.setenv("WAREHOUSE", address)
    check_database(folder, toy_client, address)


def test_file_when_stored_in_a_table_keeps_its_flags_and_decimal_commas(
    folder: Path, toy_client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite3.connect(folder / "warehouse.db").close()
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{folder}/warehouse.db")
    record = {**PARCEL, "weight": "12,5", "height": "40,5", "colour": "red", "fragile": "true",
              "express": "false"}  # fmt: skip
    lines = ";".join(record), ";".join(map(str, record.values()))
    (folder / "in.csv").write_text("\n".join(lines))

    assert 0 == score("in.csv", "env:WAREHOUSE/scores", "--workers", "1")

    with sqlite3.connect(folder / "warehouse.db") as connection:
        found = connection.execute("SELECT weight, height, fragile, express FROM scores")
        assert [(12.5, 40.5, "true", "false")] == found.fetchall()


def test_answers_when_a_restart_fails_are_still_there_and_replaced_by_one_that_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{folder}/warehouse.db")
    with sqlite3.connect(folder / "warehouse.db") as connection:
        columns = ", ".join(PARCEL)
        connection.execute(f"CREATE TABLE parcels (note INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * len(PARCEL))
        values = [*map(str, PARCEL.values())]
        connection.execute(f"INSERT INTO parcels VALUES (3, {marks})", values)  # noqa: S608

    def run(weight: int) -> tuple[int, list[tuple[str]]]:
        with sqlite3.connect(folder / "warehouse.db") as connection:
            connection.execute("UPDATE parcels SET weight = ?", [str(weight)])
        places = ("env:WAREHOUSE/parcels", "env:WAREHOUSE/scores")
        code = score(*places, "--workers", "1", "--restart")
        with sqlite3.connect(folder / "warehouse.db") as connection:
            return code, connection.execute("SELECT weight FROM scores").fetchall()

    assert (0, [("12",)]) == run(12)
    assert (1, [("12",)]) == run(230)  # out of range: nothing is written
    assert (0, [("13",)]) == run(13)


@pytest.mark.slow
def test_table_of_postgresql_is_scored_into_another(
    folder: Path, toy_client: FlaskClient, monkeypatch: pytest.MonkeyPatch,
    postgresql: Postgresql,
) -> None:  # fmt: skip
    monkeypatch.setenv("WAREHOUSE", postgresql.address)
    check_database(folder, toy_client, postgresql.address)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("env:NOWHERE/parcels", "NOWHERE is not set"),
        ("env:WAREHOUSE/SELECT 1 AS weight", "add ORDER BY"),
        ("env:WAREHOUSE/loose", "has no primary key"),
        ("env:WAREHOUSE/none", "has no table or view 'none': name one, or give a query: loose"),
        ("env:WAREHOUSE/DELETE FROM loose RETURNING weight -- ORDER BY", "readonly database"),
    ],
)
def test_database_when_it_cannot_be_read_in_an_order_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    source: str, said: str,
) -> None:  # fmt: skip
    with sqlite3.connect(folder / "warehouse.db") as connection:
        connection.execute("CREATE TABLE loose (weight REAL)")
        connection.execute("INSERT INTO loose VALUES (1)")
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{folder}/warehouse.db")

    assert 1 == score(source, "out.csv")

    assert said in capsys.readouterr().err
