"""The one prediction function: a request's bytes in, an answer's bytes out.

Every way in comes down to it: the Flask view, the event loop of the worker,
and whatever protocol speaks for them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from engine.api.errors import explain, phrase
from engine.records.forms import ANSWER_FORMS
from engine.records.http_date import http_date
from engine.records.json_reader import read_body
from engine.records.media_types import JSON, TABLES, media_type
from engine.records.negotiation import choose_form
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import MAX_RECORDS, Records
from engine.records.spool import MOST_IN_MEMORY, Spool
from engine.records.upload import Upload
from engine.records.validation import Accepted, read_records
from engine.records.writers import write_with
from engine.runtime.answers import Decisions, Prediction, prediction_json
from engine.runtime.version import StoredVersion, endless
from engine.schema.category_codes import Coding
from engine.schema.json_decoder import Decoded
from engine.schema.problem_codes import Code
from engine.serving.candidates import choose, choose_at_once, offer_to_shadow
from engine.serving.metrics import count_predictions
from engine.serving.model_cache import ModelCache
from engine.serving.request import PredictRequest, PredictResponse, version_headers
from engine.serving.table_prediction import answer_table
from engine.serving.timing import step
from persistence.promotions import Candidate

#: The longest that the event loop may be held by one prediction.
LOOP_SECONDS = 0.002

#: The content types that a JSON client sends; others are looked at more closely.
_JSON = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")

_encode = msgspec.json.Encoder().encode


def answer(models: ModelCache, asked: PredictRequest) -> PredictResponse:
    """Answer a request, whatever it is; nothing is raised."""
    try:
        encoding = asked.content_encoding.strip().lower()
        if encoding not in ("", "identity"):
            raise BadRequest(415, f"the content encoding is {encoding[:40]!r}: send it plain")
        form = choose_form(asked.accept)
        version = choose(models, asked)
        found = _predict(version, asked, form)
        return PredictResponse(
            status=200,
            body=b"" if isinstance(found, Spool) else found,
            content_type=form + ANSWER_FORMS[form].parameters,
            headers={} if form == JSON else version_headers(version),
            spool=found if isinstance(found, Spool) else None,
        )
    except Exception as error:  # noqa: BLE001  every failure is phrased, the unexpected too
        if isinstance(asked.body, Upload):
            asked.body.drain()
        asked_for = (asked.model, asked.version)
        found_wrong = explain(error, asked_for=asked_for, request_id=asked.request_id)
        return PredictResponse(found_wrong.status, *phrase(found_wrong, asked.request_id))


def answer_at_once(
    models: ModelCache,
    asked: Sequence[PredictRequest | None],
    tell: Callable[..., None] = lambda *_: None,
) -> list[bytes | None]:
    """Answer valid requests for quick models, as `answer` would.

    All of them take a step before any takes the next, so that the step's code
    and data are in the processor's caches: 16 together take two thirds of the
    time that they take one by one.

    Parameters
    ----------
    asked : sequence of PredictRequest or None
        With whole bodies.
    tell : callable
        Told what was read and predicted, wherever that is the answer: a
        version, the records as `Decoded`, the candidate that is to answer them
        in silence or None, and a `Prediction` or `Decisions`.

    Returns
    -------
    list of bytes or None
        For each the body of a 200, in JSON. None when there is more to it: the
        model is not loaded, is native, so that nobody knows what it does, or
        would take longer than `LOOP_SECONDS`, or the body is not plainly valid.
    """
    read = each(partial(_read_at_once, models), asked)
    predicted = each(_predict_at_once, read)
    bodies = each(_write_at_once, predicted)
    for got, found, body in zip(read, predicted, bodies, strict=True):
        if body is not None:
            tell(*got, found[1])
    return bodies


def each(step: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Take a step with each item; where that fails, or there is none, give None."""
    found = []
    for item in items:
        taken = None
        if item is not None:
            with suppress(Exception):  # whoever answers instead meets it again, and phrases it
                taken = step(item)
        found.append(taken)
    return found


def _read_at_once(
    models: ModelCache, asked: PredictRequest
) -> tuple[StoredVersion, Decoded, Candidate | None] | None:
    version, shadow = choose_at_once(models, asked)
    if version is None or asked.content_encoding or asked.content_type.lower() not in _JSON:
        return None
    assert isinstance(asked.body, bytes)
    decoded = version.decoder.read(asked.body)
    if decoded is None or len(decoded.matrix) > MAX_RECORDS:
        return None
    is_quick = version.is_exported and version.seconds(len(decoded.matrix)) <= LOOP_SECONDS
    return (version, decoded, shadow) if is_quick else None


