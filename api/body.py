"""The forms in which records come: one, a list, columns, CSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from api.errors import BadRequest, InvalidRecords, Problem
from api.json_text import InvalidJson, RepeatedKeys, read_json
from models.fields import Flag, Number, number_in, shown
from models.schema import Schema

#: Records in one request; more would let one small body fill the memory.
MAX_RECORDS = 10_000


@dataclass(frozen=True)
class Records:
    """Records as they came.

    Attributes
    ----------
    rows : list
        Each should be an object; that is for the validation to say.
    is_single : bool
        Whether the body was one record, so that the answer is one prediction.
    is_table : bool
        Whether all rows have the same keys, named once in the body.
    pointer : callable
        (row number from 0, field name) -> JSON pointer into the body; with
        None for a name, to the record.
    """

    rows: list[Any]
    pointer: Callable[[int, str | None], str]
    is_single: bool = False
    is_table: bool = False


def read_body(body: bytes, content_type: str, schema: Schema) -> Records:
    """Read a request's body.

    Raises
    ------
    BadRequest
        415 for a content type other than JSON and CSV in UTF-8, 413 for too
        many records, 400 for a body that is malformed.
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
        _refuse_too_many(len(value))
        return Records(value, lambda row, name: f"/{row}{_step(name)}")
    if isinstance(value, dict) and _holds_columns(value, schema):
        _refuse_company(value)
        return _read_columns(value["data"], schema)
    return Records([value], lambda row, name: _step(name), is_single=True)


def _holds_columns(value: Mapping[str, Any], schema: Schema) -> bool:
    if "data" not in value or any(one.name == "data" for one in schema.fields):
        return False
    # Beside other keys it may be an extra that the model ignores.
    return len(value) == 1 or not schema.ignores("data")


def _refuse_company(value: Mapping[str, Any]) -> None:
    """See that ``data`` holds columns and stands alone, once."""
    problems = [
        Problem(_step(name), "stands beside data: leave it out", "extra")
        for name in value
        if name != "data"
    ]
    if isinstance(value, RepeatedKeys):
        problems += [_repeated(_step(name)) for name in value.repeated]
    if not isinstance(value["data"], dict):
        detail = f"is {shown(value['data'])}: send an object of columns"
        problems.append(Problem("/data", detail, "wrong_type"))
    if problems:
        raise InvalidRecords(problems)


def _refuse_too_many(count: int) -> None:
    if count > MAX_RECORDS:
        raise BadRequest(413, f"there are more than {MAX_RECORDS} records: send fewer at once")


def _repeated(pointer: str) -> Problem:
    return Problem(pointer, "is given twice: send it once", "repeated")


def _read_columns(columns: Mapping[str, Any], schema: Schema) -> Records:
    """Turn columns into rows; a column that is no list or too short is a problem."""
    names = {one.name for one in schema.fields}
    kept = {name: one for name, one in columns.items() if name in names or not schema.ignores(name)}
    problems = [
        Problem(f"/data{_step(name)}", "is a column: send a list of values", "wrong_type")
        for name, column in kept.items()
        if not isinstance(column, list)
    ]
    if isinstance(columns, RepeatedKeys):
        problems += [_repeated(f"/data{_step(name)}") for name in columns.repeated]
    lists = {name: column for name, column in kept.items() if isinstance(column, list)}
    rows = max((len(column) for column in lists.values()), default=0)
    problems += [
        Problem(f"/data{_step(name)}", f"has {len(column)} values, others {rows}", "wrong_length")
        for name, column in lists.items()
        if len(column) != rows
    ]
    if problems:
        raise InvalidRecords(problems)
    _refuse_too_many(rows)
    return Records(
        [{name: column[row] for name, column in lists.items()} for row in range(rows)],
        lambda row, name: "/data" if name is None else f"/data{_step(name)}/{row}",
        is_table=True,
    )


def _read_csv(body: bytes, schema: Schema) -> Records:
    """Read a header and lines; empty cells are gaps, numbers and flags are text."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"the body is not UTF-8 (byte {error.start})") from error
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = list(islice((line for line in reader if line), MAX_RECORDS + 2))
    except csv.Error as error:
        raise BadRequest(400, f"the body is not CSV: {error}") from error
    if not lines:
        raise BadRequest(400, "the body is empty: send a header line and records")
    header, *cells = lines
    repeated = sorted(name for name, times in Counter(header).items() if times > 1)
    if repeated:
        raise BadRequest(400, f"the header names {', '.join(map(shown, repeated[:5]))} twice")
    _refuse_too_many(len(cells))
    problems = [
        Problem(f"/{row}", f"has {len(line)} cells, the header {len(header)}", "wrong_length")
        for row, line in enumerate(cells)
        if len(line) != len(header)
    ]
    if problems:
        raise InvalidRecords(problems)
    by_name = {one.name: _cell_reader(one) for one in schema.fields}
    readers = [by_name.get(name, _as_text) for name in header]
    return Records(
        [
            {name: read(cell) for name, read, cell in zip(header, readers, line, strict=True)}
            for line in cells
        ],
        lambda row, name: f"/{row}{_step(name)}",
        is_table=True,
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
    number = number_in(cell)
    return (cell or None) if number is None else number


def _step(name: str | None) -> str:
    """Give one step of a JSON pointer, or none."""
    return "" if name is None else "/" + name.replace("~", "~0").replace("/", "~1")
