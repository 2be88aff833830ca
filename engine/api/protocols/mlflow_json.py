"""The JSON of MLflow's scoring protocol: four ways to write the same records."""

from itertools import islice
from typing import Any

from engine.records.json_reader import read_json_body
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, pointer_to, refuse_too_many, repeated
from engine.records.rows_reader import holds_columns, read_instances, read_rows
from engine.records.strict_json import RepeatedKeys
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

#: The keys, of which a body has one.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")

_EXPECTED = f"send an object with exactly one of {', '.join(FORMS)}"

#: How pandas writes a missing date.
_NO_DATE = "NaT"


def read_invocation(body: bytes, schema: Schema) -> Records:
    """Read the JSON body of an invocation; NaN stands for a gap.

    A list without a key, which SageMaker's clients send, is read as
    ``instances`` is.

    Raises
    ------
    BadRequest
        400 for a body that is malformed or has not one of the keys, 413 for
        too many records.
    InvalidRecords
        When what the key holds does not make up records.
    """
    value = read_json_body(body, takes_nan=True)
    if isinstance(value, list):
        return _without_dates(read_instances(value, schema, at=""), schema)
    if not isinstance(value, dict):
        raise BadRequest(400, f"the body is {shown(value)}: {_EXPECTED}")
    named = [form for form in FORMS if form in value]
    if len(named) != 1:
        found = " and ".join(named) or f"none of them, but {', '.join(map(shown, [*value][:5]))}"
        raise BadRequest(400, f"the body has {found if value else 'no keys'}: {_EXPECTED}")
    _refuse_company(value, named[0])
    form, held, at = named[0], value[named[0]], f"/{named[0]}"
    if form == "dataframe_split":
        records = _read_split(held, schema, at=at)
    elif form == "dataframe_records" and holds_columns(held, schema):
        raise InvalidRecords(
            [Problem(at, "holds columns: send a list of records", Code.WRONG_TYPE)]
        )
    else:
        records = read_instances(held, schema, at=at)
    return _without_dates(records, schema)


def _refuse_company(value: dict[str, Any], form: str) -> None:
    """See that nothing stands beside the form but parameters, of which there are none."""
    problems = [
        Problem(pointer_to(name), f"stands beside {form}: leave it out", Code.EXTRA)
        for name in islice(value, PROBLEMS_LISTED + 3)
        if name not in (form, "params")
    ]
    params = value.get("params")
    if isinstance(params, dict):
        problems += [
            Problem(
                f"/params{pointer_to(name)}",
                "is no parameter of this model: leave it out",
                Code.EXTRA,
            )
            for name in islice(params, PROBLEMS_LISTED + 1)
        ]
    elif params is not None:
        detail = f"is {shown(params)}: leave it out, the model has no parameters"
        problems.append(Problem("/params", detail, Code.WRONG_TYPE))
    if isinstance(value, RepeatedKeys):
        problems += [repeated(pointer_to(name)) for name in value.repeated]
    if problems:
        raise InvalidRecords(problems)


def _read_split(held: Any, schema: Schema, *, at: str) -> Records:
    """Read rows and the names of their columns, where these are given."""
    if not isinstance(held, dict):
        detail = f"is {shown(held)}: send an object of columns and data"
        raise InvalidRecords([Problem(at, detail, Code.WRONG_TYPE)])
    problems = [
        Problem(
            f"{at}{pointer_to(name)}",
            "is none of columns, index and data: leave it out",
            Code.EXTRA,
        )
        for name in islice(held, PROBLEMS_LISTED + 4)
        if name not in ("columns", "index", "data")
    ]
    if isinstance(held, RepeatedKeys):
        problems += [repeated(f"{at}{pointer_to(name)}") for name in held.repeated]
    names, rows = held.get("columns"), held.get("data")
    if "data" not in held:
        problems.append(Problem(f"{at}/data", "is required: send a list of rows", Code.MISSING))
    elif not isinstance(rows, list):
        problems.append(Problem(f"{at}/data", f"is {shown(rows)}: send rows", Code.WRONG_TYPE))
    else:
        refuse_too_many(len(rows))
        problems += [
            Problem(f"{at}/data/{row}", f"is {shown(one)}: send a list of values", Code.WRONG_TYPE)
            for row, one in enumerate(rows)
            if not isinstance(one, list)
        ]
    problems += _name_problems(names, at=f"{at}/columns")
    if problems:
        raise InvalidRecords(problems)
    assert isinstance(rows, list)
    return read_rows(rows, schema, at=f"{at}/data", names=names)


def _name_problems(names: Any, *, at: str) -> list[Problem]:
    if names is None:
        return []
    if not isinstance(names, list):
        return [Problem(at, f"is {shown(names)}: send a list of names", Code.WRONG_TYPE)]
    problems: list[Problem] = []
    seen: set[str] = set()
    for place, one in enumerate(names):
        if len(problems) > PROBLEMS_LISTED:
            break
        if not isinstance(one, str):
            detail = f"is {shown(one)}: send a name"
            problems.append(Problem(f"{at}/{place}", detail, Code.WRONG_TYPE))
        elif one in seen:
            problems.append(Problem(f"{at}/{place}", f"names {shown(one)} again", Code.REPEATED))
        else:
            seen.add(one)
    return problems


def _without_dates(records: Records, schema: Schema) -> Records:
    """Make a gap of a missing date, unless it is a word of its field."""
    words = [one.name for one in schema.fields if one.read(_NO_DATE)[1] is None]
    for row in records.rows:
        if isinstance(row, dict) and _NO_DATE in row.values():
            gaps = [name for name, one in row.items() if one == _NO_DATE and name not in words]
            row.update(dict.fromkeys(gaps))
    return records
