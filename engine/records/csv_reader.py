"""CSV, block by block: a header, then one record per line.

Plain lines are split by searches, others by the csv module, and columns are read whole. Where a
column is not plainly valid the block is read again, cell by cell, to name every problem.
"""

import csv
import re
from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from operator import methodcaller
from typing import Any

import msgspec
import numpy as np

from engine.languages import gettext as _
from engine.records.blocks import MOST_ROWS, MOST_SLOW_ROWS, Block, read_slowly
from engine.records.cells import CellCodes
from engine.records.csv_layout import Layout, check_header, lay_out, stated_delimiter, with_point
from engine.records.csv_lines import Lines
from engine.records.problems import BadRequest, Problem
from engine.records.upload import Upload
from engine.schema.fields import GAP_WORDS, Field
from engine.schema.json_decoder import Decoder
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

#: What JSON allows in a number or beside it, but a cell does not.
_SPACES_AND_NULL = (" ", "\t", "\r", "\n", "n")
_LONG_EXPONENT = re.compile(r"[eE][+-]?\d{5}")

#: The rows of empty cells that may follow one another: a sheet of Excel has no more.
_MOST_EMPTY_ROWS = 2**20

#: Some rows, or their columns in place of them.
_Piece = tuple[Sequence[Sequence[str]] | None, Sequence[Sequence[str]]]


def read_csv(
    upload: Upload, schema: Schema, decoder: Decoder, *, delimiter: str = ",",
    has_decimal_commas: bool | None = None,
) -> Generator[Block]:  # fmt: skip
    """Read CSV in UTF-8: blank lines are skipped, and rows of empty cells at the end.

    Whether numbers have decimal commas is recognised, unless the table is a part of another.

    Raise `BadRequest` with 400 for a body that is not CSV or has no valid header, with 413 for a
    row that is too long or too many empty rows.
    """
    lines = Lines(upload, delimiter)
    layout = read_layout(lines, schema)
    has_commas = layout.has_decimal_commas if has_decimal_commas is None else has_decimal_commas
    columns = _Columns(layout.names, schema, decoder, has_decimal_commas=has_commas)
    first = 0
    for cells, rows in _pieces(lines, layout):
        matrix = None if cells is None else columns.read(cells)
        if matrix is not None:
            yield Block(first, len(matrix), matrix, [], [])
            first += len(matrix)
            continue
        rows = _transposed(cells) if cells else rows
        for start in range(0, len(rows), MOST_SLOW_ROWS):
            records = columns.records(rows[start : start + MOST_SLOW_ROWS], first)
            yield read_slowly(records, schema, first=first, is_table=True)
            first += len(records)


def read_rows(
    upload: Upload, schema: Schema, *, delimiter: str = ","
) -> tuple[Layout, Iterator[Sequence[str]]]:
    """Read the same header and rows as `read_csv`, the rows as text."""
    lines = Lines(upload, delimiter)
    layout = read_layout(lines, schema)
    pieces = _pieces(lines, layout)
    return layout, chain.from_iterable(
        rows if cells is None else _transposed(cells) for cells, rows in pieces
    )


def read_layout(lines: Lines, schema: Schema) -> Layout:
    """Read the lines before the first row; raise as `read_csv` where there is no header."""
    line = lines.line_with_text()
    if delimiter := stated_delimiter(line):
        lines.delimiter = delimiter
        line = lines.line_with_text()
    if not line:
        raise BadRequest(400, _("the body is empty: send a header line and records"))
    (names, *_rest) = lines.records(line)
    check_header(names, line.strip("\r\n"), schema)
    return lay_out(names, line, lines.delimiter, lines.rest())


def _pieces(lines: Lines, layout: Layout) -> Iterator[_Piece]:
    """Read a table; rows of empty cells are kept back until another row follows."""
    empty, width = 0, len(layout.names)
    while (text := lines.take()) is not None:
        text = _without_blank_lines(text)
        cells = _cut(text, width, layout.delimiter)
        rows: Sequence[Sequence[str]] = lines.records(text) if cells is None and text else ()
        if cells and not any(column[-1] for column in cells):
            rows, cells = _transposed(cells), None
        size = len(rows)
        while size and not any(rows[size - 1]):
            size -= 1
        for start in range(0, empty, MOST_ROWS) if cells or size else ():
            yield None, [[""] * width] * min(empty - start, MOST_ROWS)
        empty = len(rows) - size + (0 if cells or size else empty)
        if empty > _MOST_EMPTY_ROWS:
            raise BadRequest(
                413,
                _("more than {most_empty_rows} rows are empty: leave them out").format(
                    most_empty_rows=_MOST_EMPTY_ROWS
                ),
            )
        rows = layout.fit(rows[:size])
        if rows and {*map(len, rows)} == {width}:
            cells = _transposed(rows)
        yield cells, rows


