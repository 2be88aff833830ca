"""The body of an answer, in each form that it may have."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.records.forms import WRITERS
from engine.records.http_date import http_date
from engine.records.validation import Accepted
from engine.records.writers import write_with
from engine.runtime.answers import Decisions, Prediction, answer_json
from engine.runtime.version import StoredVersion, non_finite_rows

_encode = msgspec.json.Encoder().encode


def write_answer(
    version: StoredVersion,
    decisions: Prediction | Decisions,
    form: str,
    warnings: Sequence[Accepted] = (),
    additions: Sequence[Mapping[str, Any]] = (),
) -> bytes | None:
    """Write the body of an answer; None when a number in it is not finite.

    The form, a media type, is for many records; a single record is answered in JSON. Additions,
    one for each record, become part of the predictions in JSON.
    """
    answered: Prediction | list[Prediction]
    if isinstance(decisions, Prediction):
        if not (warnings or decisions.identifiers or additions):
            return version.template.write(decisions, http_date())
        value = decisions.value
        numbers = decisions.probabilities or ((value,) if isinstance(value, float) else ())
        if not all(map(math.isfinite, numbers)):
            return None
        answered = decisions
    else:
        if non_finite_rows(decisions):
            return None
        if not additions:
            return write_with(WRITERS[form], version, decisions, warnings).whole()
        classes = version.card["classes"]
        answered = [decisions.prediction(row, classes) for row in range(decisions.size)]
    answer = answer_json(version.card, answered, http_date(), version.coverage)
    predictions = answer["predictions"] if "predictions" in answer else [answer["prediction"]]
    for prediction, keys in zip(predictions, additions, strict=False):  # there may be none
        prediction |= keys
    if warnings:
        answer["warnings"] = [warning.problem._asdict() for warning in warnings]
    return _encode(answer) + b"\n"
