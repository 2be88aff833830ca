"""Outcomes: what became true of a prediction, which its id names or identifiers of its record."""

import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from engine.languages import gettext as _
from engine.records.charsets import as_utf8
from engine.records.csv_layout import with_point
from engine.records.csv_reader import read_rows
from engine.records.json_reader import read_json_body
from engine.records.media_types import CSV, DELIMITERS, JSON, LINES
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import pointer_to, repeated_keys
from engine.records.upload import Upload
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

_ID = re.compile(r"[0-9a-f]{32}(-[0-9]{1,9})?")

#: Times as numbers are from 1973 to 5138: others are days, as spreadsheets count, or milliseconds.
_LEAST_SECONDS, _MOST_SECONDS = 1e8, 1e11

#: Clocks, and days without a zone, differ by no more.
_DAY = 86_400


class Outcome(NamedTuple):
    """What became true of a prediction, and when in seconds since 1970, where that is said."""

    target: str | dict[str, str]  # the id of the prediction, or identifiers
    value: Any  # as the service answers it
    at: float | None


def read_outcomes(
    content: bytes, kind: str, schema: Schema, *, charset: str = "utf-8", column: str = ""
) -> list[Outcome]:
    """Read the outcomes in a body, or a file, of a media type.

    Raise `InvalidRecords` with every problem, and `BadRequest` where they cannot be read at all.

    Parameters
    ----------
    charset : str
        Of a table, a value of `CHARSETS`.
    column : str
        Where a table has the values, if not in ``value`` or the target's column.
    """
    if kind == JSON:
        value = read_json_body(content)
        is_single = not isinstance(value, list)
        return _checked([value] if is_single else value, schema, is_single=is_single)
    if kind == LINES:
        rows = (read_json_body(line) for line in content.splitlines() if line.strip())
        return _checked(rows, schema)
    if kind not in DELIMITERS:
        raise BadRequest(
            415,
            _("outcomes do not come as {kind}: send {json}, {lines} or {csv}").format(
                kind=kind, json=JSON, lines=LINES, csv=CSV
            ),
        )
    return _checked(_table_rows(Upload.of(content), charset, schema, column), schema)


def _table_rows(
    upload: Upload, charset: str, schema: Schema, column: str
) -> Iterator[dict[str, Any]]:
    """Yield what the rows of a table are in JSON; columns that mean nothing are passed over."""
    head = (upload.in_memory() or b"").partition(b"\n")[0]
    delimiter = max(",;\t", key=lambda sign: head.count(sign.encode()))
    layout, rows = read_rows(as_utf8(upload, charset), schema, delimiter=delimiter)
    names, target = layout.names, schema.target
    usual = [name for name in ("value", target.name, target.column) if name in names]
    column = column or next(iter(usual), "value")
    if column not in names:
        detail = _("the header is {names}: there has to be a column {column} with what became true")
        raise BadRequest(400, detail.format(names=shown(",".join(names)), column=shown(column)))
    columns = schema.find_columns(names).sources
    places = [place for name, place in schema.identifiers.items() if name in columns]
    identifiers = [schema.fields[place] for place in places]
    has_commas = layout.has_decimal_commas and target.classes is None
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            detail = _(
                "row {number} has {cells} cells and the header {width}: send a cell for each column"
            )
            raise BadRequest(400, detail.format(number=number, cells=len(row), width=len(names)))
        cells = dict(zip(names, row, strict=True))
        outcome: dict[str, Any] = {name: cells[name] for name in ("id", "at") if cells.get(name)}
        value = with_point(cells[column]) if has_commas else cells[column]
        outcome["value"] = target.from_cell(value)
        if "id" not in outcome:
            named = {
                field.name: field.from_cell(cells[columns[field.name]]) for field in identifiers
            }
            outcome["identifiers"] = {key: cell for key, cell in named.items() if cell is not None}
        yield outcome


def _checked(rows: Iterable[Any], schema: Schema, *, is_single: bool = False) -> list[Outcome]:
    """Check outcomes, which are JSON values; raise `InvalidRecords` with every problem."""
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    for row, value in enumerate(rows):
        if len(problems) > PROBLEMS_LISTED:
            break
        outcomes.append(_read(value, schema, problems, "" if is_single else f"/{row}"))
    if not outcomes:
        problems.append(Problem("", _("there are no outcomes: send at least one"), Code.NO_RECORDS))
    if problems:
        raise InvalidRecords(problems)
    return outcomes


def _read(told: Any, schema: Schema, problems: list[Problem], at: str) -> Outcome:
    if not isinstance(told, dict):
        told = {}
    problems += repeated_keys(told, at=at)

    def note(key: str, detail: str, code: Code = Code.WRONG_TYPE) -> None:
        problems.append(Problem(f"{at}{key}", detail, code))

    for key in told.keys() - {"id", "identifiers", "value", "at"}:
        note(pointer_to(key), _("has no meaning here: leave it out"), Code.EXTRA)
    target = told.get("id", told.get("identifiers"))
    if not target or ("id" in told) == ("identifiers" in told):
        detail = _("names no prediction: send its id, or else identifiers of its record")
        note("", detail, Code.MISSING)
    elif "id" in told and not (isinstance(target, str) and _ID.fullmatch(target)):
        detail = _("is {value}: send the X-Prediction-Id of an answer")
        note("/id", detail.format(value=shown(target)))
    elif "identifiers" in told:
        target = _identifiers(target, schema, note)
    when = seconds_of(told.get("at"))
    if when is None and told.get("at") is not None:
        detail = _("is {value}: send a date and time, as 2026-01-31T12:00:00Z")
        note("/at", detail.format(value=shown(told["at"])))
    if when is not None and when > time.time() + _DAY:  # the latest one counts
        detail = _("is {value}, in the future: send the time at which it was so")
        note("/at", detail.format(value=shown(told["at"])))
    clean, finding = schema.target.read(told.get("value"))
    if finding and finding.is_refused:
        note("/value", finding.detail, finding.code)
        return Outcome("", None, None)
    value = schema.target.json_value(clean)
    labels = {str(label): label for label in schema.target.classes or ()}
    return Outcome(target, labels.get(str(value), value), when)


def _identifiers(named: Any, schema: Schema, note: Any) -> dict[str, str]:
    fields = {field.name: field for field in schema.fields if not (field.is_input or field.private)}
    listed = ", ".join(fields) or _("none")
    if not isinstance(named, dict):
        detail = _('is {value}: send an object, as {{"name": value}}')
        note("/identifiers", detail.format(value=shown(named)))
        return {}
    values = {}
    for name, value in named.items():
        place = "/identifiers" + pointer_to(name)
        if name not in fields:
            note(
                place,
                _("is not an identifier of this model; there are: {listed}").format(listed=listed),
                Code.EXTRA,
            )
            continue
        values[name], finding = fields[name].read(value)
        if finding or values[name] is None:
            note(
                place,
                finding.detail
                if finding
                else _("is null: send {expected}").format(expected=fields[name].expected()),
            )
    return {name: str(values[name]) for name in sorted(values)}


def seconds_of(when: Any) -> float | None:
    """Return a time in seconds since 1970, given as these or in ISO 8601; None if it is none."""
    try:
        if isinstance(when, str) and not when.replace(".", "", 1).isdecimal():
            moment = datetime.fromisoformat(when)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        seconds = float("nan" if isinstance(when, bool) else when)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if _LEAST_SECONDS <= seconds < _MOST_SECONDS else None
