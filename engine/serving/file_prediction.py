"""A version's answers to the records of a file on this machine, without HTTP."""

import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from engine.languages import gettext as _
from engine.languages import ngettext
from engine.records.charsets import as_utf8, recognised_charset
from engine.records.csv_layout import recognised_delimiter
from engine.records.forms import WRITERS
from engine.records.media_types import ARROW, CSV, PARQUET
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion
from engine.schema.record_schema import Schema
from engine.serving.table_prediction import answer_table

#: Those that need pyarrow.
BINARY = (ARROW, PARQUET)


class InvalidFile(ValueError):
    """A file cannot be read, or holds records that are not valid.

    The reason comes after the file's name. Every problem of the records has its
    ``detail``, ``code`` and, as far as it has a place, ``line``, ``row`` and ``field``.
    """

    def __init__(self, reason: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(reason)
        self.errors = errors


class TextLayout(NamedTuple):
    """The encoding of a file of text, and what separates the cells of CSV."""

    charset: str = "utf-8"
    delimiter: str = ","


def recognise(path: Path, kind: str, schema: Schema) -> TextLayout:
    """Find how a file of text is written: no request states it, so its header must fit."""
    if kind in BINARY or not path.is_file():
        return TextLayout()
    with path.open("rb") as file:
        charset = recognised_charset(file.read)
    if kind != CSV:
        return TextLayout(charset)
    with path.open(encoding=_text_charset(charset), errors="replace", newline="") as file:
        return TextLayout(charset, recognised_delimiter(file, schema))


def answer_file(
    version: StoredVersion, stream: Any, path: Path, *, size: int | None, kind: str, form: str,
    layout: TextLayout, decided: Callable[[Any, Decisions], None] = lambda matrix, decisions: None,
) -> Spool:  # fmt: skip
    """Answer every record of a file, as the service answers it; raise `InvalidFile` if it cannot.

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
    decided : callable
        As of `answer_table`.
    """
    upload = as_utf8(Upload(stream, length=size, most=sys.maxsize), layout.charset)
    try:
        return answer_table(
            version, upload, kind, WRITERS[form], delimiter=layout.delimiter, decided=decided
        )
    except BadRequest as error:
        is_file = kind == ARROW and path.is_file() and path.open("rb").read(6) == b"ARROW1"
        hint = _(": it is an Arrow file, write a stream (pyarrow.ipc.new_stream)")
        raise InvalidFile(f": {error.detail}{hint * is_file}") from error
    except InvalidRecords as error:
        problems = error.problems[:PROBLEMS_LISTED]
        count = len(problems)
        reason = ngettext(" has {count} problem", " has {count} problems", count)
        if len(error.problems) > count:
            reason = _(" has more than {count} problems")
        located = _locate(problems, path, kind, layout)
        raise InvalidFile(reason.format(count=count), located) from error


def _locate(
    problems: Sequence[Problem], path: Path, kind: str, layout: TextLayout
) -> list[dict[str, Any]]:
    """Describe each problem and its place: by line, row from 1 and field."""
    errors: list[dict[str, Any]] = []
    for problem in problems:
        steps = problem.pointer.split("/")[1:]
        place: dict[str, Any] = {"row": int(steps[0]) + 1} if steps else {}
        if steps[1:]:
            place["field"] = steps[1].replace("~1", "/").replace("~0", "~")
        errors.append({**place, "detail": problem.detail, "code": problem.code})
    rows = {error["row"] for error in errors if "row" in error}
    lines = _lines(path, kind, layout, rows) if rows and path.is_file() else {}
    return [
        {"line": lines[error["row"]], **error} if error.get("row") in lines else error
        for error in errors
    ]


def _lines(path: Path, kind: str, layout: TextLayout, rows: set[int]) -> dict[int, int]:
    """Find the line in which each of some rows begins; rows and lines count from 1."""
    if kind in BINARY:
        return {}
    is_csv = kind == CSV  # then row 0 is the header
    charset = _text_charset(layout.charset)
    with path.open(encoding=charset, errors="replace", newline="" if is_csv else "\n") as file:
        starts = _csv_starts(file, layout.delimiter) if is_csv else _line_starts(file)
        numbered = enumerate(islice(starts, max(rows) + is_csv), start=0 if is_csv else 1)
        return {row: line for row, line in numbered if row in rows}


def _text_charset(charset: str) -> str:
    """Return an encoding that passes over the mark at the start of UTF-8."""
    return "utf-8-sig" if charset == "utf-8" else charset


def _csv_starts(file: IO[str], delimiter: str) -> Iterator[int]:
    reader, before = csv.reader(file, delimiter=delimiter), 0
    is_first = True
    with suppress(csv.Error):
        for row in reader:
            is_header = bool(row) and not (is_first and row[0].startswith("sep="))
            if is_header:
                yield before + 1
            is_first = is_first and not row
            before = reader.line_num


def _line_starts(file: IO[str]) -> Iterator[int]:
    return (number for number, line in enumerate(file, start=1) if line.strip())
