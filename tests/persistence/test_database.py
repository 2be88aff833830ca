"""A table of SQLite or PostgreSQL is read as a model file's load_data reads it."""

import os
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from build_model import main
from engine.training.infer.write import write_model_file
from engine.training.table import read_table
from persistence.database import (
    DatabaseError,
    address_of,
    connected,
    read_database,
    without_password,
)
from persistence.scored_rows import read_source
from persistence.table_rows import read_rows
from tests.support.postgresql import PASSWORD, Postgresql
from tests.training.infer import monsters
from tests.training.infer.test_model_file import definition_of

ODD_NAME = 'odd "name"; DROP TABLE x'


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    """A database with two tables and a view."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        monsters.plain().to_sql("customers", connection, index=False)
        monsters.plain().head(3).to_sql(ODD_NAME, connection, index=False)
        connection.execute("CREATE VIEW large AS SELECT * FROM customers WHERE amount > 2500")
    return path


def test_table_when_in_sqlite_has_its_rows(sqlite: Path) -> None:
    table = monsters.plain()

    pd.testing.assert_frame_equal(table, read_database(sqlite, "customers"), check_dtype=False)
    assert (table["amount"] > 2500).sum() == len(read_database(f"sqlite:///{sqlite}", "large"))
    assert 3 == len(read_database(sqlite, ODD_NAME))


@pytest.mark.parametrize("name", ["customers", "main.customers", "v1.2"])
def test_table_when_looked_up_is_the_same_for_whatever_reads_it(sqlite: Path, name: str) -> None:
    with sqlite3.connect(sqlite) as connection:
        connection.execute('CREATE TABLE "v1.2" (id INTEGER PRIMARY KEY, amount REAL)')
        connection.execute('INSERT INTO "v1.2" VALUES (1, 2)')
    expected = read_database(sqlite, name)

    (rows,) = read_rows(sqlite, name)
    assert len(expected) == len(rows)
    if name == "v1.2":  # the others have no key to order them by
        columns, *parts = read_source(f"sqlite:///{sqlite}", name)
        assert ([*expected], [[(1, 2.0)]]) == (columns, [[*map(tuple, part)] for part in parts])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "name a table or view with --table: customers"),
        ("x; DROP TABLE customers", "has no table"),
    ],
)
def test_table_when_absent_is_refused_with_the_names(sqlite: Path, table: str, words: str) -> None:
    with pytest.raises(DatabaseError, match=words):
        read_database(sqlite, table)

    assert 60 == len(read_database(sqlite, "customers"))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mysql://user@host/x", "mysql:// is no address that is read"),
        ("sqlite:///absent.db", "there is no file absent.db"),
        ("postgresql://user@127.0.0.1:1/x", "the database cannot be read: connection"),
    ],
)
def test_address_when_nothing_is_there_is_refused_in_a_sentence(place: str, words: str) -> None:
    with pytest.raises(DatabaseError, match=words):
        read_database(place, "customers")


@pytest.mark.parametrize("package", ["sqlalchemy", "psycopg"])
def test_package_when_absent_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed

    with pytest.raises(DatabaseError, match=f"needs {package}, which is not installed"):
        read_database("postgresql://user@host/x", "customers")


def test_address_when_kept_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    plain = "postgresql://ana@host:5432/shop?sslmode=require"

    assert plain == without_password(plain.replace("ana", "ana:p%40ss"))
    assert "p@ss" == os.environ.pop("PGPASSWORD")
    assert "sqlite:///a:b@c.db" == without_password("sqlite:///a:b@c.db")


@pytest.mark.parametrize(
    "address",
    [
        "ana:S3cret@x@127.0.0.1:1/shop", "ana:S3cret/x@127.0.0.1:1/shop",
        "ana:S3cret?x@127.0.0.1:1/shop", "ana:S3cret#x@127.0.0.1:1/shop",
        "ana@127.0.0.1:1/shop?password=S3cret", "127.0.0.1:1/shop?user=ana&sslpassword=S3cret",
        "ana:S3cret@127.0.0.1:S3cret/shop", "ana:S3cret@127.0.0.1:1/shop", "ana:S3cret@",
    ],
)  # fmt: skip
def test_password_when_an_address_cannot_be_read_is_shown_nowhere(
    address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "")

    code = main(["shop", "--from", f"postgres://{address}", "--table", "t", "--target", "y"])

    printed = capsys.readouterr()
    assert 1 == code
    assert printed.err.startswith("build_model: the ")
    assert "S3cret" not in printed.err + printed.out


@pytest.mark.parametrize(
    "rest", ["ana:a@b@host/x", "ana:a/b@host/x", "ana:a#b@host/x", "ana@host/x?password=a"]
)
def test_password_when_it_cannot_be_told_from_the_address_is_refused(rest: str) -> None:
    with pytest.raises(DatabaseError, match=r"the password cannot be told .* PGPASSWORD"):
        without_password(f"postgresql://{rest}")


def test_password_when_an_address_is_given_for_a_file_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = "postgres://ana:S3cret@host/shop"

    assert 1 == main(["toy", "--import", address, "--data", "x.csv", "--target", "y"])

    assert "there is no file postgres:/ana@host/shop" in capsys.readouterr().err


def test_address_when_in_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop.url"
    file.write_text("postgres://ana@host/shop\n")

    assert "postgresql+psycopg://ana@host/shop" == address_of(file)
    monkeypatch.setenv("DATABASE_URL", "postgresql://bo@other/shop")
    assert "postgresql+psycopg://bo@other/shop" == address_of(file)


def test_command_when_given_a_database_without_a_table_ends_with_a_sentence(
    sqlite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == main(["shop", "--from", str(sqlite), "--target", "y"])

    assert "name a table or view with --table: customers" in capsys.readouterr().err


@pytest.mark.slow
def test_model_file_when_written_from_postgresql_reads_it_without_the_password(
    postgresql: Postgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("PGPASSWORD", "")
    engine = create_engine(postgresql.address.replace("postgres:", "postgresql+psycopg:"))
    monsters.plain().to_sql("customers", engine, index=False)
    engine.dispose()
    (tmp_path / "data").mkdir()
    (tmp_path / "models").mkdir()
    file, place = (
        tmp_path / "models/shop.py",
        f"postgres://ana@127.0.0.1:{postgresql.port}/postgres",
    )

    with pytest.raises(ValueError, match=r"the database cannot be read: .*password"):
        write_model_file(file, place, "y", table="customers", overwrite=False, say=print)
    secret = place.replace("ana", f"ana:{PASSWORD.replace('@', '%40').replace('/', '%2F')}")
    write_model_file(file, secret, "y", table="public.customers", overwrite=False, say=print)

    written = file.read_text()
    assert "ss/word" not in written and place == (tmp_path / "data/shop.url").read_text().strip()
    definition = definition_of(written)
    X, _, _ = read_table(definition.load_data(tmp_path / definition.sample), definition.schema)
    assert monsters.plain()["amount"].tolist() == X["amount"].tolist()


@pytest.mark.slow
def test_text_of_a_postgresql_without_an_encoding_is_text(postgresql: Postgresql) -> None:
    options = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with connected(postgresql.address) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f"CREATE DATABASE plain {options}"))

    with connected(postgresql.address.replace("/postgres", "/plain")) as connection:
        assert "pão" == connection.scalar(text("SELECT 'pão'"))
