"""A table of any layout, read as text, with the call of pandas that reads it in a model file."""

import codecs
import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.schema.messages import quoted
from engine.training.infer.numbers import is_number

#: The layout is guessed from so many bytes at the start, and so many rows of them.
_SAMPLE_BYTES, _SAMPLE_ROWS = 262_144, 500

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class UnreadableTable(ValueError):
    """No model file can be written from a table; the message says why, and what to do."""


@dataclass(frozen=True)
class Source:
    """A table as text, a gap as the empty text, and how a model file reads it.

    The arguments are those of the pandas function; nested are the columns that hold lists
    or objects; layout says in words how the file is built; a gap may be an empty text, too,
    where the cells have types.
    """

    frame: pd.DataFrame
    function: str
    arguments: dict[str, Any]
    layout: str
    nested: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)
    has_empty_text: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the file is text, in which every cell is."""
        return self.function == "read_csv"


def read_source(path: Path) -> Source:
    """Read a CSV, TSV, Parquet, JSON or Excel file, which its name's ending tells.

    Raise `UnreadableTable` where the file is not what its name says, or has no row.
    """
    if not path.is_file():
        raise UnreadableTable(f"there is no file {path}: give the path of a table")
    readers = {
        ".parquet": _parquet, ".json": _json, ".jsonl": _json, ".ndjson": _json,
        ".xlsx": _excel, ".xlsm": _excel, ".xls": _excel,
    }  # fmt: skip
    read = readers.get(path.suffix.lower(), _csv)
    try:
        source = read(path)
    except UnreadableTable:
        raise
    except (ValueError, TypeError, OSError, EOFError, RecursionError, csv.Error) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnreadableTable(f"{path} cannot be read: {reason[0].rstrip('.')}") from error
    if not source.frame.shape[0] or not source.frame.shape[1]:
        raise UnreadableTable(f"{path} has no rows below its header: give a table with rows")
    return source


def _csv(path: Path) -> Source:
    encoding, text = _decoded(path)
    if not text.strip():
        raise UnreadableTable(f"{path} is empty: give a table with a header and rows")
    delimiter, rows = _split(text)
    skipped = _rows_before_header(rows)
    body = rows[skipped:]
    arguments: dict[str, Any] = {}
    notes = []
    if delimiter != ",":
        arguments["sep"] = delimiter
    if encoding != "utf-8":
        arguments["encoding"] = encoding
    if skipped:
        arguments["skiprows"] = skipped
        notes.append(f"the first {skipped} lines are passed over, as a title is")
    if not has_header(body):
        arguments["names"] = [f"column_{place}" for place in range(1, len(body[0]) + 1)]
        notes.append("the file has no header: its columns are numbered")
    elif len(body) > 1 and all(len(row) == len(body[0]) + 1 and not row[-1] for row in body[1:]):
        arguments["usecols"] = range(len(body[0]))  # rows end with a delimiter, the header not
    arguments["skipinitialspace"] = True
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, **arguments)
    layout = f"{_DELIMITERS[delimiter]}, {encoding}"
    return Source(frame.reset_index(drop=True), "read_csv", arguments, layout, notes=notes)


def _decoded(path: Path) -> tuple[str, str]:
    """Return the encoding of a file, and the text at its start."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        start = file.read(_SAMPLE_BYTES)
        encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "")
        if not encoding and b"\0" in start:
            raise UnreadableTable(f"{path} is not text: give CSV, Parquet, JSON lines or Excel")
        if not encoding:
            blocks = iter(lambda: file.read(1 << 24), b"")
            encoding = "utf-8" if _is_utf8(chain([start], blocks)) else "cp1252"
    text = start.decode(encoding, errors="ignore")
    return encoding, text if len(start) < _SAMPLE_BYTES else text.rpartition("\n")[0]


