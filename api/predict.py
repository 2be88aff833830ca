"""One record or many to predictions."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.body import Records, read_body
from api.errors import BadRequest, InvalidRecords, Problem
from api.json_text import json_response
from api.loaded import LoadedModels
from api.records import read_records
from persistence.version import Prediction, StoredVersion


def predict_body(version: StoredVersion, body: bytes, content_type: str) -> dict[str, Any]:
    """Answer a request's body; what every way in comes down to.

    Returns
    -------
    dict
        ``prediction`` for one record, ``predictions`` for many; beside it
        the time, the model and its version, and ``warnings`` for what a
        field's policy accepted.

    Raises
    ------
    BadRequest, InvalidRecords
        For input that is not valid.
    """
    records = read_body(body, content_type, version.schema)
    columns, warnings = read_records(records, version.schema)
    predictions = version.predict(columns)
    _refuse_endless(predictions, records)
    written = [_write(prediction, version.card["classes"]) for prediction in predictions]
    answer: dict[str, Any] = (
        {"prediction": written[0]} if records.is_single else {"predictions": written}
    )
    answer["prediction_time"] = format_datetime(datetime.now(UTC), usegmt=True)
    answer["model"] = {"name": version.name, "version": version.version}
    if warnings:
        answer["warnings"] = [warning._asdict() for warning in warnings]
    return answer


def blueprint(models: LoadedModels) -> Blueprint:
    """Give the routes that predict."""
    routes = Blueprint("predict", __name__)

    @routes.post("/v0/predict", defaults={"name": None})
    @routes.post("/v0/models/<name>/predict")
    def predict(name: str | None) -> Response:
        """Predict one record or many."""
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise BadRequest(415, f"the content encoding is {encoding[:40]!r}: send it plain")
        version = models.get(name)
        answer = json_response(predict_body(version, _read_body(), request.content_type or ""))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes


def class_name(label: Any) -> str:
    """Write a class as a JSON key: true, false, or the label itself."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _read_body() -> bytes:
    try:
        body = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # servers raise their own for broken chunks
        raise BadRequest(400, "the body cannot be read: its chunks are malformed") from error
    length = request.content_length
    if length is not None and len(body) < length:
        raise BadRequest(400, f"the body ends after {len(body)} of {length} bytes")
    # A chunked body is cut off at the limit in silence: see whether there is more.
    is_full = length is None and len(body) == request.max_content_length
    if is_full and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def _write(prediction: Prediction, classes: list[Any] | None) -> dict[str, Any]:
    written: dict[str, Any] = {"value": prediction.value}
    if prediction.probabilities is not None and classes is not None:
        written["probability"] = prediction.probability
        written["probabilities"] = {
            class_name(label): probability
            for label, probability in zip(classes, prediction.probabilities, strict=True)
        }
    return written


def _numbers(value: Any) -> tuple[float, ...]:
    return (value,) if isinstance(value, float) else ()


def _refuse_endless(predictions: list[Prediction], records: Records) -> None:
    detail = "record {} of {} has no finite answer from this model"
    problems = [
        Problem(
            records.pointer(row, None),
            detail.format(row + 1, len(predictions)),
            "no_finite_answer",
        )
        for row, prediction in enumerate(predictions)
        if not all(map(math.isfinite, prediction.probabilities or _numbers(prediction.value)))
    ]
    if problems:
        raise InvalidRecords(problems)
