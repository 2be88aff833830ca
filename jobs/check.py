"""Check a table by the fields and the rules of a model file, and train nothing.

For instance::

    python -m jobs.check beers --data beers.csv
    python -m jobs.check beers --data beers.csv --report check.html --rejected rejected.csv
    python -m jobs.check beers --data new.csv --without-target --accepted accepted.csv

Exit codes: 0 the table fits, with as few rejected rows as the model file sets aside;
1 it does not; 2 wrong usage, such as a model that does not exist.
"""

import argparse
import sys
from pathlib import Path

from engine.schema.definition import InvalidDefinition, ModelDefinition
from engine.training.failures import TrainingFailed, explained
from engine.training.table import InvalidTable
from engine.training.table_check import TableCheck, check_table
from engine.training.table_report import verdict, write_table_report
from engine.training.train import load_table
from models import UnknownModel, find
from settings import print_any_word

#: So many lines at most name what is wrong; the report and the file of rejected rows have more.
LINES = 40


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    name, data = options.model, options.data
    try:
        with explained("", name, passing=(InvalidDefinition, UnknownModel)):
            definition = find(name)
    except InvalidDefinition as error:
        return _fail(f"models/{name}.py contradicts itself:\n{error}", code=2)
    except (UnknownModel, TrainingFailed) as error:
        return _fail(error, code=2)
    data = data or definition.sample
    if not data.exists():
        return _fail(f"there is no data file {data}: name one with --data", code=2)
    try:
        table = load_table(name, definition, data)
        check = check_table(
            table, definition.schema, definition.rules, has_target=not options.without_target
        )
        if options.report:
            page = write_table_report(name, definition, data.name, check)
            options.report.write_bytes(page)
        if options.rejected:
            write_rejected(check, options.rejected)
        if options.accepted and check.fits(definition.set_aside):
            known = [not definition.schema.refuses(str(each)) for each in check.table.columns]
            check.table.loc[~check.is_rejected, known].to_csv(options.accepted, index=False)
    except (InvalidTable, OSError, TrainingFailed) as error:
        return _fail(error)
    return _tell(definition, check, data)


def _tell(definition: ModelDefinition, check: TableCheck, data: Path) -> int:
    lines = check.lines()
    for line in lines[:LINES]:
        print(line)
    if len(lines) > LINES:
        print(f"and {len(lines) - LINES} more problems: see --report or --rejected")
    is_fit = check.fits(definition.set_aside)
    print(f"{data.name} {'fits' if is_fit else 'does not fit'}: {verdict(definition, check)}")
    return 0 if is_fit else 1


def write_rejected(check: TableCheck, path: Path) -> None:
    """Write the rejected rows as CSV: their numbers, all that is wrong, and what they hold."""
    reasons = check.row_reasons()
    rows = check.table.iloc[[*reasons]].copy()
    rows.insert(0, "row", [place + 1 for place in reasons], allow_duplicates=True)
    rows.insert(1, "reasons", ["; ".join(each) for each in reasons.values()], allow_duplicates=True)
    rows.to_csv(path, index=False)


def _fail(reason: object, *, code: int = 1) -> int:
    print(f"check: {reason}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.check", description="Check a table by a model file's fields and rules."
    )
    parser.add_argument("model", help="a file in models/")
    parser.add_argument("--data", type=Path, help="the table; by default the model's sample")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an HTML report")
    parser.add_argument("--rejected", type=Path, metavar="FILE", help="write rejected rows as CSV")
    parser.add_argument(
        "--accepted", type=Path, metavar="FILE", help="write the others for a batch"
    )
    parser.add_argument(
        "--without-target", action="store_true", help="the rows are to be predicted"
    )
    return parser


if __name__ == "__main__":
    print_any_word()
    sys.exit(main())
