"""How a table of text is laid out: what separates its cells, and what its header names.

A body states what it is: by its content type, or by the line ``sep=;`` of Excel before
its header. A file on this machine may also be recognised by its header.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.languages import gettext as _
from engine.languages import mark
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import refuse_repeated_names
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

_LINE = re.compile(r"[^\r\n]+")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\r\n]*')

#: What may stand between cells, and how a message calls it.
_DELIMITERS = {",": "','", ";": "';'", "\t": mark("tabs"), "|": "'|'"}

#: The whole part of a number whose thousands are separated by points, as before a decimal comma.
_GROUPED = r"[1-9]\d{0,2}(?:\.\d{3})+"

#: A number with a decimal comma between semicolons.
_DECIMAL_COMMA = re.compile(
    rf"(?:^|;)-?(?:\d+|{_GROUPED}),\d+(?:[eE][+-]?\d+)?(?=[;\r]|$)", re.MULTILINE
)

#: One between tabs, where three digits might be thousands; and one with a decimal point.
_TABBED = tuple(
    re.compile(rf"(?:^|\t)-?{number}\d+(?=[\t\r]|$)", re.MULTILINE)
    for number in (rf"(?:\d+,(?!\d{{3}}(?!\d))|{_GROUPED},)", r"\d+\.")
)

#: A header with an open quote is read up to so many characters.
_LONGEST_HEADER = 2**16

#: What was a point becomes a comma, and so is no part of a number.
_SWAPPED = str.maketrans(",.", ".,")

_GROUPED_NUMBER = re.compile(rf"-?{_GROUPED},\d+")


def with_point(cell: str) -> str:
    """Return a cell of a table with decimal commas as one with a decimal point.

    Points are taken for thousands only where a decimal comma follows: 1.129 stays no number.
    """
    if "." in cell and _GROUPED_NUMBER.fullmatch(cell):
        cell = cell.replace(".", "")
    return cell.translate(_SWAPPED)


class Layout(NamedTuple):
    """What is between the cells, the name above each, and whether numbers have decimal commas."""

    delimiter: str
    names: list[str]
    has_decimal_commas: bool = False

    def fit(self, rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Give rows as many cells as the header has, where nothing is lost by it.

        Spreadsheets leave out empty cells at the end of a row, or add some.
        """
        width = len(self.names)
        named = max((place for place, name in enumerate(self.names, 1) if name), default=0)
        return [
            [*row, *[""] * (width - len(row))][:width]
            if len(row) != width and len(row) >= named and named < width and not any(row[width:])
            else row
            for row in rows
        ]


def cells_of(line: str, delimiter: str) -> list[str]:
    """Split one line; an empty list when it is not CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def stated_delimiter(line: str) -> str | None:
    """Return the delimiter that Excel's line ``sep=;`` states; None when it is another line."""
    stated = _SEPARATOR_LINE.fullmatch(line)
    if stated and stated[1] not in _DELIMITERS:
        listed = ", ".join(map(_, _DELIMITERS.values()))
        raise BadRequest(
            400,
            _("the line sep= has {stated}: separate cells by {listed}").format(
                stated=repr(stated[1]), listed=listed
            ),
        )
    return stated[1] if stated else None


def check_header(names: list[str], line: str, schema: Schema) -> None:
    """Check that a header was split where it should be, and repeats no name.

    Raise `BadRequest` with 400 if not.
    """
    named = [name for name in names if name]  # spreadsheets leave columns without a name
    refuse_repeated_names(named or names, mark("header"))
    if schema.find_columns(names).sources:
        return
    for delimiter, noun in _DELIMITERS.items():
        sources = schema.find_columns(cells_of(line, delimiter)).sources
        if len(sources) >= min(2, len(schema.fields)):
            remedy = _("send commas, or put the line sep={delimiter} before the header").format(
                delimiter=delimiter
            )
            if delimiter == "\t":
                remedy = _("send commas, or the content type text/tab-separated-values")
            raise BadRequest(
                400,
                _("the cells seem to be separated by {noun}: {remedy}").format(
                    noun=_(noun), remedy=remedy
                ),
            )


def recognised_delimiter(lines: Iterator[str], schema: Schema) -> str:
    """Return what separates the cells of a file: what makes its header that of the model.

    If none does, since a name is wrong, it is what finds most of the columns, so that the name
    is what is refused. A comma where nothing finds two.
    """
    line = next((line for line in lines if line.strip("\r\n")), "")
    while line.count('"') % 2 and len(line) < _LONGEST_HEADER and (more := next(lines, "")):
        line += more  # a name in quotes has a line end
    required = {field.name for field in schema.fields if field.missing == "refuse"}
    found = {}
    for delimiter in _DELIMITERS:
        names = schema.find_columns(cells_of(line.strip("\r\n"), delimiter))
        if names.sources and required <= {*names.sources} and not names.extras:
            return delimiter
        found[delimiter] = len(names.sources)
    best = max(found, key=lambda delimiter: found[delimiter])
    return best if found[best] > 1 else ","


def lay_out(names: list[str], header: str, delimiter: str, text: str) -> Layout:
    """Return the layout of a table with this header, from the first lines below it.

    R writes the names of rows, in quotes, in a first column without a header. Raise
    `InvalidRecords` when nothing but its end keeps the first row from having the header's cells.
    """
    line = _LINE.search(text)
    first = cells_of(line[0], delimiter) if line else []
    if line and len(first) == len(names) + 1 and "" not in names:
        if header.startswith('"') and line[0].startswith('"'):
            names = ["", *names]
        elif not first[-1]:
            detail = _("has {first} cells and the header {names}").format(
                first=len(first), names=len(names)
            )
            remedy = _("send a cell for each column, and nothing after the last cell of a row")
            raise InvalidRecords([Problem("/0", f"{detail}: {remedy}", Code.WRONG_LENGTH)])
    has_commas = delimiter == ";" and _DECIMAL_COMMA.search(text) is not None
    if delimiter == "\t":
        comma, point = (number.search(text) is not None for number in _TABBED)
        has_commas = comma and not point
    return Layout(delimiter, names, has_commas)
