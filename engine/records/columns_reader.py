"""Columns in JSON, each a list of values, or an object of them as pandas writes frames."""

from collections.abc import Mapping
from typing import Any

from engine.languages import gettext as _
from engine.records.problems import InvalidRecords, Problem
from engine.records.rows import Records, pointer_to, refuse_too_many, repeated_keys
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema


def read_columns(columns: Mapping[str, Any], schema: Schema, *, at: str) -> Records:
    """Turn columns, an object to which `at` points, into rows.

    Raise `InvalidRecords` when a column is not a list or is shorter than another, and `BadRequest`
    with 413 for too many records.
    """
    names = [name for name in columns if not schema.ignores(name)]
    lists = {name: columns[name] for name in names if isinstance(columns[name], list)}
    problems = [
        Problem(f"{at}{pointer_to(name)}", _("is a column: send a list of values"), Code.WRONG_TYPE)
        for name in names
        if name not in lists
    ]
    problems += repeated_keys(columns, at=at)
    rows = max(map(len, lists.values()), default=0)
    problems += [
        Problem(
            f"{at}{pointer_to(name)}",
            _("has {column} values and another column {rows}: send columns of one length").format(
                column=len(column), rows=rows
            ),
            Code.WRONG_LENGTH,
        )
        for name, column in lists.items()
        if len(column) != rows
    ]
    if problems:
        raise InvalidRecords(problems)
    refuse_too_many(rows)
    return Records(
        [{name: column[row] for name, column in lists.items()} for row in range(rows)],
        lambda row, name: at if name is None else f"{at}{pointer_to(name)}/{row}",
        is_table=True,
    )


def holds_cells(value: Mapping[str, Any], schema: Schema) -> bool:
    """Return whether an object has an object of cells for each column, as `to_json` of pandas."""
    columns = [value[name] for name in value if not schema.ignores(name)]
    return bool(columns) and all(isinstance(column, dict) and column for column in columns)


def read_cells(columns: Mapping[str, Any], schema: Schema) -> Records:
    """Turn columns that are objects of cells by the names of their rows into rows.

    Raise as `read_columns` does, and when the rows of two columns differ.
    """
    kept = {name: column for name, column in columns.items() if not schema.ignores(name)}
    first, rows = next((name, [*column]) for name, column in kept.items())
    problems = [
        Problem(
            pointer_to(name),
            _("has other rows than {first}: send the same").format(first=shown(first)),
            Code.WRONG_LENGTH,
        )
        for name, column in kept.items()
        if [*column] != rows
    ]
    problems += repeated_keys(columns)
    for name, column in kept.items():
        problems += repeated_keys(column, at=pointer_to(name))
    if problems:
        raise InvalidRecords(problems)
    refuse_too_many(len(rows))
    return Records(
        [{name: column[row] for name, column in kept.items()} for row in rows],
        lambda row, name: "" if name is None else f"{pointer_to(name)}{pointer_to(rows[row])}",
        is_table=True,
    )
