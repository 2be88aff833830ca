"""Validation of records: clean columns, or every problem of every record at once."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from engine.languages import gettext as _
from engine.records.problems import PROBLEMS_LISTED, InvalidRecords, Problem
from engine.records.rows import Records, repeated
from engine.records.strict_json import RepeatedKeys
from engine.schema.fields import Field, Finding
from engine.schema.messages import did_you_mean, shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Columns, Schema

#: How many unknown keys are compared with the names of the fields.
_MOST_SUGGESTIONS = 50


class Accepted(NamedTuple):
    """A warning: an invalid value that its field's policy accepts; rows count from 0."""

    row: int
    field: str
    problem: Problem


def read_records(records: Records, schema: Schema) -> tuple[dict[str, list[Any]], list[Accepted]]:
    """Validate records: return their columns, one list per field, and the warnings.

    Raise `InvalidRecords` with every problem of every record, or more than can be listed.
    A table has the keys of its first record.
    """
    columns: dict[str, list[Any]] = {field.name: [] for field in schema.fields}
    problems: list[Problem] = []
    warnings: list[Accepted] = []
    if not records.rows:
        problems.append(Problem("", _("there are no records: send at least one"), Code.NO_RECORDS))
    names: Columns | None = None
    for row, record in enumerate(records.rows, start=records.first):
        if len(problems) > PROBLEMS_LISTED:
            break
        if not isinstance(record, dict):
            problems.append(_no_record(record, records.pointer(row, None)))
            continue
        pointer = partial(records.pointer, row)
        if names is None or not records.is_table:
            names = schema.find_columns(record, is_table=records.is_table)
            is_checked = records.is_table and records.first > 0  # with the first block
            problems += [] if is_checked else _key_problems(record, names, schema, pointer)
        for field, key, finding in _read_values(record, names, schema, columns):
            problem = Problem(pointer(key), finding.detail, finding.code)
            if finding.is_refused:
                problems.append(problem)
            else:
                warnings.append(Accepted(row, field.name, problem))
    if problems:
        raise InvalidRecords(problems)
    return columns, warnings


def _read_values(
    record: dict[str, Any], names: Columns, schema: Schema, columns: dict[str, list[Any]]
) -> Iterator[tuple[Field, str, Finding]]:
    """Append a record's clean values to columns; yield what is remarkable, but no missing key."""
    for field in schema.fields:
        key = names.sources.get(field.name)
        clean, finding = field.read(None if key is None else record[key])
        columns[field.name].append(clean)
        if finding and (key is not None or not finding.is_refused):
            yield field, key or field.name, finding


def _suggestion(name: str, schema: Schema, place: int) -> str:
    """Suggest a field; a suggestion takes its time, so only the first names get one."""
    return did_you_mean(name, schema.vocabulary) if place < _MOST_SUGGESTIONS else ""


def _no_record(value: Any, pointer: str) -> Problem:
    if isinstance(value, Problem):
        return value
    detail = _("is {value}: send a record, an object with the model's fields").format(
        value=shown(value)
    )
    return Problem(pointer, detail, Code.WRONG_TYPE)


def _key_problems(
    record: dict[str, Any], names: Columns, schema: Schema, pointer: Callable[[str], str]
) -> list[Problem]:
    problems = [
        Problem(
            pointer(name),
            _("is not a field{suggestion}: leave it out").format(
                suggestion=_suggestion(name, schema, place)
            ),
            Code.EXTRA,
        )
        for place, name in enumerate(names.extras[: PROBLEMS_LISTED + 1])
    ]
    problems += [
        Problem(
            pointer(name),
            _("is the same field as {first}: send one of them").format(first=shown(first)),
            Code.REPEATED,
        )
        for name, first in names.repeated
    ]
    problems += [
        Problem(pointer(field.name), finding.detail, finding.code)
        for field in schema.fields
        if field.name not in names.sources and (finding := field.read(None)[1])
    ]
    if isinstance(record, RepeatedKeys):
        problems += [repeated(pointer(name)) for name in record.repeated]
    return problems
