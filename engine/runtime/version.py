"""A stored version, loaded and ready to predict.

The answer is decided here, whatever way a request came: by the threshold, the
order of the classes and their labels.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property, partial
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.runtime.answers import AnswerTemplate, Decisions, Prediction, answer_columns
from engine.runtime.coverage import COVERAGE, Intervals, limits_at
from engine.runtime.native import NativeRuntime
from engine.runtime.reference import Reference, parse_reference
from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.runtime.tolerance import TOLERANCE, share_of_allowed
from engine.schema.card import Card, Decision
from engine.schema.json_decoder import Decoder, as_matrix
from engine.schema.record_schema import Schema, dtype_of
from persistence.store_errors import UntrustedArtifact

#: Probabilities this close are equal, unless the card says otherwise: an exported forest sums in
#: single precision, so a tie of votes may come out as 0.49999997. Other runtimes have the votes.
TIE = 1e-6

#: From here on a number may be too large for a model.
_HUGE = 1e15


class StoredVersion:
    """One trained, immutable result of a model."""

    def __init__(self, card: Card, runtime: Runtime, reference: bytes = b"") -> None:
        self.card = card
        self.name = str(card["model"])
        self.version = str(card["version"])
        self.is_quick = not (isinstance(runtime, NativeRuntime) or card.get("reasons"))
        self.schema = Schema.from_json(card["schema"])
        self.decoder = Decoder(self.schema)
        self.answer_columns = answer_columns(card)
        self.template = AnswerTemplate(card)
        self._runtime = runtime
        self._reference = reference
        self._inputs = [place for place, field in enumerate(self.schema.fields) if field.is_input]
        self._classes = card["classes"]
        self._choose = _chooser(card) if card["has_probabilities"] else None
        self.coverage = COVERAGE
        self._intervals = Intervals.of_card(card, COVERAGE)
        first = float(card["seconds"]["one_row"])
        rest = float(card["seconds"]["thousand_rows"]) - first
        self._seconds = first, max(0.0, rest) / 999

    @cached_property
    def reference(self) -> Reference | None:
        """The rows that it learnt from, field by field; None for versions made without."""
        return parse_reference(self._reference) if self._reference else None

    def seconds(self, records: int) -> float:
        """Estimate how long a prediction for so many records takes."""
        first, another = self._seconds
        return first + (records - 1) * another

    def at_threshold(self, threshold: float) -> "StoredVersion":
        """Return the same version with another threshold."""
        other = copy(self)
        other.card = {**self.card, "threshold": threshold}
        other._choose = _chooser(other.card)
        return other

    @cached_property
    def turning_points(self) -> dict[int, Any]:
        """The runtime's turning points, by the places among all fields."""
        return {self._inputs[at]: found for at, found in self._runtime.turning_points().items()}

    def at_coverage(self, coverage: float) -> "StoredVersion":
        """Return the same version with intervals of another coverage.

        Raise `NoCoverage` where it knows of none, nor of sets.
        """
        limits_at(self.card, coverage)
        other = copy(self)
        other.coverage = coverage
        other.answer_columns = answer_columns(self.card, coverage)
        other.template = AnswerTemplate(self.card, coverage)
        other._intervals = Intervals.of_card(self.card, coverage)
        return other

    def predict(self, columns: Columns) -> list[Prediction]:
        """Predict for clean columns of equal length, one prediction per record."""
        return decide(self._runtime.run(columns), self.card)

    def predict_one(self, packed: bytes) -> Prediction:
        """Predict for one clean record, as `Decoder.pack` returns it."""
        classes, choose = self._classes, self._choose
        if classes is None:
            value, intervals = self._runtime.run_record(packed)[0], self._intervals
            return Prediction(value, interval=intervals.of(value) if intervals else None)
        if choose is None:
            outputs = self._runtime.run_matrix(as_matrix(packed))
            return Prediction(_labels(outputs.values, self.card)[0])
        shares = self._runtime.run_record(packed)
        place = choose(shares)
        return Prediction(classes[place], shares, shares[place])

    def decide_matrix(self, matrix: Any) -> Decisions:
        """Predict for clean records in the form of `Decoded.matrix`, column by column."""
        decisions = decide_columns(self._runtime.run_matrix(self.inputs(matrix)), self.card)
        if self._intervals:
            decisions = decisions._replace(interval=self._intervals.of_all(decisions.numbers))
        if not self.schema.identifiers:
            return decisions
        return decisions._replace(
            identifiers={
                name: matrix[:, at].tolist() for name, at in self.schema.identifiers.items()
            }
        )

    def inputs(self, matrix: Any) -> Any:
        """Return what the pipeline sees of clean records."""
        if not self.schema.identifiers:
            return matrix
        return matrix[:, self._inputs].astype(dtype_of(self.schema.inputs), copy=False)

    def predict_row(self, matrix: Any) -> Prediction:
        """Predict for the only record of a matrix, whatever its type."""
        if matrix.dtype != object:
            return self.predict_one(matrix.tobytes())
        decisions = self.decide_matrix(matrix)
        return decisions.prediction(0, self._classes)

    def no_answer(self, record: Any) -> str:
        """Return in words that clean values, of shape (n_fields,), have no finite answer, and why.

        Where a number is huge, it is named: nothing else of the record is.
        """
        sizes = [
            0.0 if field.is_text or not field.is_input or value != value else abs(value)
            for field, value in zip(self.schema.fields, record.tolist(), strict=True)
        ]
        text = _("has no finite answer from this model")
        if (largest := max(sizes)) < _HUGE:
            return text
        place = sizes.index(largest)
        return _("{text}: {name} is {record:g}, send less").format(
            text=text, name=self.schema.fields[place].name, record=record[place]
        )

    def self_test(self) -> str | None:
        """Answer the card's worked example and golden rows; return what differs, if anything."""
        rows = [self.card["example"], *self.card.get("golden", ())]
        predictions = self.predict(self.schema.columns([row["record"] for row in rows]))
        for number, (prediction, row) in enumerate(zip(predictions, rows, strict=True)):
            probabilities = tuple(row["probabilities"]) if row["probabilities"] else None
            recorded = Prediction(row["value"], probabilities, row["probability"])
            if not _agree(prediction, recorded, self.card.get("spread")):
                what = f"golden row {number}" if number else "the worked example"
                return f"{what} answers {prediction}, recorded is {recorded}"
        return None

    def verify(self) -> None:
        """Raise UntrustedArtifact, with what differs, if it does not answer as recorded."""
        try:
            trouble = self.self_test()
        except Exception as error:  # noqa: BLE001  a damaged model raises whatever it likes
            trouble = f"the worked example cannot be answered: {error!r}"
        if trouble:
            raise UntrustedArtifact(f"version {self.version} of {self.name} is refused: {trouble}")


