"""Answers to a table of any size, in a file or a database: on every core, or on a cluster.

    python -m jobs.score credit applicants.csv scored.csv
    python -m jobs.score credit applicants.parquet scored.parquet --workers 4
    python -m jobs.score credit env:WAREHOUSE/applicants env:WAREHOUSE/scores

The result has the columns of the table and those of the answer, row by row in the same order. It
has the format of the table: CSV, JSON lines or Parquet. A database is named by the variable with
its address, and a table, or a query with ORDER BY; it may also be scored into CSV, and CSV into it.

The table is cut into parts, which are answered into a folder beside the result. Whatever ends a
run, the same command goes on from there. Exit codes: 0 done, 1 refused, 2 wrong usage.
"""

import argparse
import re
import sys
import time
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

import msgspec

from engine.records.forms import SUFFIXES
from engine.records.media_types import ARROW, CSV
from engine.records.problems import BadRequest
from engine.records.table_parts import cut_file, cut_rows
from engine.records.writers import table_names
from engine.runtime.parallel import usable_cores
from engine.runtime.version import StoredVersion
from engine.serving.file_prediction import recognise
from jobs.score_part import Done, Job, JobError, Parts, open_model, read_done, read_parts
from jobs.score_results import DATABASE, Result, address_of, result_of, write_rejected
from jobs.score_runs import in_processes, on_cluster
from persistence.atomic_files import locked, replace_file
from persistence.database import DatabaseError
from persistence.scored_rows import note_types, read_source
from persistence.store_errors import StoreError
from settings import InvalidSettings

#: Seconds between two reports of how far it is.
_REPORT_SECONDS = 5.0

#: What jobs leave in the folder of their parts, and its drafts: no other file is removed.
_LEFT = re.compile(
    r"\.?job\.json|\.?(in|out|done|rejected)-\d{6,7}(-[0-9a-f]{12})?|\.left-[0-9a-f]{12}"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parse(arguments)
    try:
        print(_run(options), file=sys.stderr)
    except KeyboardInterrupt:
        print("score: stopped; the same command goes on from here", file=sys.stderr)
        return 1
    except (JobError, BadRequest, StoreError, DatabaseError, InvalidSettings, OSError) as error:
        print(f"score: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m jobs.score", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("model", metavar="MODEL", help="the model that answers")
    parser.add_argument("source", metavar="IN", help="a file, or env:NAME/TABLE or env:NAME/QUERY")
    parser.add_argument(
        "target", metavar="OUT", help="a file of the same format, or env:NAME/TABLE"
    )
    parser.add_argument("--version", help="its version; by default the promoted one")
    parser.add_argument("--rejected", type=Path, metavar="FILE",
                        help="where rows that are not valid go, as JSON lines")  # fmt: skip
    parser.add_argument("--workers", type=int, default=usable_cores(), metavar="N",
                        help="processes on this machine; by default one per core")  # fmt: skip
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="of dask.distributed: tcp://host:8786"
    )
    parser.add_argument("--parts", type=Path, metavar="FOLDER",
                        help="where the parts are: a folder that all workers see")  # fmt: skip
    parser.add_argument("--part-bytes", type=int, default=2**22, metavar="N", help="size of a part")
    parser.add_argument("--restart", action="store_true", help="forget an earlier run, begin anew")
    options = parser.parse_args(arguments)
    places = (options.source, options.target)
    forms = [CSV if DATABASE.fullmatch(each) else SUFFIXES.get(Path(each).suffix.lower())
             for each in places]  # fmt: skip
    if None in forms or ARROW in forms or forms[0] != forms[1]:
        parser.error(
            "IN and OUT need one format: .csv, .jsonl or .parquet; a database goes with CSV"
        )
    files = [Path(each).resolve() for each in places if not DATABASE.fullmatch(each)]
    files += [options.rejected.resolve()] if options.rejected else []
    if len({*files}) < len(files):
        parser.error("IN, OUT and --rejected need a name each: one would replace another")
    if options.workers < 1 or options.part_bytes < 1:
        parser.error("--workers and --part-bytes need a number of at least 1")
    options.form = forms[0]
    return options


def _run(options: argparse.Namespace) -> str:
    model = open_model(options.model, options.version)
    job = Job(options.model, model.version, options.source, _digest(options.source), options.target,
              options.part_bytes)  # fmt: skip
    target = result_of(job)
    folder = (options.parts or Path(f"{target.path}.parts")).resolve()
    rejected = options.rejected or Path(f"{target.path}.rejected.jsonl")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder, seconds=0) as is_ours:
            if not is_ours:
                raise JobError(f"another process works in {folder}: wait for it, or name --parts")
            if options.restart:
                _empty(folder)
            elif target.is_done():
                _empty(folder)
                remedy = "" if job.digest else "; --restart reads the database anew"
                return f"{job.target} is done already: nothing to do{remedy}"
            parts = _cut(job, options, model, folder, target)
            return _answer(parts, options, model, folder, target, rejected)
    finally:
        with suppress(OSError):  # it is not empty, or another process came meanwhile
            folder.rmdir()