def _without_blank_lines(text: str) -> str:
    """Leave out lines without text, where quotes make no line end a part of a cell."""
    if '"' in text:
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    while "\n\n" in text:
        text = text.replace("\n\n", "\n")
    return text.strip("\n")


def _transposed(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    return [*zip(*rows, strict=True)]


class _Columns:
    """Reads whole columns of cells under a header."""

    def __init__(
        self,
        names: list[str],
        schema: Schema,
        decoder: Decoder,
        *,
        has_decimal_commas: bool = False,
    ) -> None:
        self._names = names
        self._has_decimal_commas = has_decimal_commas
        self._fields = schema.fields
        self._numbers = decoder.numbers
        self._dtype = decoder.dtype
        self._codes = {
            place: CellCodes(schema.fields[place], codes) for place, codes in decoder.codes.items()
        }
        columns = schema.find_columns(names)
        places = {name: place for place, name in enumerate(names)}
        self._places = {field: places[name] for field, name in columns.sources.items()}
        self._extras = dict.fromkeys(columns.extras)
        self._repeated = dict.fromkeys(name for name, _ in columns.repeated)
        self._is_plain = not (self._extras or self._repeated) and all(
            field.name in self._places or field.missing == "accept" for field in schema.fields
        )

    def read(self, columns: Sequence[Sequence[str]]) -> Any:
        """Return the matrix of `engine.schema.json_decoder.Decoded`; None when in doubt."""
        if not self._is_plain:
            return None
        size = len(columns[0])
        matrix: Any = np.empty((size, len(self._fields)), self._dtype)
        try:
            for place, field in enumerate(self._fields):
                at = self._places.get(field.name)
                cells = [""] * size if at is None else columns[at]
                matrix[:, place] = self._read_column(place, cells)
        except (msgspec.DecodeError, LookupError, UnicodeEncodeError):
            return None
        return matrix

    def _read_column(self, place: int, cells: Sequence[str]) -> Any:
        codes = self._codes.get(place)
        if codes is not None:
            return [*map(codes.__getitem__, cells)]
        if self._has_decimal_commas:
            cells = [*map(with_point, cells)]
        try:
            return _read_numbers(self._numbers[place], cells)
        except (msgspec.DecodeError, LookupError):
            cells = ["" if cell in GAP_WORDS else cell for cell in cells]
            return _read_numbers(self._numbers[place], cells)

    def records(self, rows: Sequence[Sequence[str]], first: int) -> list[Any]:
        """Return rows as records, those of another length as problems."""
        names, width = self._names, len(self._names)
        columns = [
            (names[self._places[field.name]], self._places[field.name], field, place)
            for place, field in enumerate(self._fields)
            if field.name in self._places
        ]
        return [
            self._extras
            | {name: self._read_cell(field, place, row[at]) for name, at, field, place in columns}
            | self._repeated
            if len(row) == width
            else Problem(
                f"/{number}",
                _("has {row} cells and the header {width}: send a cell for each column").format(
                    row=len(row), width=width
                ),
                Code.WRONG_LENGTH,
            )
            for number, row in enumerate(rows, start=first)
        ]

    def _read_cell(self, field: Field, place: int, cell: str) -> Any:
        if not self._has_decimal_commas or place not in self._numbers:
            return field.from_cell(cell)
        value = field.from_cell(with_point(cell))
        return cell if isinstance(value, str) else value


def _cut(text: str, width: int, delimiter: str = ",") -> list[Sequence[str]] | None:
    """Split lines into columns; None when only the csv module can."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if '"' in text or "\r" in text:
        return None
    lines = text.removesuffix("\n").split("\n")
    is_even = {*map(methodcaller("count", delimiter), lines)} == {width - 1} and "" not in lines
    if not is_even or max(map(len, lines)) > csv.field_size_limit():
        return None
    cells = delimiter.join(lines).split(delimiter)
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
