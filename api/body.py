"""The forms in which records come: one, a list, columns, CSV."""

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.errors import BadRequest, InvalidRecords, Problem
from api.json_text import InvalidJson, RepeatedKeys, read_json
from models.fields import Flag, Number
from models.schema import Schema

_NUMBER = re.compile(r"-?\d{1,400}(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)


@dataclass(frozen=True)
class Records:
    """Records as they came.

    Attributes
    ----------
    rows : list
        Each should be an object; that is for the validation to say.
    is_single : bool
        Whether the body was one record, so that the answer is one prediction.
    pointer : callable
        (row number from 0, field name) -> JSON pointer into the body.
    """

    rows: list[Any]
    is_single: bool
    pointer: Callable[[int, str], str]


def read_body(body: bytes, content_type: str, schema: Schema) -> Records:
    """Read a request's body.

    Raises
    ------
    BadRequest
        415 for a content type other than JSON and CSV in UTF-8, 400 for a
        body that is malformed.
    InvalidRecords
        When columns or CSV lines do not make up records.
    """
    kind, _, parameters = content_type.partition(";")
    charset = re.search(r'charset="?([^";\s]+)', parameters, re.IGNORECASE)
    if charset and charset.group(1).lower() not in ("utf-8", "utf8"):
        raise BadRequest(415, f"the charset is {charset.group(1)[:40]!r}: send utf-8")
    kind = kind.strip().lower()
    if kind == "application/json":
        try:
            return _read_value(read_json(body), schema)
        except InvalidJson as error:
            raise BadRequest(400, str(error)) from error
    if kind == "text/csv":
        return _read_csv(body, schema)
    named = repr(kind[:80]) if kind else "missing"
    raise BadRequest(415, f"the content type is {named}: send application/json or text/csv")


def _read_value(value: Any, schema: Schema) -> Records:
    if isinstance(value, list):
        return Records(value, is_single=False, pointer=lambda row, name: f"/{row}{_step(name)}")
    if isinstance(value, dict) and list(value) == ["data"] and isinstance(value["data"], dict):
        return _read_columns(value["data"], schema)
    return Records([value], is_single=True, pointer=lambda row, name: _step(name))


def _read_columns(columns: Mapping[str, Any], schema: Schema) -> Records:
    """Turn columns into rows; a column that is no list or too short is a problem."""
    problems = [
        Problem(f"/data{_step(name)}", "is a column: send a list of values", "wrong_type")
        for name, column in columns.items()
        if not isinstance(column, list) and not schema.ignores(name)
    ]
    if isinstance(columns, RepeatedKeys):
        problems += [
            Problem(f"/data{_step(name)}", "is given twice: send it once", "repeated")
            for name in columns.repeated
        ]
    lists = {name: column for name, column in columns.items() if isinstance(column, list)}
    rows = max((len(column) for column in lists.values()), default=0)
    problems += [
        Problem(f"/data{_step(name)}", f"has {len(column)} values, others {rows}", "wrong_length")
        for name, column in lists.items()
        if len(column) != rows
    ]
    if problems:
        raise InvalidRecords(problems)
    return Records(
        [{name: column[row] for name, column in lists.items()} for row in range(rows)],
        is_single=False,
        pointer=lambda row, name: f"/data{_step(name)}/{row}",
    )


def _read_csv(body: bytes, schema: Schema) -> Records:
    """Read a header and lines; empty cells are gaps, numbers and flags are text."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"the body is not UTF-8 (byte {error.start})") from error
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise BadRequest(400, f"the body is not CSV: {error}") from error
    if not lines:
        raise BadRequest(400, "the body is empty: send a header line and records")
    header, *cells = lines
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise BadRequest(400, f"the header names {', '.join(map(repr, repeated))} twice")
    problems = [
        Problem(f"/{row}", f"has {len(line)} cells, the header {len(header)}", "wrong_length")
        for row, line in enumerate(cells)
        if len(line) != len(header)
    ]
    if problems:
        raise InvalidRecords(problems)
    readers = {one.name: _cell_reader(one) for one in schema.fields}
    reader = [readers.get(name, _as_text) for name in header]
    return Records(
        [
            {name: read(cell) for name, read, cell in zip(header, reader, line, strict=True)}
            for line in cells
        ],
        is_single=False,
        pointer=lambda row, name: f"/{row}{_step(name)}",
    )


def _cell_reader(one: Any) -> Callable[[str], Any]:
    if isinstance(one, Number):
        return _as_number
    return _as_flag if isinstance(one, Flag) else _as_text


def _as_text(cell: str) -> Any:
    return cell or None


def _as_flag(cell: str) -> Any:
    return {"true": True, "false": False, "": None}.get(cell, cell)


def _as_number(cell: str) -> Any:
    if _NUMBER.fullmatch(cell):
        return int(cell) if cell.lstrip("-").isdecimal() else float(cell)
    return cell or None


def _step(name: str) -> str:
    """Give one step of a JSON pointer."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
