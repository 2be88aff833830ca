"""The body of an answer, in each form that it may have."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.records.arrow_support import ARROW_WRITERS
from engine.records.http_date import http_date
from engine.records.media_types import CSV, JSON, LINES
from engine.records.spool import Spool
from engine.records.strict_json import class_name
from engine.records.validation import Accepted
from engine.records.writers import CsvWriter, JsonWriter, LinesWriter, Writer
from engine.runtime.version import Decisions, Prediction, StoredVersion, endless

#: What writes each form.
WRITERS: dict[str, type[Writer]] = {
    JSON: JsonWriter, CSV: CsvWriter, LINES: LinesWriter, **ARROW_WRITERS
}  # fmt: skip

_encode = msgspec.json.Encoder().encode


def write_answer(
    version: StoredVersion,
    decisions: Prediction | Decisions,
    form: str,
    warnings: Sequence[Accepted] = (),
) -> bytes | None:
    """Write the body of an answer; None when a number in it is not finite.

    Parameters
    ----------
    form : str
        The media type of the answer to many records; that to one is JSON.
    """
    if isinstance(decisions, Prediction):
        return _write_one(version, decisions, warnings)
    if endless(decisions):
        return None
    spool = Spool(sys.maxsize, what="the answer")
    writer = WRITERS[form](version, spool)
    writer.add(decisions, warnings)
    writer.finish()
    return spool.whole()


def _write_one(
    version: StoredVersion, prediction: Prediction, warnings: Sequence[Accepted]
) -> bytes | None:
    """Write the answer for one record in JSON; None when it is not finite."""
    if not all(map(math.isfinite, prediction.probabilities or _numbers(prediction.value))):
        return None
    answer: dict[str, Any] = {
        "prediction": _values(prediction, version.card["classes"]),
        "prediction_time": http_date(),
        "model": {"name": version.name, "version": version.version},
    }
    if warnings:
        answer["warnings"] = [warning.problem._asdict() for warning in warnings]
    return _encode(answer) + b"\n"


def _values(prediction: Prediction, classes: Sequence[Any]) -> dict[str, Any]:
    if prediction.probabilities is None:
        return {"value": prediction.value}
    return {
        "value": prediction.value,
        "probability": prediction.probability,
        "probabilities": dict(zip(map(class_name, classes), prediction.probabilities, strict=True)),
    }


def _numbers(value: Any) -> tuple[float, ...]:
    return (value,) if isinstance(value, float) else ()
