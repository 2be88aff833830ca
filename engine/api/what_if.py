"""The route that answers which change of a record would lead to another answer."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from flask import Blueprint, Response

from engine.api.requests import choose_version, no_explanation, whole_body
from engine.api.responses import json_response
from engine.languages import gettext as _
from engine.records.json_reader import read_json_body
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, pointer_to, repeated_keys
from engine.records.validation import read_records
from engine.runtime.answers import prediction_json
from engine.runtime.explanation import coded, differing
from engine.runtime.version import StoredVersion
from engine.runtime.what_if import Goal, Move, Search, move_of
from engine.schema.messages import plain, shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Coding
from engine.serving.prediction import Predictor
from engine.serving.request import ROWS_PER_REQUEST

_KEYS = ("record", "may_change", "target", "seconds")

#: So many fields may be named, and so many seconds may a search take; or that many by default.
_MOST_FIELDS, _MOST_SECONDS, _SECONDS = 1000, 10, 2.0


class _Question(NamedTuple):
    """The record, as the row of a matrix; which fields may change; what to reach; how long."""

    row: Any
    moves: Sequence[Move]
    goal: Goal
    seconds: float


def blueprint(predictor: Predictor) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("what_if", __name__)

    @routes.post("/v0/whatif", defaults={"name": None, "version": None})
    @routes.post("/v0/models/<name>/whatif", defaults={"version": None})
    @routes.post("/v0/models/<name>/versions/<version>/whatif")
    def find(name: str | None, version: str | None) -> Response:
        """Find the smallest change of a record that leads to another answer."""
        body = whole_body()
        chosen = choose_version(predictor, body, model=name, version=version)
        if reason := no_explanation(chosen.version):
            detail = _("{model} cannot be asked what if: take another version, {reason}")
            raise BadRequest(400, detail.format(model=chosen.version.name, reason=reason))
        question = _read(chosen.version, read_json_body(body))
        # A second of searching counts as a request.
        chosen.request.count_rows(1 + int(question.seconds * ROWS_PER_REQUEST))
        return json_response(_answer(chosen.version, question))

    return routes


def _answer(version: StoredVersion, question: _Question) -> dict[str, Any]:
    row, moves, goal, seconds = question
    search = Search(version, row, moves, goal, seconds=seconds)
    changed, is_proven = search.find()
    found = None if changed is None else _describe(version, row, changed, goal)
    if found is None:
        is_none = changed is None and is_proven
        reason = (
            _("none exists")
            if is_none
            else _("none found in {seconds} s").format(seconds=plain(seconds))
        )
        found = {"found": False, "reason": reason}
    else:
        found["distance"] = float(search.cost(changed[None])[0])
        found["proof"] = "smallest" if is_proven else "smallest tried"
    return {**found, "model": {"name": version.name, "version": version.version}}


def _read(version: StoredVersion, question: Any) -> _Question:
    """Read a question; raise `InvalidRecords` with all that is wrong with it."""
    if not isinstance(question, dict):
        keys = ", ".join(_KEYS)
        raise BadRequest(
            400,
            _("the body is {question}: send an object of {keys}, see /docs").format(
                question=shown(question), keys=keys
            ),
        )
    problems = repeated_keys(question)
    problems += [
        Problem(
            pointer_to(key),
            _("is not a key of a question: send {keys}").format(keys=", ".join(_KEYS)),
            Code.EXTRA,
        )
        for key in question.keys() - {*_KEYS}
    ]
    row = None
    try:
        row = _read_record(version, question.get("record"))
    except InvalidRecords as error:
        problems += error.problems
    goal = _read_goal(version, question.get("target"))
    seconds = question.get("seconds", _SECONDS)
    if not _is_number(seconds) or not 0 < seconds <= _MOST_SECONDS:
        detail = _("is {value}: send a number above 0, up to {most}")
        detail = detail.format(value=shown(seconds), most=_MOST_SECONDS)
        problems.append(Problem("/seconds", detail))
    ranges = [*_read_ranges(version, question.get("may_change"))]
    problems += [entry for entry in (goal, *ranges) if isinstance(entry, Problem)]
    if problems:
        raise InvalidRecords(problems)
    return _Question(row, [move_of(version, row, *entry) for entry in ranges], goal, seconds)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max


def _read_record(version: StoredVersion, record: Any) -> Any:
    """Return a record as the row of a matrix."""
    records = Records([record], lambda row, name: "/record" + pointer_to(name))
    columns, _ = read_records(records, version.schema)
    return Coding(version.schema.fields).pack(columns)[0]


def _read_ranges(version: StoredVersion, entries: Any) -> Iterator[Any]:
    """Yield the places of the fields that may change with the ends of their ranges, or problems."""
    if not (isinstance(entries, list) and 0 < len(entries) <= _MOST_FIELDS):
        detail = _("is {value}: send a list of 1 to {most} fields")
        yield Problem("/may_change", detail.format(value=shown(entries), most=_MOST_FIELDS))
        return
    places = {
        field.name: place
        for place, field in enumerate(version.schema.fields)
        if field.is_input and (field.classes is not None or not field.is_text)
    }
    for number, entry in enumerate(entries):
        given = entry if isinstance(entry, dict) else {"field": entry}
        at, name = f"/may_change/{number}", given.get("field")
        yield from repeated_keys(given, at=at)
        for key in given.keys() - {"field", "minimum", "maximum"}:
            extra = _("is not a key of a range: leave it out")
            yield Problem(at + pointer_to(key), extra, Code.EXTRA)
        place = places.pop(name, None) if isinstance(name, str) else None
        if place is None:
            listed = ", ".join(places) or _("no more")
            detail = _("is {name}: send each field once, of {listed}")
            yield Problem(at, detail.format(name=shown(name), listed=listed))
            continue
        field = version.schema.fields[place]
        ends = [*field.usual_range()]
        for side, key in enumerate(("minimum", "maximum")):
            if given.get(key) is None:
                continue
            end, finding = field.read(given[key])
            if finding or field.classes is not None:
                wrong = _("is an end, and {name} has none").format(name=name)
                yield Problem(f"{at}/{key}", finding.detail if finding else wrong)
            else:
                ends[side] = end
        if ends[0] > ends[1]:
            detail = _("has no value from {low} to {high}: widen it")
            yield Problem(at, detail.format(low=plain(ends[0]), high=plain(ends[1])))
        yield place, *ends


def _read_goal(version: StoredVersion, target: Any) -> Any:
    """Return the goal that a target is for a version; or a problem."""
    classes = version.card["classes"]
    if classes is None:
        return _read_number(target)
    field = version.schema.target
    clean, finding = field.read(target)
    value = None if finding and finding.is_refused else str(field.json_value(clean))
    places = [place for place, label in enumerate(classes) if str(label) == value]
    if not places:
        return Problem(
            "/target",
            _("is {target}: send {expected}").format(
                target=shown(target), expected=field.expected()
            ),
        )
    return lambda decisions: (
        np.equal(decisions.chosen, places[0]), -decisions.probabilities[:, places[0]],
    )  # fmt: skip


def _read_number(target: Any) -> Any:
    """Return the goal of a number that is to be reached; or a problem."""
    (key, end), *others = target.items() if isinstance(target, dict) and target else [("", 0)]
    sign = {"at_least": 1, "at_most": -1}.get(key)
    if sign is None or others or not _is_number(end):
        remedy = _('send {"at_least": 5.0} or {"at_most": 5.0}, with a number of your own')
        return Problem("/target", _("is not a number to reach: {remedy}").format(remedy=remedy))
    return lambda decisions: (
        sign * decisions.numbers >= sign * end, np.nan_to_num(-sign * decisions.numbers, nan=np.inf)
    )  # fmt: skip


def _describe(version: StoredVersion, row: Any, changed: Any, goal: Goal) -> dict[str, Any] | None:
    """Describe a change, with each value as a client would send it; None if it misses the goal."""
    columns = Coding(version.schema.fields).unpack(np.stack([row, changed]))
    changes, sent = [], row.copy()
    for place in differing(version, row, changed):
        field = version.schema.fields[place]
        before, after = map(field.json_value, columns[field.name].tolist())
        changes.append({"field": field.name, "from": before, "to": after})
        sent[place] = coded(field, after)
    decisions = version.decide_matrix(sent[None])
    if not goal(decisions)[0][0]:
        return None
    prediction = decisions.prediction(0, version.card["classes"])
    answer = prediction_json(version.answer_columns, prediction)
    return {"found": True, "changes": changes, "answer": answer}
