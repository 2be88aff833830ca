"""Validation: every problem of every record at once, or clean columns."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from api.body import Records
from api.errors import PROBLEMS_LISTED, InvalidRecords, Problem
from api.json_text import RepeatedKeys
from models.fields import did_you_mean, shown
from models.schema import Schema


def read_records(records: Records, schema: Schema) -> tuple[dict[str, list[Any]], list[Problem]]:
    """Validate records against a schema.

    Returns
    -------
    columns : dict of str to list
        What the model takes, one list per field.
    warnings : list of Problem
        What the fields' policies accepted, such as unknown categories.

    Raises
    ------
    InvalidRecords
        With every problem of every record, or more than can be listed.
    """
    columns: dict[str, list[Any]] = {one.name: [] for one in schema.fields}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    if not records.rows:
        problems.append(Problem("", "there are no records: send at least one", "no_records"))
    for row, record in enumerate(records.rows):
        if len(problems) > PROBLEMS_LISTED:
            break
        if not isinstance(record, dict):
            detail = f"is {shown(record)}: send a record, an object with the model's fields"
            problems.append(Problem(records.pointer(row, None), detail, "wrong_type"))
            continue
        if row == 0 or not records.is_table:
            problems += _key_problems(record, schema, partial(records.pointer, row))
        for one in schema.fields:
            clean, finding = one.read(record.get(one.name))
            columns[one.name].append(clean)
            if finding and (one.name in record or not finding.is_refused):
                found = Problem(records.pointer(row, one.name), finding.detail, finding.code)
                (problems if finding.is_refused else warnings).append(found)
    if problems:
        raise InvalidRecords(problems)
    return columns, warnings


def _key_problems(
    record: dict[str, Any], schema: Schema, pointer: Callable[[str], str]
) -> list[Problem]:
    names = [one.name for one in schema.fields]
    extras = (name for name in record if name not in names and not schema.ignores(name))
    problems = [
        Problem(pointer(name), f"is no field{did_you_mean(name, names)}: leave it out", "extra")
        for name in islice(extras, PROBLEMS_LISTED + 1)  # a suggestion takes its time
    ]
    for one in schema.fields:
        if one.name not in record:
            _, finding = one.read(None)
            if finding:
                problems.append(Problem(pointer(one.name), finding.detail, finding.code))
    if isinstance(record, RepeatedKeys):
        problems += [
            Problem(pointer(name), "is given twice: send it once", "repeated")
            for name in record.repeated
        ]
    return problems
