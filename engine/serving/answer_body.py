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
    if additions:
        content = write_answer(version, decisions, JSON, warnings)
        return content and _with_additions(content, additions)
    if not isinstance(decisions, Prediction):
        if non_finite_rows(decisions):
            return None
        return write_with(WRITERS[form], version, decisions, warnings).whole()
    if not warnings and not decisions.identifiers:
        return version.template.write(decisions, http_date())
    value = decisions.value
    numbers = decisions.probabilities or ((value,) if isinstance(value, float) else ())
    if not all(map(math.isfinite, numbers)):
        return None
    answer = answer_json(version.card, decisions, http_date(), version.coverage)
    if warnings:
        answer["warnings"] = [warning.problem._asdict() for warning in warnings]
    return _encode(answer) + b"\n"


def _with_additions(content: bytes, additions: Sequence[Mapping[str, Any]]) -> bytes:
    answer = msgspec.json.decode(content)
    predictions = answer["predictions"] if "predictions" in answer else [answer["prediction"]]
    for prediction, addition in zip(predictions, additions, strict=True):
        prediction |= addition
    return _encode(answer) + b"\n"
