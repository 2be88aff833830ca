"""Ask the lake in SQL, by DuckDB: it reads the lake, and neither writes nor reads anything else.

For instance::

    python -m jobs.query "select count(*), avg(ibu) from beers"
    python -m jobs.query "select * from beers" --csv > beers.csv

Each source has four views: `beers`, the newest of each key; `beers_cleaned`, all that fits;
`beers_rejected`, with the reasons; `beers_raw`, what came.

Exit codes: 0 answered; 1 the lake cannot be read; 2 the question is wrong.
"""

import argparse
import csv
import re
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from persistence.objects import copy_objects
from settings import InvalidSettings, Settings, print_any_word

try:
    import duckdb
except ImportError:
    sys.exit("query: DuckDB is not installed: pip install -r requirements-jobs.txt")

VIEWS = Path(__file__).with_name("views.sql").read_text(encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Answer a question; return the exit code."""
    print_any_word()
    parser = argparse.ArgumentParser("jobs.query", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sql", help="one SELECT statement")
    parser.add_argument("--csv", action="store_true", help="print all rows, as CSV")
    options = parser.parse_args(arguments)
    try:
        with ExitStack() as stack:
            ask(str(Settings.from_environment().lake), options.sql, stack, as_csv=options.csv)
    except (InvalidSettings, duckdb.Error) as error:
        print(f"query: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"query: the lake cannot be read: {error}", file=sys.stderr)
        return 1
    return 0


def ask(place: str, sql: str, stack: ExitStack, *, as_csv: bool) -> None:
    """Print the answer to a question; raise duckdb.Error where it cannot be answered."""
    database = stack.enter_context(duckdb.connect())
    kinds = [statement.type for statement in database.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise duckdb.InvalidInputException("give one SELECT statement: the lake is only read")
    # What is in a bucket is copied first: DuckDB would need an extension from elsewhere.
    folder = stack.enter_context(TemporaryDirectory()) if "://" in place else place
    words = {*re.findall(r"[a-z][a-z0-9_]*", sql.lower())}
    for name in words | {re.sub("_(raw|cleaned|rejected)$", "", word) for word in words}:
        if folder != place:
            copy_objects(f"{place}/{name}", Path(folder, name))
        for view in VIEWS.split(";") if Path(folder, name).is_dir() else ():
            path = str(Path(folder, name).absolute()).replace("'", "''")
            with suppress(duckdb.IOException):  # nothing was rejected yet, for instance
                database.execute(view.replace("{name}", name).replace("{folder}", path))
    database.execute("SET allowed_directories = ?", [[str(Path(folder).absolute())]])
    database.execute("SET enable_external_access = false; SET lock_configuration = true")
    if not as_csv:
        database.sql(sql).show(max_rows=100)
        return
    answer = database.execute(sql)
    writer = csv.writer(sys.stdout)
    writer.writerow(column[0] for column in answer.description)
    while rows := answer.fetchmany(10_000):
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
