"""The held-out rows with the answers of a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.runtime.answers import Prediction
from engine.schema.card import Decision


@dataclass(frozen=True)
class HeldOutAnswers:
    """The true values of the held-out rows and the answers to them.

    `truth` and `predicted` have shape (n,), `probabilities` (n, n_classes).
    `classes` is None for a regression; `positive` is the positive class of two.
    """

    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None
    classes: Sequence[Any] | None = None
    positive: Any = None

    def one_against_rest(self) -> dict[Any, tuple[np.ndarray, np.ndarray]]:
        """Map each class, or the positive one of two, to its rows and its probability."""
        assert self.probabilities is not None and self.classes is not None
        labels = list(self.classes)
        return {
            label: (self.truth == label, self.probabilities[:, labels.index(label)])
            for label in (labels if len(labels) != 2 else [self.positive])
        }

    def positive_probability(self) -> np.ndarray:
        """Return P(positive), for two classes with probabilities."""
        assert self.probabilities is not None and self.classes is not None
        return self.probabilities[:, list(self.classes).index(self.positive)]

    def take(self, rows: Any) -> "HeldOutAnswers":
        """Return some rows: by a slice, their places, or truth values."""
        return replace(
            self, truth=self.truth[rows], predicted=self.predicted[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
        )  # fmt: skip


def judge(
    truth: Sequence[Any] | np.ndarray, predictions: Sequence[Prediction], card: Decision
) -> HeldOutAnswers:
    """Collect true values and predictions."""
    shares = [prediction.probabilities for prediction in predictions]
    true = np.asarray(truth)
    predicted = np.array([prediction.value for prediction in predictions], true.dtype)
    probabilities = np.array(shares) if all(shares) else None
    return HeldOutAnswers(true, predicted, probabilities, card["classes"], card["positive"])
