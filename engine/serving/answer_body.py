"""The body of an answer, in each form that it may have."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.records.forms import WRITERS
from engine.records.http_date import http_date
from engine.records.media_types import JSON
from engine.records.validation import Accepted
from engine.records.writers import write_with
from engine.runtime.answers import Decisions, Prediction, answer_json
from engine.runtime.version import StoredVersion, non_finite_rows
from engine.serving.request import Chosen

_encode = msgspec.json.Encoder().encode


def is_short(chosen: Chosen) -> bool:
    """Return whether a request gets the answer that the model file declares for its path."""
    return chosen.request.is_alias and "answer" in chosen.version.card


def write_short(version: StoredVersion, decisions: Prediction | Decisions) -> bytes | None:
    """Write an answer as the model file declares it; None when a number is not finite.

    It is what was predicted of one record, or a list for several.
    """
    is_value = version.card["answer"] == "value"
    told: list[Any]
    if isinstance(decisions, Prediction):
        told = [decisions.value if is_value else decisions.probabilities]
    elif is_value:
        told = version.answer_columns[0].labelled(decisions)
    else:
        told = decisions.probabilities.tolist()
    numbers = [told] if is_value else told
    if not all(math.isfinite(each) for row in numbers for each in row if isinstance(each, float)):
        return None
    answer = {"prediction": told[0]} if len(told) == 1 else {"predictions": told}
    return _encode(answer) + b"\n"


def write_answer(
    version: StoredVersion,
    decisions: Prediction | Decisions,
    form: str = JSON,
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
