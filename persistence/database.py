"""A table of a database: SQLite, which is a file, or PostgreSQL, by its address.

The packages that read it are optional: SQLAlchemy, and psycopg for PostgreSQL.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from pandas import DataFrame
    from sqlalchemy import Connection, Engine

_POSTGRESQL = re.compile(r"(postgres|postgresql)(\+psycopg)?://")
_FILES = (".db", ".sqlite", ".sqlite3")


class DatabaseError(ValueError):
    """A table of a database cannot be read; the message says why, and what to do."""


class RefusedRow(DatabaseError):
    """A database does not take a row, and never will; it takes others."""


def is_database(place: str) -> bool:
    """Return whether a place is the address of a database or the name of its file."""
    return "://" in place or place.lower().endswith((*_FILES, ".url"))


def address_of(place: str | Path) -> str:
    """Return the address that SQLAlchemy takes for an address, a database file or a .url file.

    A .url file holds an address without a password; the variable DATABASE_URL goes before it.
    Raise `DatabaseError` where it is none that is read.
    """
    text = str(place)
    if text.lower().endswith(".url"):
        text = os.environ.get("DATABASE_URL") or Path(text).read_text(encoding="utf-8").strip()
    file = text.removeprefix("sqlite:///")
    if text.startswith("sqlite:///") or text.lower().endswith(_FILES):
        if not Path(file).is_file():
            raise DatabaseError(f"there is no file {file}: give the path of the database")
        return f"sqlite:///{file}"
    if not _POSTGRESQL.match(text):
        scheme = text.partition("://")[0]
        raise DatabaseError(
            f"{scheme}:// is no address that is read: give postgresql://user@host/database "
            "or sqlite:///file.db"
        )
    return _POSTGRESQL.sub("postgresql+psycopg://", text)


def is_address(place: str) -> bool:
    """Return whether a place is the address of a PostgreSQL database."""
    return bool(_POSTGRESQL.match(place))


def without_password(place: str) -> str:
    """Return a place as it may be shown and kept: the address of PostgreSQL without a password.

    The rest of this process takes that from PGPASSWORD, where libpq looks for it. Raise
    `DatabaseError` where it cannot be told from the rest of the address.
    """
    if not is_address(place):
        return place
    scheme, rest = place.split("://", 1)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    path, _, query = rest[len(authority) :].partition("?")
    user, at, host = authority.rpartition("@")
    if "@" in user or "@" in path or "#" in rest or "password" in query.lower():
        raise DatabaseError(
            "the password cannot be told from the rest of the address: give it in the variable "
            "PGPASSWORD, or behind the user with %40 for @, %2F for /, %3F for ? and %23 for #"
        )
    user, _, password = user.partition(":")
    if password:
        os.environ["PGPASSWORD"] = unquote(password)
    return f"{scheme}://{user}{at}{host}{rest[len(authority) :]}"


def hide_passwords(text: str) -> str:
    """Return text without the passwords of the addresses in it."""
    return re.sub(r"(\w:/+[^:@/\s]*):[^@\s]*@", r"\1@", text)


def open_engine(address: str, **options: Any) -> "Engine":
    """Return what connects to the database at an address, as `address_of` writes it.

    Raise `DatabaseError` where a package is missing or the address cannot be read.
    """
    try:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError

        if address.startswith("postgresql"):
            # Where the server has no encoding (SQL_ASCII), texts would come as bytes.
            options["connect_args"] = {**options.get("connect_args", {}), "client_encoding": "utf8"}
        try:
            return create_engine(address, hide_parameters=True, **options)
        except (ValueError, ArgumentError) as error:
            raise DatabaseError(
                "the address of the database cannot be read: "
                "give postgresql://user@host:5432/database or sqlite:///file"
            ) from error
    except ImportError as error:  # psycopg raises it where it has no libpq
        raise DatabaseError(
            f"a database needs {error.name or 'psycopg'}, which is not installed: "
            "run .venv/bin/pip install -r requirements-serve-log.txt"
        ) from error


@contextmanager
def connected(
    place: str | Path, *, failure: str = "the database cannot be read"
) -> Iterator["Connection"]:
    """Yield a connection; what is done with it is done as a whole, or not at all.

    Raise `DatabaseError` where the database does not answer, or not as it should.
    """
    engine = open_engine(address_of(place))
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with engine.connect() as connection:
            yield connection
            connection.commit()
    except SQLAlchemyError as error:
        raise DatabaseError(f"{failure}: {reason_of(error)}") from error
    finally:
        engine.dispose()


def reason_of(error: Exception) -> str:
    """Return in one line, without passwords, why a database has not done what it should."""
    reason = str(getattr(error, "orig", None) or error).strip()
    return hide_passwords(reason.partition("\n")[0])


def read_database(place: str | Path, table: str) -> "DataFrame":
    """Read a table or view; PostgreSQL takes the password from the address or PGPASSWORD.

    Raise `DatabaseError` where there is none of that name, or the database does not answer.
    """
    with connected(place) as connection:
        from pandas import read_sql_table

        schema, name = find_table(connection, table, "name a table or view with --table")
        return read_sql_table(name, connection, schema=schema)


def find_table(connection: "Connection", table: str, remedy: str) -> tuple[str | None, str]:
    """Return the schema, if one is given, and the name of a table or view.

    Raise `DatabaseError`, with the remedy and the names that there are, where there is none.
    """
    import sqlalchemy

    inspector = sqlalchemy.inspect(connection)
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    if table in names:  # whatever points are in it
        return None, table
    schema, _, name = table.rpartition(".")
    if schema and inspector.has_table(name, schema):
        return schema, name
    what = f"the database has no table or view {table!r}: " if table else ""
    listed = ", ".join(names[:30]) or "the database has none"
    raise DatabaseError(f"{what}{remedy}: {listed}")
