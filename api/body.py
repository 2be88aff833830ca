"""The forms in which records come in JSON: one, a list, columns."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.errors import BadRequest, InvalidRecords, Problem
from api.json_text import InvalidJson, RepeatedKeys, read_json
from models.schema import Schema
from models.wording import shown

#: Records in one JSON body; more would let one small body fill the memory.
MAX_RECORDS = 10_000

#: The media types of bodies.
JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"

#: What comes without being chosen: nothing, or what curl says of any text. No form is taken here.
_UNSAID = ("", "application/x-www-form-urlencoded")

#: Those whose records are read while they come, in any number.
TABLES = (CSV, LINES, ARROW, PARQUET)


@dataclass(frozen=True)
class Records:
    """Records as they came.

    Attributes
    ----------
    rows : list
        Each should be an object; that is for the validation to say. A `Problem`
        stands for a row that could not be read.
    is_single : bool
        Whether the body was one record, so that the answer is one prediction.
    is_table : bool
        Whether all rows have the same keys, named once in the body.
    first : int
        The number of the first row; not 0 in a part of a table.
    pointer : callable
        (row number, field name) -> JSON pointer into the body; with
        None for a name, to the record.
    """

    rows: list[Any]
    pointer: Callable[[int, str | None], str]
    is_single: bool = False
    is_table: bool = False
    first: int = 0


def media_type(content_type: str) -> str:
    """Give the media type of a body, in small letters; where none was chosen, JSON.

    Raises
    ------
    BadRequest
        415 for one that cannot be read, or for another charset than UTF-8.
    """
    kind, _, parameters = content_type.partition(";")
    charset = re.search(r'charset="?([^";\s]+)', parameters, re.IGNORECASE)
    if charset and charset.group(1).lower() not in ("utf-8", "utf8"):
        raise BadRequest(415, f"the charset is {charset.group(1)[:40]!r}: send utf-8")
    kind = kind.strip().lower()
    if kind in _UNSAID:
        return JSON
    if kind in (JSON, *TABLES):
        return kind
    raise BadRequest(
        415, f"the content type is {kind[:80]!r}: send {JSON} or {CSV}; /docs lists the others"
    )


def read_body(body: bytes, schema: Schema) -> Records:
    """Read a JSON body.

    Raises
    ------
    BadRequest
        413 for too many records, 400 for a body that is malformed.
    InvalidRecords
        When columns do not make up records.
    """
    return _read_value(read_json_body(body), schema)


def read_json_body(body: bytes, *, takes_nan: bool = False) -> Any:
    """Read a body as JSON, as `read_json` does.

    Raises
    ------
    BadRequest
        400 when it is malformed.
    """
    try:
        return read_json(body, takes_nan=takes_nan)
    except InvalidJson as error:
        raise BadRequest(400, f"the body {error}") from error


def _read_value(value: Any, schema: Schema) -> Records:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = read_json_body(value.encode())  # some gateways write the body into a string; once
    if isinstance(value, list):
        refuse_too_many(len(value))
        return Records(value, lambda row, name: f"/{row}{step(name)}")
    if isinstance(value, dict) and _holds_columns(value, schema):
        _refuse_company(value)
        return read_columns(value["data"], schema, at="/data")
    return Records([value], lambda row, name: step(name), is_single=True)


def _holds_columns(value: Mapping[str, Any], schema: Schema) -> bool:
    if "data" not in value or any(one.name == "data" for one in schema.fields):
        return False
    # Beside other keys it may be an extra that the model ignores.
    return len(value) == 1 or not schema.ignores("data")


def _refuse_company(value: Mapping[str, Any]) -> None:
    """See that ``data`` holds columns and stands alone, once."""
    problems = [
        Problem(step(name), "stands beside data: leave it out", "extra")
        for name in value
        if name != "data"
    ]
    if isinstance(value, RepeatedKeys):
        problems += [repeated(step(name)) for name in value.repeated]
    if not isinstance(value["data"], dict):
        detail = f"is {shown(value['data'])}: send an object of columns"
        problems.append(Problem("/data", detail, "wrong_type"))
    if problems:
        raise InvalidRecords(problems)


def refuse_too_many(count: int) -> None:
    """Raise a `BadRequest` with 413 for more than `MAX_RECORDS`."""
    if count > MAX_RECORDS:
        raise BadRequest(413, f"there are more than {MAX_RECORDS} records: send fewer at once")


def repeated(pointer: str) -> Problem:
    """Say that a key is given twice."""
    return Problem(pointer, "is given twice: send it once", "repeated")


def read_columns(columns: Mapping[str, Any], schema: Schema, *, at: str) -> Records:
    """Turn columns into rows.

    Parameters
    ----------
    at : str
        JSON pointer to the object of columns.

    Raises
    ------
    InvalidRecords
        When a column is no list, or shorter than another.
    BadRequest
        413 for too many records.
    """
    names = {one.name for one in schema.fields}
    kept = {name: one for name, one in columns.items() if name in names or not schema.ignores(name)}
    problems = [
        Problem(f"{at}{step(name)}", "is a column: send a list of values", "wrong_type")
        for name, column in kept.items()
        if not isinstance(column, list)
    ]
    if isinstance(columns, RepeatedKeys):
        problems += [repeated(f"{at}{step(name)}") for name in columns.repeated]
    lists = {name: column for name, column in kept.items() if isinstance(column, list)}
    rows = max((len(column) for column in lists.values()), default=0)
    problems += [
        Problem(f"{at}{step(name)}", f"has {len(column)} values, others {rows}", "wrong_length")
        for name, column in lists.items()
        if len(column) != rows
    ]
    if problems:
        raise InvalidRecords(problems)
    refuse_too_many(rows)
    return Records(
        [{name: column[row] for name, column in lists.items()} for row in range(rows)],
        lambda row, name: at if name is None else f"{at}{step(name)}/{row}",
        is_table=True,
    )


def step(name: str | None) -> str:
    """Give the step of a JSON pointer to a key; none for None."""
    return "" if name is None else "/" + name.replace("~", "~0").replace("/", "~1")
