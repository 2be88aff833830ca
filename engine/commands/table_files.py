"""Files of records on this machine: their kinds, and a version's answers to them."""

import csv
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from engine.commands.output import CommandError
from engine.records.arrow_support import missing_arrow
from engine.records.media_types import ARROW, CSV, LINES, PARQUET
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.runtime.version import StoredVersion
from engine.serving.table_prediction import WRITERS, answer_table

#: The formats, as `--format` has them.
KINDS = {"csv": CSV, "jsonl": LINES, "arrow": ARROW, "parquet": PARQUET}

#: Those that need pyarrow, and do not go to a terminal.
BINARY = (ARROW, PARQUET)

#: What file names tell.
SUFFIXES = {
    ".csv": CSV, ".jsonl": LINES, ".ndjson": LINES, ".arrow": ARROW, ".arrows": ARROW,
    ".parquet": PARQUET, ".pq": PARQUET,
}  # fmt: skip


def kind_of(path: Path, format_name: str | None) -> str:
    """Give the media type of a file, by the format that is named or by its suffix.

    Raises
    ------
    click.UsageError
        When neither tells.
    CommandError
        When the format needs pyarrow and it is not installed.
    """
    kind = KINDS[format_name] if format_name else SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise click.UsageError(
            f"the format of {click.format_filename(path)} is not known by its suffix: "
            f"name one with --format {'|'.join(KINDS)}, or rename it to end in "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    if kind in BINARY and (reason := missing_arrow()):
        raise CommandError(reason.replace("pip install", f"{sys.executable} -m pip install"))
    return kind


def answer_file(version: StoredVersion, path: Path, kind: str, form: str) -> Spool:
    """Answer every record of a file, as the service answers it.

    Parameters
    ----------
    kind, form : str
        The media types of the file and of the answer.

    Raises
    ------
    CommandError
        When the file cannot be read, or with every problem of its records.
    """
    named = click.format_filename(path)
    try:
        with path.open("rb") as file, _progress(file) as (stream, size):
            return answer_table(
                version, Upload(stream, length=size, most=sys.maxsize), kind, WRITERS[form]
            )
    except BadRequest as error:
        raise CommandError(f"{named}: {error.detail}{_hint(path, kind)}") from error
    except InvalidRecords as error:
        problems = error.problems[:PROBLEMS_LISTED]
        more = "more than " if len(error.problems) > len(problems) else ""
        count = f"{more}{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise CommandError(f"{named} has {count}", _described(problems, path, kind)) from error


class _Watched:
    """A file that tells how much of it is read."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], Any]) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        found = self._file.read(size)
        self._tell(len(found))
        return found


@contextmanager
def _progress(file: IO[bytes]) -> Iterator[tuple[Any, int | None]]:
    """Give a file and its size, and show on a terminal how far it is read."""
    found = os.fstat(file.fileno())
    size = found.st_size if stat.S_ISREG(found.st_mode) else None
    if size and sys.stderr.isatty():
        with click.progressbar(length=size, label="Predicting", file=sys.stderr) as bar:
            yield _Watched(file, bar.update), size
    else:
        yield file, size


def _hint(path: Path, kind: str) -> str:
    if kind == ARROW and path.is_file() and path.open("rb").read(6) == b"ARROW1":
        return ": it is an Arrow file, write a stream (pyarrow.ipc.new_stream)"
    return ""


def _described(problems: Sequence[Problem], path: Path, kind: str) -> list[dict[str, Any]]:
    """Say where each problem is: by line, row from 1 and field."""
    found: list[dict[str, Any]] = []
    for one in problems:
        steps = one.pointer.split("/")[1:]
        place: dict[str, Any] = {"row": int(steps[0]) + 1} if steps else {}
        if steps[1:]:
            place["field"] = steps[1].replace("~1", "/").replace("~0", "~")
        found.append({**place, "detail": one.detail, "code": one.code})
    last = max((one["row"] for one in found if "row" in one), default=0)
    wanted = {one["row"] for one in found if "row" in one}
    lines = _lines(path, kind, wanted, last) if path.is_file() else {}
    return [{"line": lines[one["row"]], **one} if one.get("row") in lines else one for one in found]


def _lines(path: Path, kind: str, rows: set[int], last: int) -> dict[int, int]:
    """Find the line in which each of some rows begins; rows and lines count from 1."""
    if kind in BINARY:
        return {}
    found = {}
    ends = "" if kind == CSV else "\n"
    with path.open(encoding="utf-8-sig", errors="replace", newline=ends) as file:
        starts = _csv_starts(file) if kind == CSV else _line_starts(file)
        for row, line in enumerate(starts, start=0 if kind == CSV else 1):
            if row in rows:
                found[row] = line
            if row == last:
                break
    return found


def _csv_starts(file: IO[str]) -> Iterator[int]:
    reader, before = csv.reader(file), 0
    try:
        for row in reader:
            if row:
                yield before + 1
            before = reader.line_num
    except csv.Error:
        return


def _line_starts(file: IO[str]) -> Iterator[int]:
    return (number for number, line in enumerate(file, start=1) if line.strip())
