"""The held-out rows with the answers of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.runtime.answers import Prediction
from engine.schema.fields import Field


@dataclass(frozen=True)
class HeldOutAnswers:
    """The true values of the held-out rows and the answers to them.

    Attributes
    ----------
    truth, predicted : ndarray of shape (n,)
    probabilities : ndarray of shape (n, n_classes) or None
    classes : list or None
        None for a regression.
    positive : object or None
        The positive class where there are two.
    """

    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None
    classes: Sequence[Any] | None = None
    positive: Any = None

    def positive_probability(self) -> np.ndarray:
        """Give P(positive), for two classes with probabilities."""
        assert self.probabilities is not None and self.classes is not None
        return self.probabilities[:, list(self.classes).index(self.positive)]


def judge(
    truth: Sequence[Any], predictions: Sequence[Prediction], *, classes: Any, positive: Any
) -> HeldOutAnswers:
    """Collect true values and predictions."""
    rows = [prediction.probabilities for prediction in predictions]
    values = [prediction.value for prediction in predictions]
    return HeldOutAnswers(
        np.asarray(truth),
        np.asarray(values, dtype=np.asarray(truth).dtype),
        None if rows[0] is None else np.array(rows),
        classes,
        positive,
    )


def positive_class(target: Field, classes: Sequence[Any]) -> Any:
    """Return the positive class of two: true, else the last that is declared."""
    assert target.classes is not None
    return max(classes, key=target.classes.index) if len(classes) == 2 else None