def _answer(
    parts: Parts, options: argparse.Namespace, model: StoredVersion, folder: Path, target: Result,
    rejected: Path,
) -> str:  # fmt: skip
    """Answer all parts and publish the answers; return what was done in a sentence."""
    begun, known = time.monotonic(), _done(folder, parts)
    before = sum(each.answered for each in known.values())
    _score(folder, parts, {*range(parts.count)} - known.keys(), options)
    seconds, done = time.monotonic() - begun, [*_done(folder, parts).values()]
    rows, aside = sum(each.answered for each in done), sum(each.rejected for each in done)
    rejected.unlink(missing_ok=True)  # those of another run
    if aside:
        write_rejected(folder, rejected, done)
    declared = model.card["data"].get("set_aside")
    share = declared["most"] if declared else 0.0
    if not rows or aside / (rows + aside) > share:  # 0.29 * 100 is less than 29
        _empty(folder)
        raise JobError(
            f"{aside:,} of {rows + aside:,} rows are not valid, and {model.name} may set aside "
            f"a share of {share:g}: nothing is written, {rejected} lists these rows"
        )
    if options.restart:  # only now is there what takes its place
        target.remove()
    target.publish(folder, parts, model, done)
    _empty(folder)
    text = f"{rows:,} rows scored by {model.name} {model.version} into {parts.job.target}"
    text += f", {aside:,} set aside in {rejected}" if aside else ""
    return f"{text} ({(rows - before) / seconds:,.0f} rows/s)"


def _digest(source: str) -> str:
    if DATABASE.fullmatch(source):
        return ""
    with Path(source).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _empty(folder: Path) -> None:
    """Remove the parts and their drafts; what says that they are whole goes first."""
    (folder / "job.json").unlink(missing_ok=True)
    for path in [each for each in folder.iterdir() if _LEFT.fullmatch(each.name)]:
        path.unlink(missing_ok=True)


def _cut(
    job: Job, options: argparse.Namespace, model: StoredVersion, folder: Path, target: Result
) -> Parts:
    """Return the parts of a job that was begun, or else cut its table into parts."""
    if (folder / "job.json").exists():
        parts = read_parts(folder)
        changed = [name for name in job.__struct_fields__
                   if getattr(parts.job, name) != getattr(job, name)]  # fmt: skip
        if changed:
            raise JobError(
                f"{folder} has an unfinished job of another {' and '.join(changed)}: "
                "finish that one, or add --restart to begin anew"
            )
        return parts
    if target.is_there() and not options.restart:
        raise JobError(f"{job.target} is there already: name another OUT, or add --restart")
    _empty(folder)
    kind = options.form
    if DATABASE.fullmatch(job.source):
        source = read_source(*address_of(job.source))
        parts = Parts(job, kind, next(source))
        rows = note_types(parts.names, source, parts.types)
        pieces = cut_rows(parts.names, rows, model.schema, job.part_bytes)
    else:
        path = Path(job.source)
        file, text = path.open("rb"), recognise(path, kind, model.schema)
        layout, pieces = cut_file(
            file, kind, model.schema, charset=text.charset, delimiter=text.delimiter,
            most=job.part_bytes,
        )  # fmt: skip
        parts = Parts(job, kind, layout.names, layout.delimiter, layout.has_decimal_commas)
    if parts.names:
        _check_columns(parts.names, model, target)
    for number, content in enumerate(pieces):
        replace_file(folder / f"in-{number:06}", content)
        parts.count = number + 1
    replace_file(folder / "job.json", msgspec.json.encode(parts))
    return parts


def _check_columns(names: list[str], model: StoredVersion, target: "Result") -> None:
    """Refuse a table with other columns than the model's: all of its rows would be set aside."""
    columns = model.schema.find_columns(names)
    problems = [f"{name!r} is not a field" for name in columns.extras]
    problems += [f"{name!r} is the same field as {first!r}" for name, first in columns.repeated]
    for field in model.schema.fields:
        finding = None if field.name in columns.sources else field.read(None)[1]
        problems += [f"there is no {field.name!r}"] if finding and finding.is_refused else []
    added = [*table_names(model.answer_columns), *target.columns]
    problems += [f"{name!r} is also a column of the result" for name in names if name in added]
    if problems:
        raise JobError(f"the columns are not those of {model.name}: {'; '.join(problems[:10])}")


def _done(folder: Path, parts: Parts) -> dict[int, Done]:
    """Return what became of the parts that are answered, by their numbers in order."""
    numbers = range(parts.count)
    return {number: done for number in numbers if (done := read_done(folder, number))}


def _score(folder: Path, parts: Parts, waiting: set[int], options: argparse.Namespace) -> None:
    """Answer the parts that wait, and report how far it is."""
    run = on_cluster if options.scheduler else in_processes
    begun, rows, left, next_report = time.monotonic(), 0, len(waiting), 0.0
    for done in run(str(folder), waiting, options):
        rows, left, now = rows + done.answered, left - 1, time.monotonic()
        if now >= next_report and left:
            rate = (now - begun) / (len(waiting) - left or 1)
            report = (
                f"{parts.count - left} of {parts.count} parts, {rows / (now - begun):,.0f} rows/s"
            )
            print(f"{report}, {left * rate:,.0f} s left", file=sys.stderr, flush=True)
            next_report = now + _REPORT_SECONDS


if __name__ == "__main__":
    sys.exit(main())
