"""CSV, block by block: a header, then one record per line.

Plain lines are split by searches, others by the csv module, and columns are read whole. Where a
column is not plainly valid the block is read again, cell by cell, to name every problem.
"""

import csv
import io
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from operator import methodcaller
from typing import Any

import msgspec
import numpy as np

from engine.records.blocks import LONGEST_ROW, Block, read_slowly, too_long, whole_lines
from engine.records.problems import BadRequest, Problem
from engine.records.rows import refuse_repeated_names
from engine.records.upload import Upload
from engine.schema.fields import Field
from engine.schema.json_decoder import Decoder
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"\r\n?|\n")

#: What JSON allows in a number or beside it, but a cell does not.
_SPACES_AND_NULL = (" ", "\t", "\r", "\n", "n")
#: How flags are written, and how pandas writes them.
FLAGS = {"true": True, "false": False}
PANDAS_FLAGS = {**FLAGS, "True": True, "False": False}
_LONG_EXPONENT = re.compile(r"[eE][+-]?\d{5}")


def read_csv(
    upload: Upload, schema: Schema, decoder: Decoder, *, flags: Mapping[str, bool] = FLAGS
) -> Generator[Block]:
    """Read CSV in UTF-8: empty cells are gaps, blank lines are skipped.

    Raise `BadRequest` with 400 for a body that is not CSV or has no valid header, with 413 for a
    row that is too long.

    Parameters
    ----------
    flags : mapping of str to bool
        The words for true and false, beside a field's synonyms.
    """
    lines = _Lines(upload)
    header = _read_header(lines)
    columns = _Columns(header, schema, decoder, flags)
    first = 0
    while (text := lines.take()) is not None:
        cells: Sequence[Sequence[str]] | None = _cut(text, len(header))
        rows: Sequence[Sequence[str]] = lines.records(text) if cells is None else ()
        if rows and {*map(len, rows)} == {len(header)}:
            cells = list(zip(*rows, strict=True))
        matrix = None if cells is None else columns.read(cells)
        if matrix is not None:
            block = Block(first, len(matrix), matrix, [], [])
        else:
            rows = list(zip(*cells, strict=True)) if cells else rows
            block = read_slowly(columns.records(rows, first), schema, first=first, is_table=True)
        first += block.size
        if block.size:
            yield block


class _Lines:
    """A text that is read piece by piece; a record may span two pieces."""

    def __init__(self, upload: Upload) -> None:
        self._pieces = whole_lines(upload, ends=(b"\n", b"\r"))
        self._read = 0
        self._text, self._at = "", 0

    def _next(self) -> str | None:
        if (piece := next(self._pieces, None)) is None:
            return None
        mark = len(_BYTE_ORDER_MARK) * (not self._read and piece.startswith(_BYTE_ORDER_MARK))
        try:
            text = piece[mark:].decode()
        except UnicodeDecodeError as error:
            detail = f"the body is not UTF-8 (byte {self._read + mark + error.start})"
            raise BadRequest(400, detail) from error
        self._read += len(piece)
        return text

    def take(self) -> str | None:
        """Return whole lines; None at the end."""
        text = self._text[self._at :] or self._next()
        self._text, self._at = "", 0
        return text

    def line(self) -> str:
        """Return one line with its end; nothing at the end of the text."""
        if self._at == len(self._text):
            self._text, self._at = self._next() or "", 0
        end = _LINE_END.search(self._text, self._at)
        start, self._at = self._at, end.end() if end else len(self._text)
        return self._text[start : self._at]

    def records(self, text: str) -> list[list[str]]:
        """Read the records that begin in lines that were taken, without blank lines."""
        lines = [*io.StringIO(text, newline="")]
        ended = 0

        def feed() -> Iterator[str]:
            yield from lines
            fed, size = len(lines), 0
            while fed != ended and (line := self.line()):  # in quotes that are still open
                fed, size = fed + 1, size + len(line)
                if size > LONGEST_ROW:
                    raise too_long()
                yield line

        rows = []
        reader = csv.reader(feed(), strict=True)
        try:
            for row in reader:
                ended = reader.line_num
                rows.append(row)
        except csv.Error as error:
            raise BadRequest(400, f"the body is not CSV: {error}") from error
        return [row for row in rows if row]