def _is_utf8(blocks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in blocks:
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _split(text: str) -> tuple[str, list[list[str]]]:
    """Return the delimiter at which most rows have the same number of cells, and the rows."""
    best: tuple[float, int, str, list[list[str]]] = (0.0, 1, ",", [])
    for delimiter in _DELIMITERS:
        lines = csv.reader(text.splitlines(keepends=True), delimiter=delimiter,
                           skipinitialspace=True)  # fmt: skip
        rows = [row for row, _ in zip(lines, range(_SAMPLE_ROWS), strict=False) if row]
        (width, count), *_ = Counter(map(len, rows)).most_common(1) or [(0, 0)]
        if width > 1 and (count / len(rows), width) > best[:2]:
            best = (count / len(rows), width, delimiter, rows)
    if best[3]:
        return best[2], best[3]
    return ",", [[line] for line in text.splitlines() if line.strip()]


def _rows_before_header(rows: list[list[str]]) -> int:
    """Count the rows of a title: they have fewer cells than the rows below, or only one filled."""
    (width, _), *_ = Counter(map(len, rows)).most_common(1)
    if width < 2:
        return 0
    for place, row in enumerate(rows[:20]):
        filled = sum(bool(cell.strip()) for cell in row)
        if len(row) >= width - 1 and filled > max(1, width / 3):
            return place
    return 0


def has_header(rows: list[list[str]]) -> bool:
    """Return whether the first row names the columns: where numbers are below, no number is."""
    head, body = rows[0], rows[1:200]
    if not body:
        return not any(map(is_number, head))
    columns = [
        (cell, [row[place] for row in body if place < len(row) and row[place].strip()])
        for place, cell in enumerate(head)
    ]
    numbers = [cell for cell, below in columns if below and all(map(is_number, below))]
    if numbers:
        are_years = len({*numbers}) == len(numbers) > 2 and all(
            re.fullmatch(r"(19|20)\d\d", cell) for cell in numbers
        )
        return are_years or not all(is_number(cell) for cell in numbers)
    return sum(cell in below for cell, below in columns) < max(1, len(columns) / 2)


def _parquet(path: Path) -> Source:
    if not find_spec("pyarrow"):
        raise UnreadableTable(_not_installed(path, "pyarrow"))
    return _typed(pd.read_parquet(path), "read_parquet", {}, "Parquet")


def _json(path: Path) -> Source:
    with path.open(encoding="utf-8-sig") as file:
        start = file.read(1024).lstrip()
    if start[:1] not in ("[", "{"):
        raise UnreadableTable(f"{path} is not JSON: give a list of records, or one a line")
    arguments = ({"lines": True} if start[0] == "{" else {}) | {"dtype": False}
    return _typed(pd.read_json(path, **arguments), "read_json", arguments, "JSON")


def _excel(path: Path) -> Source:
    package = "xlrd" if path.suffix.lower() == ".xls" else "openpyxl"
    if not find_spec(package):
        raise UnreadableTable(_not_installed(path, package))
    raw = pd.read_excel(path, header=None, dtype=object)
    rows = [[_spelled(cell) for cell in row] for row in raw.head(_SAMPLE_ROWS).to_numpy()]
    skipped = _rows_before_header(rows) if rows else 0
    arguments = {"skiprows": skipped} if skipped else {}
    notes = [f"the first {skipped} rows are passed over, as a title is"] if skipped else []
    return _typed(pd.read_excel(path, **arguments), "read_excel", arguments, "Excel", notes)


def _not_installed(path: Path, package: str) -> str:
    return (
        f"{path} needs {package}, which is not installed: "
        f"run .venv/bin/pip install {package}, or save the table as CSV"
    )


def _typed(
    frame: pd.DataFrame, function: str, arguments: dict[str, Any], layout: str,
    notes: list[str] | None = None,
) -> Source:  # fmt: skip
    """Spell the cells of a frame that has types."""
    frame = frame.reset_index(drop=True)
    odd = [column for column in frame.columns if not isinstance(column, str)]
    if odd:
        raise UnreadableTable(f"the column {quoted(str(odd[0]))} has no name that is text: name it")
    nested = frozenset(
        name
        for name in frame
        if frame[name].dtype == object
        and any(isinstance(cell, (dict, list, np.ndarray)) for cell in frame[name])
    )
    texts = pd.DataFrame({name: frame[name].map(_spelled).astype(object) for name in frame})
    has_empty = bool((texts.eq("") & frame.notna()).to_numpy().any())
    return Source(texts, function, arguments, layout, nested, notes or [], has_empty)


def _spelled(cell: Any) -> str:
    if isinstance(cell, (dict, list, np.ndarray)):
        return json.dumps(cell, default=str)
    return "" if cell is None or cell != cell or cell is pd.NaT else str(cell)
