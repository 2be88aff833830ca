"""Records in the forms of other protocols: objects, columns, rows without names."""

from collections.abc import Sequence
from typing import Any

from engine.languages import gettext as _
from engine.records.columns_reader import read_columns
from engine.records.problems import PROBLEMS_LISTED, InvalidRecords, Problem
from engine.records.rows import Records, extra_keys, pointer_to, refuse_too_many, repeated_keys
from engine.schema.fields import Field
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema


def read_instances(value: Any, schema: Schema, *, at: str) -> Records:
    """Read a list of records or of rows, one record, or columns.

    A row is a list of values in the order of the schema. An object of lists, alone or as the only
    item of a list, consists of columns. `at` is the JSON pointer to the value.

    Raise `InvalidRecords` for any other value and for columns that do not make up records, and
    `BadRequest` with 413 for too many records.
    """
    if isinstance(value, list) and len(value) == 1 and holds_columns(value[0], schema):
        return read_columns(value[0], schema, at=f"{at}/0")
    if isinstance(value, list):
        return read_rows(value, schema, at=at)
    if holds_columns(value, schema):
        return read_columns(value, schema, at=at)
    if isinstance(value, dict):
        return Records([value], lambda row, name: f"{at}{pointer_to(name)}")
    detail = _("is {value}: send a list of records").format(value=shown(value))
    raise InvalidRecords([Problem(at, detail, Code.WRONG_TYPE)])


def holds_columns(value: Any, schema: Schema) -> bool:
    """Return whether a value is an object of lists, apart from keys that the model ignores."""
    if not isinstance(value, dict):
        return False
    columns = [column for name, column in value.items() if not schema.ignores(name)]
    return bool(columns) and all(isinstance(column, list) for column in columns)


def read_rows(
    rows: list[Any], schema: Schema, *, at: str, names: Sequence[str] | None = None
) -> Records:
    """Read records, and rows whose values have no names.

    Parameters
    ----------
    rows : list
        Objects, which are left as they are, and lists.
    names : sequence of str, optional
        The names of a row's values. By default those of the schema's fields;
        then 0 and 1 are flags, since an array of numbers has no others.
    """
    refuse_too_many(len(rows))
    fields = schema.fields if names is None else ()
    translated = [field for field in fields if field.array_values]
    names = [field.name for field in fields] if names is None else names
    records = [
        _name_values(row, names, translated, f"{at}/{number}") if isinstance(row, list) else row
        for number, row in enumerate(rows)
    ]
    return Records(records, lambda row, name: f"{at}/{row}{pointer_to(name)}")


def _name_values(
    row: list[Any], names: Sequence[str], translated: Sequence[Field], at: str
) -> dict[str, Any] | Problem:
    if len(row) != len(names):
        detail = _("has {row} values: send {names}, in the order of the fields").format(
            row=len(row), names=len(names)
        )
        return Problem(at, detail, Code.WRONG_LENGTH)
    record = dict(zip(names, row, strict=True))
    for field in translated:
        record[field.name] = field.from_array(record[field.name])
    return record


def read_split(table: Any, schema: Schema, *, at: str) -> Records:
    """Read rows and the names of their columns, where these are given."""
    if not isinstance(table, dict):
        detail = _("is {table}: send an object of columns and data").format(table=shown(table))
        raise InvalidRecords([Problem(at, detail)])
    problems = extra_keys(table, beside="data", allowed=["columns", "index"], at=at)
    problems += repeated_keys(table, at=at)
    names, rows = table.get("columns"), table.get("data")
    if "data" not in table:
        problems.append(Problem(f"{at}/data", _("is required: send a list of rows"), Code.MISSING))
    elif not isinstance(rows, list):
        problems.append(Problem(f"{at}/data", _("is {rows}: send rows").format(rows=shown(rows))))
    else:
        refuse_too_many(len(rows))
        problems += [
            Problem(
                f"{at}/data/{row}",
                _("is {values}: send a list of values").format(values=shown(values)),
            )
            for row, values in enumerate(rows)
            if not isinstance(values, list)
        ]
    if problems := problems + _name_problems(names, at=f"{at}/columns"):
        raise InvalidRecords(problems)
    assert isinstance(rows, list)
    return read_rows(rows, schema, at=f"{at}/data", names=names)


def _name_problems(names: Any, *, at: str) -> list[Problem]:
    if not isinstance(names, list):
        detail = _("is {names}: send a list of names").format(names=shown(names))
        return [] if names is None else [Problem(at, detail)]
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not isinstance(name, str):
            problems.append(
                Problem(f"{at}/{index}", _("is {name}: send a name").format(name=shown(name)))
            )
        elif name in seen:
            problems.append(
                Problem(
                    f"{at}/{index}", _("names {name} again").format(name=shown(name)), Code.REPEATED
                )
            )
        else:
            seen.add(name)
        if len(problems) > PROBLEMS_LISTED:
            break
    return problems
