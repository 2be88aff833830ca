"""The JSON of MLflow's scoring protocol: four ways to write the same records."""

from itertools import islice
from typing import Any

from engine.languages import gettext as _
from engine.records.json_reader import read_json_body
from engine.records.plain_records import SPLIT, read_plain
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, extra_keys, pointer_to, repeated_keys
from engine.records.rows_reader import holds_columns, read_instances, read_split
from engine.schema.json_decoder import Decoder, only_value
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

#: The keys, of which a body has one.
FORMS = (SPLIT, "dataframe_records", "instances", "inputs")


#: How pandas writes a missing date.
_NO_DATE = "NaT"


def read_invocation(body: bytes, schema: Schema) -> Records:
    """Read the JSON body of an invocation; NaN stands for a gap.

    A list without a key, which SageMaker's clients send, is read as
    ``instances`` is. Raise `BadRequest`, 400, also when the body does not
    have exactly one of the keys.
    """
    value = read_json_body(body, takes_nan=True)
    if isinstance(value, list):
        return _without_dates(read_instances(value, schema, at=""), schema)
    if not isinstance(value, dict):
        raise BadRequest(
            400,
            _("the body is {value}: {expected}").format(value=shown(value), expected=_expected()),
        )
    named = [form for form in FORMS if form in value]
    if len(named) != 1:
        content = _(" and ").join(named) or _("none of them, but {value}").format(
            value=", ".join(map(shown, [*value][:5]))
        )
        raise BadRequest(
            400,
            _("the body has {content}: {expected}").format(
                content=content if value else _("no keys"), expected=_expected()
            ),
        )
    form, table, at = named[0], value[named[0]], f"/{named[0]}"
    _check_company(value, form)
    if form == SPLIT:
        records = read_split(table, schema, at=at)
    elif form == "dataframe_records" and holds_columns(table, schema):
        raise InvalidRecords([Problem(at, _("holds columns: send a list of records"))])
    else:
        records = read_instances(table, schema, at=at)
    return _without_dates(records, schema)


def _expected() -> str:
    return _("send an object with exactly one of {forms}").format(forms=", ".join(FORMS))


def read_plain_invocation(body: bytes, schema: Schema, decoder: Decoder) -> Records | None:
    """Read the same at once where all is plainly valid, else None."""
    form, _rest = only_value(body) or ("", b"")
    if form not in FORMS and not body.startswith(b"["):
        return None
    takes_columns = form in ("instances", "inputs")
    return read_plain(body, form, schema, decoder, takes_columns=takes_columns)


def _check_company(value: dict[str, Any], form: str) -> None:
    """Check that nothing stands beside the form but parameters, of which there are none."""
    problems = extra_keys(value, beside=form, allowed=["params"])
    params = value.get("params")
    if isinstance(params, dict):
        detail = _("is not a parameter of this model: leave it out")
        problems += [
            Problem(f"/params{pointer_to(name)}", detail, Code.EXTRA)
            for name in islice(params, PROBLEMS_LISTED + 1)
        ]
    elif params is not None:
        detail = _("is {params}: leave it out, the model has no parameters").format(
            params=shown(params)
        )
        problems.append(Problem("/params", detail))
    if problems := problems + repeated_keys(value):
        raise InvalidRecords(problems)


def _without_dates(records: Records, schema: Schema) -> Records:
    """Replace missing dates by gaps, unless the word is a value of the field."""
    words = [field.name for field in schema.fields if field.read(_NO_DATE)[1] is None]
    for row in records.rows:
        if isinstance(row, dict) and _NO_DATE in row.values():
            gaps = [name for name, value in row.items() if value == _NO_DATE and name not in words]
            row.update(dict.fromkeys(gaps))
    return records
