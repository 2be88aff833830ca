"""A stored version, read and ready to predict.

The answer is decided here, once for every way in: the threshold, the order of
the classes, what a label is called.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.schema import Schema
from persistence.runtime import Columns, Outputs, Runtime

#: How far the worked example's answer may drift between machines.
TOLERANCE = 1e-5

#: Probabilities this close are equal: an exported forest sums in single
#: precision, so a tie of votes may come out as 0.49999997.
TIE = 1e-6


@dataclass(frozen=True)
class Prediction:
    """The answer for one record.

    Attributes
    ----------
    value : bool, int, str or float
        The predicted class or number, ready for JSON.
    probabilities : tuple of float or None
        One per class of the card, in its order; None for regressions and
        for classifiers that give none.
    probability : float or None
        That of the predicted class.
    """

    value: Any
    probabilities: tuple[float, ...] | None = None
    probability: float | None = None


class StoredVersion:
    """One trained, immutable result of a model.

    Parameters
    ----------
    card : mapping
        As `card.json` has it.
    runtime : Runtime
        What runs the model.
    """

    def __init__(self, card: Mapping[str, Any], runtime: Runtime) -> None:
        self.card = card
        self.schema = Schema.from_json(card["schema"])
        self._runtime = runtime

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.card["model"])

    @property
    def version(self) -> str:
        """The version's identifier."""
        return str(self.card["version"])

    def predict(self, columns: Columns) -> list[Prediction]:
        """Answer clean columns of equal length, one prediction per record."""
        return decide(self._runtime.run(columns), self.card)

    def self_test(self) -> str | None:
        """Answer the card's worked example.

        Returns
        -------
        str or None
            What differs from the recorded answer; None when nothing does.
        """
        example = self.card["example"]
        (answer,) = self.predict(self.schema.columns([example["record"]]))
        expected = Prediction(
            example["value"],
            tuple(example["probabilities"]) if example["probabilities"] else None,
            example["probability"],
        )
        if _agree(answer, expected):
            return None
        return f"the worked example answers {answer}, recorded is {expected}"


def decide(outputs: Outputs, card: Mapping[str, Any]) -> list[Prediction]:
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
        named = {_plain(one): one for one in classes}
        return [Prediction(named[_plain(value)]) for value in outputs.values]
    probabilities = outputs.probabilities
    if len(classes) == 2:
        positive = classes.index(card["positive"])
        is_positive = probabilities[:, positive] >= card["threshold"] - TIE
        chosen = np.where(is_positive, positive, 1 - positive)
    else:
        highest = probabilities.max(axis=1, keepdims=True)
        chosen = (probabilities >= highest - TIE).argmax(axis=1)
    return [
        Prediction(classes[index], tuple(row), row[index])
        for index, row in zip(chosen.tolist(), probabilities.tolist(), strict=True)
    ]


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
