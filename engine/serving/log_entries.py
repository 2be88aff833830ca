"""Decisions as entries of the prediction log, without the values of private fields."""

import struct
import time
from collections.abc import Iterator
from random import getrandbits
from typing import Any

import msgspec
import numpy as np

from engine.runtime.answers import Decisions, Prediction
from engine.runtime.version import StoredVersion
from engine.serving.observers import Decided
from engine.serving.request import PredictRequest
from persistence.prediction_entries import Predictions, VersionEntry, encode

#: Bytes of records in an entry.
MOST_BYTES = 2**20


class LoggedVersion(msgspec.Struct, frozen=True):
    """A version as its entries refer to it."""

    number: int
    frame: bytes  # the content of the frame that describes it
    private: list[int]  # the places of private fields
    places: dict[Any, int]  # of the classes; none for numbers
    shares: struct.Struct  # the probabilities of a record


def logged_version(version: StoredVersion, number: int) -> LoggedVersion:
    """Describe a version, which a process calls by a number."""
    card, fields = version.card, version.schema.fields
    classes: Any = card["classes"]
    entry = VersionEntry(
        number, version.name, version.version, card["schema"], classes, card["positive"],
        card["reference"],
    )  # fmt: skip
    return LoggedVersion(
        number, encode([entry]), [place for place, field in enumerate(fields) if field.private],
        {label: place for place, label in enumerate(classes or ())},
        struct.Struct(f"<{len(classes or ())}d"),
    )  # fmt: skip


def new_id() -> str:
    """Return 32 digits: of the milliseconds, so that an index grows at its end, and random ones."""
    return (time.time_ns() // 1_000_000 << 80 | getrandbits(80)).to_bytes(16).hex()


def context(request: PredictRequest) -> tuple[float, float, str, str]:
    """Return when and how fast a request is decided, the name of its key, and its id."""
    seconds = time.perf_counter() - request.came if request.came else 0.0
    return time.time(), seconds, request.key.name if request.key else "", request.request_id


def single_entry(
    version: LoggedVersion, prediction_id: str, decided: Decided, prediction: Prediction
) -> Predictions:
    """Return the entry of a record that came alone."""
    value, shares, records = prediction.value, prediction.probabilities, decided.records
    answers = [version.places[value]] if version.places else struct.pack("<d", value)
    if version.private or not isinstance(records, bytes):
        records = _values(decided.matrix, version.private)
    packed = b"" if shares is None else version.shares.pack(*shares)
    head = context(decided.chosen.request)
    return Predictions(version.number, prediction_id, None, *head, records, answers, packed)


def record_entries(
    version: LoggedVersion, prediction_id: str, decided: Decided, decisions: Decisions, *,
    first: int = 0,
) -> Iterator[Predictions]:  # fmt: skip
    """Yield the entries of many records; `first` is the number of the first of them."""
    matrix, head = decided.records, context(decided.chosen.request)
    step = max(1, MOST_BYTES // (8 * matrix.shape[1]))
    chosen, numbers, shares = decisions.chosen, decisions.numbers, decisions.probabilities
    for start in range(0, len(matrix), step):
        rows = slice(start, start + step)
        answers = np.asarray(numbers[rows], "<f8").tobytes() if chosen is None else chosen[rows]
        packed = b"" if shares is None else np.asarray(shares[rows], "<f8").tobytes()
        records = _values(matrix[rows], version.private)
        number = first + start
        yield Predictions(version.number, prediction_id, number, *head, records, answers, packed)


def _values(matrix: Any, private: list[int]) -> Any:
    if private:
        matrix = matrix.copy()
        matrix[:, private] = 0.0
    return matrix.tolist() if matrix.dtype == object else matrix.tobytes()
