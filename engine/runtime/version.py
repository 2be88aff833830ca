"""A stored version, read and ready to predict.

The answer is decided here, once for every way in: the threshold, the order of
the classes, what a label is called.
"""

import math
from typing import Any

import numpy as np

from engine.runtime.answers import Decisions, Prediction, answer_columns
from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.schema.card import Card, Decision
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Schema
from persistence.store_errors import UntrustedArtifact

#: How far the worked example's answer may drift between machines.
TOLERANCE = 1e-5

#: Probabilities this close are equal: an exported forest sums in single
#: precision, so a tie of votes may come out as 0.49999997.
TIE = 1e-6


class StoredVersion:
    """One trained, immutable result of a model.

    Parameters
    ----------
    card : mapping
        As `card.json` has it.
    runtime : Runtime
        What runs the model.

    Attributes
    ----------
    name, version : str
        Of the model, and the identifier of this.
    is_exported : bool
        Whether it runs without its pipeline.
    answer_columns : tuple of AnswerColumn
        What its answers consist of.
    """

    def __init__(self, card: Card, runtime: Runtime) -> None:
        self.card = card
        self.name = str(card["model"])
        self.version = str(card["version"])
        self.is_exported = card["runtime"] == "onnx"
        self.schema = Schema.from_json(card["schema"])
        self.decoder = Decoder(self.schema)
        self.answer_columns = answer_columns(card)
        self._runtime = runtime
        for_one = float(card["seconds"]["one_row"])
        rest = float(card["seconds"]["thousand_rows"]) - for_one
        self._seconds = for_one, max(0.0, rest) / 999

    def seconds(self, records: int) -> float:
        """Estimate how long a prediction for so many records takes."""
        for_one, for_another = self._seconds
        return for_one + (records - 1) * for_another

    def predict(self, columns: Columns) -> list[Prediction]:
        """Answer clean columns of equal length, one prediction per record."""
        return decide(self._runtime.run(columns), self.card)

    def predict_one(self, matrix: Any) -> Prediction:
        """Answer one clean record in the form of `Decoded.matrix`."""
        (found,) = decide(self._runtime.run_matrix(matrix), self.card)
        return found

    def decide_matrix(self, matrix: Any) -> Decisions:
        """Answer clean records in the form of `Decoded.matrix`."""
        return decide_columns(self._runtime.run_matrix(matrix), self.card)

    def self_test(self) -> str | None:
        """Answer the card's worked example and golden rows.

        Returns
        -------
        str or None
            What differs from the recorded answers; None when nothing does.
        """
        kept = [self.card["example"], *self.card.get("golden", ())]
        answers = self.predict(self.schema.columns([one["record"] for one in kept]))
        for place, (answer, one) in enumerate(zip(answers, kept, strict=True)):
            expected = Prediction(
                one["value"],
                tuple(one["probabilities"]) if one["probabilities"] else None,
                one["probability"],
            )
            if not _agree(answer, expected):
                what = f"golden row {place}" if place else "the worked example"
                return f"{what} answers {answer}, recorded is {expected}"
        return None

    def verify(self) -> None:
        """See that it answers as recorded.

        Raises
        ------
        UntrustedArtifact
            When it does not, with what differs.
        """
        try:
            trouble = self.self_test()
        except Exception as error:  # noqa: BLE001  a damaged model raises whatever it likes
            trouble = f"the worked example cannot be answered: {error!r}"
        if trouble:
            raise UntrustedArtifact(f"version {self.version} of {self.name} is refused: {trouble}")


def decide(outputs: Outputs, card: Decision) -> list[Prediction]:
    """Turn raw outputs into answers.

    With two classes and probabilities, the positive class is predicted when
    its probability is at least the card's threshold; with more classes, the
    most probable one, the first on a tie. A probability within ``TIE`` of
    another counts as equal. Without probabilities the model's own label
    stands.
    """
    classes = card["classes"]
    if classes is None:
        return [Prediction(float(value)) for value in outputs.values]
    if outputs.probabilities is None:
        return [Prediction(classes[index]) for index in _places(outputs.values, card)]
    rows = outputs.probabilities.tolist()
    return [
        Prediction(classes[index], tuple(row), row[index])
        for index, row in zip(_choose(rows, card), rows, strict=True)
    ]


def decide_columns(outputs: Outputs, card: Decision) -> Decisions:
    """Turn raw outputs into the answers that `decide` gives, column by column."""
    if card["classes"] is None:
        return Decisions(None, np.asarray(outputs.values, dtype=np.float64), None)
    if outputs.probabilities is None:
        return Decisions(_places(outputs.values, card), None, None)
    rows = outputs.probabilities.tolist()
    return Decisions(_choose(rows, card), None, outputs.probabilities)


def _places(labels: Any, card: Decision) -> list[int]:
    named = {_plain(one): place for place, one in enumerate(card["classes"])}
    return [named[_plain(label)] for label in labels]


def _choose(rows: list[list[float]], card: Decision) -> list[int]:
    classes = card["classes"]
    if len(classes) == 2:
        positive, least = classes.index(card["positive"]), card["threshold"] - TIE
        return [positive if row[positive] >= least else 1 - positive for row in rows]
    return [_most_probable(row) for row in rows]


def _most_probable(row: list[float]) -> int:
    least = max(row) - TIE
    return next((index for index, one in enumerate(row) if one >= least), 0)


def _plain(label: Any) -> Any:
    """Give a label the form in which an exported graph writes it."""
    label = label.item() if isinstance(label, np.generic) else label
    return label if isinstance(label, str) else int(label)


def _agree(one: Prediction, other: Prediction) -> bool:
    if isinstance(one.value, float) and isinstance(other.value, (int, float)):
        return math.isclose(one.value, other.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if one.value != other.value or (one.probabilities is None) != (other.probabilities is None):
        return False
    pairs = zip(one.probabilities or (), other.probabilities or (), strict=True)
    return all(abs(a - b) <= TOLERANCE for a, b in pairs)


def endless(decisions: Decisions) -> list[int]:
    """List the rows whose answer is not finite."""
    if decisions.probabilities is not None:
        found = np.isfinite(decisions.probabilities).all(axis=1)
    elif decisions.numbers is not None:
        found = np.isfinite(decisions.numbers)
    else:
        return []
    return [] if found.all() else np.flatnonzero(~found).tolist()