class _Columns:
    """Reads whole columns of cells under a header."""

    def __init__(
        self, header: list[str], schema: Schema, decoder: Decoder, flags: Mapping[str, bool] = FLAGS
    ) -> None:
        self._flags = flags
        self._header = header
        self._fields = schema.fields
        self._numbers = decoder.numbers
        self._codes = {
            place: _cell_codes(schema.fields[place], codes, flags)
            for place, codes in decoder.codes.items()
        }
        self._places = {name: place for place, name in enumerate(header)}
        self._is_plain = not any(map(schema.refuses, header)) and all(
            field.name in self._places or field.missing == "accept" for field in schema.fields
        )

    def read(self, columns: Sequence[Sequence[str]]) -> Any:
        """Return the matrix of `engine.schema.json_decoder.Decoded`; None when in doubt."""
        if not self._is_plain:
            return None
        size = len(columns[0])
        matrix = np.empty((size, len(self._fields)))
        try:
            for place, field in enumerate(self._fields):
                at = self._places.get(field.name)
                cells = [""] * size if at is None else columns[at]
                matrix[:, place] = self._read_column(place, field, cells)
        except (msgspec.DecodeError, LookupError, UnicodeEncodeError):
            return None
        return matrix

    def _read_column(self, place: int, field: Field, cells: Sequence[str]) -> Any:
        codes = self._codes.get(place)
        if codes is None:
            return _read_numbers(self._numbers[place], cells)
        if "" in cells:
            if field.missing == "refuse":
                raise LookupError("a gap")
            cells = [cell or None for cell in cells]  # type: ignore[misc]
        return [*map(codes.__getitem__, cells)]

    def records(self, rows: Sequence[Sequence[str]], first: int) -> list[Any]:
        """Return rows as records, those of another length as problems."""
        fields = {field.name: field for field in self._fields}
        columns = [(name, fields.get(name)) for name in self._header]
        return [
            {
                name: field.from_text(cell, self._flags) if field and cell else cell or None
                for (name, field), cell in zip(columns, row, strict=True)
            }
            if len(row) == len(columns)
            else Problem(
                f"/{number}",
                f"has {len(row)} cells and the header {len(columns)}: send a cell for each column",
                Code.WRONG_LENGTH,
            )
            for number, row in enumerate(rows, start=first)
        ]


def _read_header(lines: _Lines) -> list[str]:
    while line := lines.line():
        for header in lines.records(line):
            refuse_repeated_names(header, "header")
            return header
    raise BadRequest(400, "the body is empty: send a header line and records")


def _cut(text: str, width: int) -> list[list[str]] | None:
    """Split lines into columns; None when only the csv module can."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if '"' in text or "\r" in text:
        return None
    lines = text.removesuffix("\n").split("\n")
    is_even = {*map(methodcaller("count", ","), lines)} == {width - 1} and "" not in lines
    if not is_even or max(map(len, lines)) > csv.field_size_limit():
        return None
    cells = ",".join(lines).split(",")
    return [cells[place::width] for place in range(width)]


def _read_numbers(decoder: Any, cells: Sequence[str]) -> Any:
    """Read a column as a JSON list."""
    text = ",".join(cells)
    if any(character in text for character in _SPACES_AND_NULL) or _LONG_EXPONENT.search(text):
        raise LookupError("not a plain number")
    if ",," in f",{text},":
        text = ",".join([cell or "null" for cell in cells])
    values = decoder.decode(f"[{text}]")
    if len(values) != len(cells):
        raise LookupError("a comma in a cell")
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _cell_codes(
    field: Field, codes: Mapping[Any, float], flags: Mapping[str, bool]
) -> Mapping[Any, float]:
    """Return the double that stands for each valid cell of a field."""
    values = {word: field.from_text(word, flags) for word in flags}
    spelled = {word: codes[value] for word, value in values.items() if value != word}
    return {**codes, **spelled} if spelled else codes
