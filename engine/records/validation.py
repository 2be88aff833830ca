"""Validation of records: clean columns, or every problem of every record at once."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from engine.records.problems import PROBLEMS_LISTED, InvalidRecords, Problem
from engine.records.rows import Records, repeated
from engine.records.strict_json import RepeatedKeys
from engine.schema.messages import did_you_mean, shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema


class Accepted(NamedTuple):
    """A warning: an invalid value that its field's policy accepts; rows count from 0."""

    row: int
    field: str
    problem: Problem


def read_records(records: Records, schema: Schema) -> tuple[dict[str, list[Any]], list[Accepted]]:
    """Validate records: return their columns, one list per field, and the warnings.

    Raise `InvalidRecords` with every problem of every record, or more than can be listed.
    """
    columns: dict[str, list[Any]] = {field.name: [] for field in schema.fields}
    problems: list[Problem] = []
    warnings: list[Accepted] = []
    if not records.rows:
        problems.append(Problem("", "there are no records: send at least one", Code.NO_RECORDS))
    is_begun = records.first > 0
    for row, record in enumerate(records.rows, start=records.first):
        if len(problems) > PROBLEMS_LISTED:
            break
        if not isinstance(record, dict):
            detail = f"is {shown(record)}: send a record, an object with the model's fields"
            problem = Problem(records.pointer(row, None), detail, Code.WRONG_TYPE)
            problems.append(record if isinstance(record, Problem) else problem)
            continue
        if not (is_begun and records.is_table):
            problems += _key_problems(record, schema, partial(records.pointer, row))
            is_begun = True
        for field in schema.fields:
            clean, finding = field.read(record.get(field.name))
            columns[field.name].append(clean)
            if finding and (field.name in record or not finding.is_refused):
                problem = Problem(records.pointer(row, field.name), finding.detail, finding.code)
                if finding.is_refused:
                    problems.append(problem)
                else:
                    warnings.append(Accepted(row, field.name, problem))
    if problems:
        raise InvalidRecords(problems)
    return columns, warnings


def _key_problems(
    record: dict[str, Any], schema: Schema, pointer: Callable[[str], str]
) -> list[Problem]:
    extras = filter(schema.refuses, record)
    problems = [
        Problem(
            pointer(name),
            f"is not a field{did_you_mean(name, schema.vocabulary)}: leave it out",
            Code.EXTRA,
        )
        for name in islice(extras, PROBLEMS_LISTED + 1)  # a suggestion takes its time
    ]
    problems += [
        Problem(pointer(field.name), finding.detail, finding.code)
        for field in schema.fields
        if field.name not in record and (finding := field.read(None)[1])
    ]
    if isinstance(record, RepeatedKeys):
        problems += [repeated(pointer(name)) for name in record.repeated]
    return problems
