"""The route that answers which change of a record would lead to another answer."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
from flask import Blueprint, Response

from engine.api.requests import choose_version, no_explanation, whole_body
from engine.api.responses import json_response
from engine.records.json_reader import read_json_body
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, pointer_to
from engine.records.validation import read_records
from engine.runtime.answers import prediction_json
from engine.runtime.explanation import coded, differing
from engine.runtime.version import StoredVersion
from engine.runtime.what_if import Goal, Result, Search, move_of
from engine.schema.messages import shown
from engine.schema.record_schema import Coding
from engine.serving.prediction import Predictor
from engine.serving.request import ROWS_PER_REQUEST


class _Range(msgspec.Struct, forbid_unknown_fields=True):
    field: str
    minimum: float | str | None = None
    maximum: float | str | None = None


class _Reach(msgspec.Struct, forbid_unknown_fields=True):
    at_least: float | None = None
    at_most: float | None = None


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    record: Any
    may_change: Annotated[list[str | _Range], msgspec.Meta(min_length=1, max_length=1000)]
    target: bool | int | float | str | _Reach
    seconds: Annotated[float, msgspec.Meta(gt=0, le=10)] = 2.0


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
            whose = f"{chosen.version.name} cannot be asked what if"
            raise BadRequest(400, f"{whose}: take another version, {reason}")
        try:
            question = msgspec.convert(read_json_body(body), _Question)
        except msgspec.ValidationError as error:
            raise BadRequest(
                400, f"the body is not a what-if question, {error}: see /docs"
            ) from error
        # A second of searching counts as a request.
        chosen.request.count_rows(1 + int(question.seconds * ROWS_PER_REQUEST))
        return json_response(_answer(chosen.version, question))

    return routes


def _answer(version: StoredVersion, question: _Question) -> dict[str, Any]:
    row, problems = None, list[Problem]()
    try:
        row = _read_record(version, question.record)
    except InvalidRecords as error:
        problems += error.problems
    goal, *ranges = (_read_goal(version, question.target), *_read_ranges(version, question))
    problems += [entry for entry in (goal, *ranges) if isinstance(entry, Problem)]
    if problems:
        raise InvalidRecords(problems)
    moves = [move_of(version, row, *entry) for entry in ranges]
    result = Search(version, row, moves, goal, seconds=question.seconds).find()
    found = _describe(version, row, goal, result)
    if found is None:
        is_none = result.row is None and result.is_proven
        late = f"none found in {question.seconds:g} s"
        found = {"found": False, "reason": "none exists" if is_none else late}
    return {**found, "model": {"name": version.name, "version": version.version}}


def _read_record(version: StoredVersion, record: Any) -> Any:
    """Return a record as the row of a matrix."""
    records = Records([record], lambda row, name: "/record" + pointer_to(name))
    columns, _ = read_records(records, version.schema)
    return Coding(version.schema.fields).pack(columns)[0]


def _read_ranges(version: StoredVersion, question: _Question) -> Iterator[Any]:
    """Yield the places of the fields that may change with the ends of their ranges, or problems."""
    places = {
        field.name: place
        for place, field in enumerate(version.schema.fields)
        if field.is_input and (field.classes is not None or not field.is_text)
    }
    for number, entry in enumerate(question.may_change):
        given = entry if isinstance(entry, _Range) else _Range(entry)
        at = f"/may_change/{number}"
        if (place := places.pop(given.field, None)) is None:
            listed = ", ".join(places) or "no more"
            yield Problem(at, f"is {shown(given.field)}: send each field once, of {listed}")
            continue
        field = version.schema.fields[place]
        ends = [*field.usual_range()]
        for side, end in enumerate((given.minimum, given.maximum)):
            if end is not None:
                ends[side], finding = field.read(end)
                wrong = finding.detail if finding else f"has ends, and {field.name} has none"
                if finding or field.classes is not None:
                    yield Problem(at, wrong)
        yield place, *ends


def _read_goal(version: StoredVersion, target: Any) -> Any:
    """Return the goal that a target is for a version; or a problem."""
    classes = version.card["classes"]
    if classes is not None:
        field = version.schema.target
        if isinstance(target, _Reach):
            target = {
                name: end for name, end in msgspec.structs.asdict(target).items() if end is not None
            }
        clean, finding = field.read(target)
        value = None if finding and finding.is_refused else str(field.json_value(clean))
        places = [place for place, label in enumerate(classes) if str(label) == value]
        if not places:
            return Problem("/target", f"is {shown(target)}: send {field.expected()}")
        return lambda decisions: (
            np.equal(decisions.chosen, places[0]), -decisions.probabilities[:, places[0]],
        )  # fmt: skip
    reach = target if isinstance(target, _Reach) else _Reach()
    sign, end = (1, reach.at_least) if reach.at_most is None else (-1, reach.at_most)
    if end is None or None not in (reach.at_least, reach.at_most):
        remedy = 'send {"at_least": 5.0} or {"at_most": 5.0}, with a number of your own'
        return Problem("/target", f"is no number to reach: {remedy}")
    return lambda decisions: (
        sign * decisions.numbers >= sign * end, np.nan_to_num(-sign * decisions.numbers, nan=np.inf)
    )  # fmt: skip


def _describe(
    version: StoredVersion, row: Any, goal: Goal, result: Result
) -> dict[str, Any] | None:
    """Describe a change, with each value as a client would send it; None if it misses the goal."""
    if result.row is None:
        return None
    columns = Coding(version.schema.fields).unpack(np.stack([row, result.row]))
    changes, changed = [], row.copy()
    for place in differing(version, row, result.row):
        field = version.schema.fields[place]
        before, after = map(field.json_value, columns[field.name].tolist())
        changes.append({"field": field.name, "from": before, "to": after})
        changed[place] = coded(field, after)
    decisions = version.decide_matrix(changed[None])
    if not goal(decisions)[0][0]:
        return None
    prediction = decisions.first(version.card["classes"])
    return {
        "found": True, "changes": changes, "distance": result.cost,
        "answer": prediction_json(version.answer_columns, prediction),
        "proof": "smallest" if result.is_proven else "smallest tried",
    }  # fmt: skip