def decide(outputs: Outputs, card: Decision) -> list[Prediction]:
    """Turn raw outputs into predictions.

    With two classes and probabilities, the positive class is predicted when
    its probability is at least the card's threshold; with more classes, the
    most probable one, the first on a tie. A probability within the card's ``tie``,
    or ``TIE``, of another counts as equal. Without probabilities the model's own label is
    the prediction.
    """
    classes = card["classes"]
    if classes is None:
        return [Prediction(float(value)) for value in outputs.values]
    if outputs.probabilities is None:
        return [Prediction(label) for label in _labels(outputs.values, card)]
    rows = outputs.probabilities.tolist()
    return [
        Prediction(classes[index], tuple(row), row[index])
        for index, row in zip(map(_chooser(card), rows), rows, strict=True)
    ]


def decide_columns(outputs: Outputs, card: Decision) -> Decisions:
    """Turn raw outputs into the predictions of `decide`, column by column."""
    if card["classes"] is None:
        return Decisions(None, np.asarray(outputs.values, dtype=np.float64), None)
    if outputs.probabilities is None:
        return Decisions(_class_indices(outputs.values, card), None, None)
    return Decisions(_chosen(outputs.probabilities, card), None, outputs.probabilities)


def _chosen(shares: Any, card: Decision) -> list[int]:
    """Return the places of the predicted classes, as `_chooser` chooses them row by row."""
    classes, tie = card["classes"], card.get("tie", TIE)
    shares = np.asarray(shares, np.float64)  # a single would be compared with a rounded threshold
    if classes is None or len(classes) != 2:
        are_most = shares >= shares.max(axis=1, keepdims=True) - tie
        return list(are_most.argmax(axis=1).tolist())  # the first of them
    positive = classes.index(card["positive"])
    is_positive = shares[:, positive] >= card["threshold"] - tie
    return list(np.where(is_positive, positive, 1 - positive).tolist())


def _class_indices(labels: Any, card: Decision) -> list[int]:
    """Return the places of labels among the card's classes; -1 where there is no answer."""
    indices = {_plain(label): index for index, label in enumerate(card["classes"])}
    indices[None] = -1
    return [indices[_plain(label)] for label in labels]


def _labels(labels: Any, card: Decision) -> list[Any]:
    """Return labels as the card has them; NaN where there is no answer."""
    classes = card["classes"]
    places = _class_indices(labels, card)
    return [math.nan if place < 0 else classes[place] for place in places]


def _chooser(card: Decision) -> Callable[[Sequence[float]], int]:
    """Return what chooses the predicted class by the probabilities of all."""
    classes, tie = card["classes"], card.get("tie", TIE)
    if classes is None or len(classes) != 2:
        return partial(_most_probable, tie)
    positive, least = classes.index(card["positive"]), card["threshold"] - tie
    return lambda row: positive if row[positive] >= least else 1 - positive


def _most_probable(tie: float, row: Sequence[float]) -> int:
    least = max(row) - tie
    return next((index for index, share in enumerate(row) if share >= least), 0)


def _plain(label: Any) -> Any:
    """Return a label in the form in which an exported graph writes it."""
    label = label.item() if isinstance(label, np.generic) else label
    return label if label is None or isinstance(label, str) else int(label)


def _agree(first: Prediction, recorded: Prediction, spread: float | None) -> bool:
    """Compare an answer with that on the card, which has no spread where it is old."""
    if isinstance(first.value, float) and isinstance(recorded.value, (int, float)):
        return bool(share_of_allowed([first.value], [recorded.value], spread)[0] <= 1)
    if first.value != recorded.value:
        return False
    if first.probabilities is None or recorded.probabilities is None:
        return first.probabilities is recorded.probabilities
    pairs = zip(first.probabilities, recorded.probabilities, strict=True)
    return all(abs(a - b) <= TOLERANCE for a, b in pairs)


def non_finite_rows(decisions: Decisions) -> list[int]:
    """List the rows that have no answer, or one that is infinite or not a number."""
    if decisions.probabilities is not None:
        is_finite = np.isfinite(decisions.probabilities).all(axis=1)
    elif decisions.numbers is not None:
        is_finite = np.isfinite(decisions.numbers)
    else:
        return [row for row, index in enumerate(decisions.chosen or ()) if index < 0]
    return [] if is_finite.all() else np.flatnonzero(~is_finite).tolist()
