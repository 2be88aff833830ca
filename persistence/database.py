"""A table of a database: SQLite, which is a file, or PostgreSQL, by its address.

The packages that read it are optional: SQLAlchemy, and psycopg for PostgreSQL.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pandas import DataFrame

_POSTGRESQL = re.compile(r"(postgres|postgresql)(\+psycopg)?://")
_FILES = (".db", ".sqlite", ".sqlite3")


class DatabaseError(ValueError):
    """A table of a database cannot be read; the message says why, and what to do."""


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


def address_without_password(place: str) -> str:
    """Return the address of a PostgreSQL database as a .url file keeps it; empty for a file.

    The rest of this process takes the password from PGPASSWORD, where libpq looks for it.
    """
    parts = urlsplit(place)
    if not _POSTGRESQL.match(place):
        return ""
    if parts.password:
        os.environ["PGPASSWORD"] = unquote(parts.password)
    return parts._replace(netloc=re.sub(r":[^@]*@", "@", parts.netloc)).geturl()


def read_database(place: str | Path, table: str) -> "DataFrame":
    """Read a table or view; PostgreSQL takes the password from the address or PGPASSWORD.

    Raise `DatabaseError` where there is none of that name, or the database does not answer.
    """
    address = address_of(place)
    try:
        import sqlalchemy
        from pandas import read_sql_table

        engine = sqlalchemy.create_engine(address, hide_parameters=True)
    except ImportError as error:  # psycopg raises it where it has no libpq
        package = "sqlalchemy" if error.name == "sqlalchemy" else "psycopg[binary]"
        raise DatabaseError(
            f"a database needs {package}, which is not installed: "
            f"run .venv/bin/pip install '{package}', or save the table as CSV"
        ) from error
    schema, _, name = table.rpartition(".")
    try:
        with engine.connect() as connection:
            inspector = sqlalchemy.inspect(connection)
            names = [*inspector.get_table_names(), *inspector.get_view_names()]
            if table in names:
                schema, name = "", table
            elif not schema or not inspector.has_table(name, schema):
                what = f"the database has no table or view {table!r}: " if table else ""
                listed = ", ".join(names[:30]) or "the database has none"
                raise DatabaseError(f"{what}name a table or view with --table: {listed}")
            return read_sql_table(name, connection, schema=schema or None)
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseError(f"the database cannot be read: {reason}") from error
    finally:
        engine.dispose()
