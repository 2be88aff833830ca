"""The forms of records in JSON: one record, a list, columns, a frame as pandas writes it."""

from collections.abc import Mapping
from typing import Any

from engine.languages import gettext as _
from engine.records.columns_reader import holds_cells, read_cells, read_columns
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import (
    MAX_RECORDS,
    Records,
    extra_keys,
    pointer_to,
    refuse_too_many,
    repeated_keys,
)
from engine.records.rows_reader import read_split
from engine.records.strict_json import SHORT_TEXT, InvalidJson, TooManyValues, read_json
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema


def read_body(body: bytes, schema: Schema) -> Records:
    """Read a JSON body.

    Raise `BadRequest` with 413 for too many records, with 400 for a malformed body, and
    `InvalidRecords` when columns do not make up records.
    """
    return _read_value(read_json_body(body), schema)


def read_json_body(body: bytes, *, takes_nan: bool = False) -> Any:
    """Read a body as `read_json` does; raise `BadRequest`, 413 for too much and 400 for no JSON."""
    try:
        return read_json(body, takes_nan=takes_nan)
    except InvalidJson as error:
        status = 413 if isinstance(error, TooManyValues) else 400
        raise BadRequest(status, _("the body {error}").format(error=error)) from error


def may_have_too_many(body: bytes) -> bool:
    """Return whether a body may hold more than `MAX_RECORDS`, which `read_body` then finds out."""
    return len(body) > SHORT_TEXT and body.count(b"{") > MAX_RECORDS + 1


def _read_value(value: Any, schema: Schema) -> Records:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = read_json_body(value.encode())  # some gateways wrap the body in a string
    if isinstance(value, list):
        refuse_too_many(len(value))
        return Records(value, lambda row, name: f"/{row}{pointer_to(name)}")
    if isinstance(value, dict) and _holds_columns(value, schema):
        if isinstance(value["data"], list) and "columns" in value:
            return read_split(value, schema, at="")
        _check_columns(value)
        return read_columns(value["data"], schema, at="/data")
    if isinstance(value, dict) and holds_cells(value, schema):
        return read_cells(value, schema)
    return Records([value], lambda row, name: pointer_to(name), is_single=True)


def _holds_columns(value: Mapping[str, Any], schema: Schema) -> bool:
    if "data" not in value or "data" in schema.names:
        return False
    # Beside other keys it may be an extra that the model ignores.
    return len(value) == 1 or schema.refuses("data")


def _check_columns(value: Mapping[str, Any]) -> None:
    """Check that ``data`` contains columns and is the only key."""
    problems = extra_keys(value, beside="data") + repeated_keys(value)
    if not isinstance(value["data"], dict):
        detail = _("is {value}: send an object of columns").format(value=shown(value["data"]))
        problems.append(Problem("/data", detail, Code.WRONG_TYPE))
    if problems:
        raise InvalidRecords(problems)
