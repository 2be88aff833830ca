"""Outcomes: what became true of a prediction, which its id names or identifiers of its record."""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import pointer_to, refuse_repeated_names, repeated_keys
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

_ID = re.compile(r"[0-9a-f]{32}(-[0-9]{1,9})?")

#: No time in seconds since 1970 is larger.
_MOST_SECONDS = 1e11


class Outcome(NamedTuple):
    """What became true of a prediction, and when in seconds since 1970, where that is said."""

    target: str | dict[str, str]  # the id of the prediction, or identifiers
    value: Any  # as the service answers it
    at: float | None


def read_outcomes(rows: Iterable[Any], schema: Schema, *, is_single: bool = False) -> list[Outcome]:
    """Read outcomes from JSON values; raise `InvalidRecords` with every problem."""
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    for row, told in enumerate(rows):
        if len(problems) > PROBLEMS_LISTED:
            break
        outcomes.append(_read(told, schema, problems, "" if is_single else f"/{row}"))
    if not outcomes:
        problems.append(Problem("", "there are no outcomes: send at least one", Code.NO_RECORDS))
    if problems:
        raise InvalidRecords(problems)
    return outcomes


def read_table(
    lines: Iterable[str], schema: Schema, *, delimiter: str = ",", value: str = "",
    takes_others: bool = False,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield what the rows of a CSV table are in JSON; raise `BadRequest` if it cannot be read.

    The value is in the column named, or else in ``value`` or in that of the target. Other
    columns than ``id``, ``at`` and those of the identifiers are refused or passed over.
    """
    table = csv.DictReader(lines, delimiter=delimiter, restkey="", strict=True)
    try:
        names = [*(table.fieldnames or ())]
        refuse_repeated_names(names, "header")
        identifiers = {name: schema.sources[name] for name in names if name in schema.sources}
        identifiers = {name: of for name, of in identifiers.items() if of in schema.identifiers}
        target, fields = schema.target, {field.name: field for field in schema.fields}
        usual = (each for each in ("value", target.name, target.column) if each in names)
        value = value or next(usual, "value")
        if takes_others and names and value not in names:
            place = f"the column {shown(value)} with what became true"
            columns = shown(",".join(names))
            raise BadRequest(400, f"the header is {columns}: {place} is absent, so name another")
        others = {*names} - {value, "id", "at", *identifiers}
        if value not in names or (others and not takes_others):
            listed = ", ".join(["id", *schema.identifiers, "value", "at"])
            raise BadRequest(400, f"the header is {shown(','.join(names))}: send some of {listed}")
        for row in table:
            told = {name: row[name] for name in ("id", "at") if row.get(name)}
            told |= {"": ...} if "" in row else {}
            told["value"] = target.from_cell(row[value])
            named = {of: fields[of].from_cell(row[name]) for name, of in identifiers.items()}
            if "id" not in told:
                told["identifiers"] = {
                    name: cell for name, cell in named.items() if cell is not None
                }
            yield told
    except csv.Error as error:
        raise BadRequest(400, f"line {table.line_num} is not CSV: {error}") from error


def _read(told: Any, schema: Schema, problems: list[Problem], at: str) -> Outcome:
    if not isinstance(told, dict):
        told = {}
    problems += repeated_keys(told, at=at)

    def note(key: str, detail: str, code: Code = Code.WRONG_TYPE) -> None:
        problems.append(Problem(f"{at}{key}", detail, code))

    for key in told.keys() - {"id", "identifiers", "value", "at"}:
        note(pointer_to(key), "has no meaning here: leave it out", Code.EXTRA)
    target = told.get("id", told.get("identifiers"))
    if not target or ("id" in told) == ("identifiers" in told):
        note(
            "", "names no prediction: send its id, or else identifiers of its record", Code.MISSING
        )
    elif "id" in told and not (isinstance(target, str) and _ID.fullmatch(target)):
        note("/id", f"is {shown(target)}: send the X-Prediction-Id of an answer")
    elif "identifiers" in told:
        target = _identifiers(target, schema, note)
    when = seconds_of(told.get("at"))
    if when is None and told.get("at") is not None:
        note("/at", f"is {shown(told['at'])}: send a date and time, as 2026-01-31T12:00:00Z")
    clean, finding = schema.target.read(told.get("value"))
    if finding and finding.is_refused:
        note("/value", finding.detail, finding.code)
        return Outcome("", None, None)
    value = schema.target.json_value(clean)
    labels = {str(label): label for label in schema.target.classes or ()}
    return Outcome(target, labels.get(str(value), value), when)


def _identifiers(named: Any, schema: Schema, note: Any) -> dict[str, str]:
    fields = {field.name: field for field in schema.fields if not (field.is_input or field.private)}
    listed = ", ".join(fields) or "none"
    if not isinstance(named, dict):
        note("/identifiers", f'is {shown(named)}: send an object, as {{"name": value}}')
        return {}
    values = {}
    for name, value in named.items():
        place = "/identifiers" + pointer_to(name)
        if name not in fields:
            note(place, f"is not an identifier of this model; there are: {listed}", Code.EXTRA)
            continue
        values[name], finding = fields[name].read(value)
        if finding or values[name] is None:
            note(place, finding.detail if finding else f"is null: send {fields[name].expected()}")
    return {name: str(values[name]) for name in sorted(values)}


def seconds_of(when: Any) -> float | None:
    """Return a time in seconds since 1970, given as these or in ISO 8601; None if it is none."""
    try:
        if isinstance(when, str) and not when.replace(".", "", 1).isdecimal():
            moment = datetime.fromisoformat(when)
            when = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        seconds = float("nan" if isinstance(when, bool) else when)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if abs(seconds) < _MOST_SECONDS else None