def _predict_at_once(
    read: tuple[StoredVersion, Decoded, Any],
) -> tuple[StoredVersion, Prediction | Decisions]:
    version, decoded, _ = read
    if decoded.is_single:
        return version, version.predict_one(decoded.matrix)
    return version, version.decide_matrix(decoded.matrix)


def _write_at_once(predicted: tuple[StoredVersion, Prediction | Decisions]) -> bytes | None:
    version, found = predicted
    if isinstance(found, Prediction):
        return _write_one(version, found)
    return _write_many(version, found, JSON)


def _predict(version: StoredVersion, asked: PredictRequest, form: str) -> bytes | Spool:
    kind = media_type(asked.content_type)
    if kind in TABLES:
        upload = asked.body if isinstance(asked.body, Upload) else Upload.of(asked.body)
        spool = answer_table(version, upload, kind, ANSWER_FORMS[form].writer)
        return spool.whole() if spool.size <= MOST_IN_MEMORY else spool
    body = asked.body.read_whole() if isinstance(asked.body, Upload) else asked.body
    warnings: list[Accepted] = []
    with step("validate"):
        decoded = version.decoder.read(body)
        if decoded is None or len(decoded.matrix) > MAX_RECORDS:
            records = read_body(body, version.schema)
            matrix, warnings = _read_matrix(version, records)
            decoded = Decoded(matrix, records.is_single)
    is_one = decoded.is_single and form == JSON
    with step("predict"):
        predicted = (version.predict_one if is_one else version.decide_matrix)(decoded.matrix)
    with step("write"):
        written = (
            _write_one(version, predicted, warnings)
            if isinstance(predicted, Prediction)
            else _write_many(version, predicted, form, warnings)
        )
    if written is None:
        rows = endless(version.decide_matrix(decoded.matrix))
        raise InvalidRecords(_endless_problems(read_body(body, version.schema), rows))
    count_predictions(version, predicted)
    offer_to_shadow(version, decoded.matrix, predicted)
    return written


def decide_records(version: StoredVersion, records: Records) -> tuple[Decisions, list[Accepted]]:
    """Validate records that some protocol has read, and predict them.

    Returns
    -------
    decisions : Decisions
        All of them finite.
    warnings : list of Accepted
        What the fields' policies accepted.

    Raises
    ------
    InvalidRecords
        With every problem of every record, or when an answer is not finite.
    """
    with step("validate"):
        matrix, warnings = _read_matrix(version, records)
    with step("predict"):
        decisions = version.decide_matrix(matrix)
    if rows := endless(decisions):
        raise InvalidRecords(_endless_problems(records, rows))
    count_predictions(version, decisions)
    offer_to_shadow(version, matrix, decisions)
    return decisions, warnings


def _read_matrix(version: StoredVersion, records: Records) -> tuple[Any, list[Accepted]]:
    """Validate records; give them in the form of `Decoded.matrix`, and the warnings."""
    columns, warnings = read_records(records, version.schema)
    return Coding(version.schema.fields).pack(columns), warnings


def _write_one(
    version: StoredVersion, prediction: Prediction, warnings: Sequence[Accepted] = ()
) -> bytes | None:
    """Write the answer for one record in JSON; None when it is not finite."""
    if not all(map(math.isfinite, prediction.probabilities or _numbers(prediction.value))):
        return None
    found: dict[str, Any] = {
        "prediction": prediction_json(version.answer_columns, prediction),
        "prediction_time": http_date(),
        "model": {"name": version.name, "version": version.version},
    }
    if warnings:
        found["warnings"] = [warning.problem._asdict() for warning in warnings]
    return _encode(found) + b"\n"


def _write_many(
    version: StoredVersion, decisions: Decisions, form: str, warnings: Sequence[Accepted] = ()
) -> bytes | None:
    """Write the answers for records in some form; None when one is not finite."""
    if endless(decisions):
        return None
    return write_with(ANSWER_FORMS[form].writer, version, decisions, warnings).whole()


def _numbers(value: Any) -> tuple[float, ...]:
    return (value,) if isinstance(value, float) else ()


def _endless_problems(records: Records, rows: Sequence[int]) -> list[Problem]:
    rest = f"of {len(records.rows)} has no finite answer from this model"
    return [
        Problem(records.pointer(row, None), f"record {row + 1} {rest}", Code.NO_FINITE_ANSWER)
        for row in rows
    ]
