"""A version's answers to the records of a file on this machine, without HTTP."""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from engine.records.forms import WRITERS
from engine.records.media_types import ARROW, CSV, PARQUET
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.runtime.version import StoredVersion
from engine.serving.table_prediction import answer_table

#: Those that need pyarrow.
BINARY = (ARROW, PARQUET)


class InvalidFile(ValueError):
    """A file cannot be read, or holds records that are not valid.

    Parameters
    ----------
    reason : str
        What is wrong; the file's name goes before it.
    errors : sequence of mapping
        Every problem of its records: ``detail``, ``code`` and, as far as it has
        a place, ``line``, ``row`` and ``field``.
    """

    def __init__(self, reason: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(reason)
        self.errors = errors


def answer_file(
    version: StoredVersion, stream: Any, path: Path, *, size: int | None, kind: str, form: str
) -> Spool:
    """Answer every record of a file, as the service answers it.

    Parameters
    ----------
    stream : file
        The file, opened for reading bytes.
    path : Path
        Where it is; it is read again to find the lines of problems.
    size : int or None
        Its length in bytes; None for a pipe.
    kind, form : str
        The media types of the file and of the answer.

    Raises
    ------
    InvalidFile
        When the file cannot be read, or with every problem of its records.
    """
    upload = Upload(stream, length=size, most=sys.maxsize)
    try:
        return answer_table(version, upload, kind, WRITERS[form])
    except BadRequest as error:
        raise InvalidFile(f": {error.detail}{_hint(path, kind)}") from error
    except InvalidRecords as error:
        problems = error.problems[:PROBLEMS_LISTED]
        more = "more than " if len(error.problems) > len(problems) else ""
        count = f"{more}{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise InvalidFile(f" has {count}", _locate(problems, path, kind)) from error


def _hint(path: Path, kind: str) -> str:
    if kind == ARROW and path.is_file() and path.open("rb").read(6) == b"ARROW1":
        return ": it is an Arrow file, write a stream (pyarrow.ipc.new_stream)"
    return ""


def _locate(problems: Sequence[Problem], path: Path, kind: str) -> list[dict[str, Any]]:
    """Describe each problem and its place: by line, row from 1 and field."""
    errors: list[dict[str, Any]] = []
    for problem in problems:
        steps = problem.pointer.split("/")[1:]
        place: dict[str, Any] = {"row": int(steps[0]) + 1} if steps else {}
        if steps[1:]:
            place["field"] = steps[1].replace("~1", "/").replace("~0", "~")
        errors.append({**place, "detail": problem.detail, "code": problem.code})
    rows = {error["row"] for error in errors if "row" in error}
    lines = _lines(path, kind, rows) if rows and path.is_file() else {}
    return [
        {"line": lines[error["row"]], **error} if error.get("row") in lines else error
        for error in errors
    ]


def _lines(path: Path, kind: str, rows: set[int]) -> dict[int, int]:
    """Find the line in which each of some rows begins; rows and lines count from 1."""
    if kind in BINARY:
        return {}
    lines = {}
    ends = "" if kind == CSV else "\n"
    with path.open(encoding="utf-8-sig", errors="replace", newline=ends) as file:
        starts = _csv_starts(file) if kind == CSV else _line_starts(file)
        for row, line in enumerate(starts, start=0 if kind == CSV else 1):
            if row in rows:
                lines[row] = line
            if row == max(rows):
                break
    return lines


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
