"""How good a version is on rows it has not seen, beside a baseline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from models.fields import Field, Flag, Number
from persistence.version import Prediction
from training import resampling


@dataclass(frozen=True)
class Judged:
    """True values and answers, side by side.

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
) -> Judged:
    """Put true values and predictions side by side."""
    rows = [prediction.probabilities for prediction in predictions]
    values = [prediction.value for prediction in predictions]
    return Judged(
        np.asarray(truth),
        np.asarray(values, dtype=np.asarray(truth).dtype),
        None if rows[0] is None else np.array(rows),
        classes,
        positive,
    )


def positive_class(target: Field, classes: Sequence[Any]) -> Any:
    """Name the positive class of two: true, else the last that is declared."""
    if len(classes) != 2:
        return None
    if isinstance(target, Flag):
        return True
    assert not isinstance(target, Number)
    return max(classes, key=target.categories.index)


def _roc_auc(judged: Judged) -> float:
    assert judged.classes is not None
    if len(judged.classes) == 2:
        is_positive = judged.truth == judged.positive
        return float(metrics.roc_auc_score(is_positive, judged.positive_probability()))
    return float(
        metrics.roc_auc_score(
            judged.truth, judged.probabilities, multi_class="ovr", labels=judged.classes
        )
    )


def _log_loss(judged: Judged) -> float:
    return float(metrics.log_loss(judged.truth, judged.probabilities, labels=judged.classes))


def _brier(judged: Judged) -> float:
    # Brier, G. W. (1950), Monthly Weather Review 78(1); halved for two classes.
    assert judged.classes is not None
    if len(judged.classes) == 2:
        is_positive = judged.truth == judged.positive
        return float(metrics.brier_score_loss(is_positive, judged.positive_probability()))
    return float(
        metrics.brier_score_loss(judged.truth, judged.probabilities, labels=judged.classes)
    )


@dataclass(frozen=True)
class Score:
    """One score: how it is computed and which way is better.

    Attributes
    ----------
    compute : callable
        Judged -> float.
    over : callable
        (Judged, counts of shape (n_resamples, n)) -> the same for each
        resample, ndarray of shape (n_resamples,).
    """

    compute: Callable[[Judged], float]
    over: Callable[[Judged, np.ndarray], np.ndarray]
    is_better_higher: bool
    needs_probabilities: bool = False


CLASSIFICATION = {
    "accuracy": Score(
        lambda j: float(metrics.accuracy_score(j.truth, j.predicted)), resampling.accuracy, True
    ),
    "roc_auc": Score(_roc_auc, resampling.roc_auc, True, True),
    "log_loss": Score(_log_loss, resampling.log_loss, False, True),
    "brier": Score(_brier, resampling.brier, False, True),
}
REGRESSION = {
    "r2": Score(lambda j: float(metrics.r2_score(j.truth, j.predicted)), resampling.r2, True),
    "mae": Score(
        lambda j: float(metrics.mean_absolute_error(j.truth, j.predicted)), resampling.mae, False
    ),
    "rmse": Score(
        lambda j: float(metrics.root_mean_squared_error(j.truth, j.predicted)),
        resampling.rmse,
        False,
    ),
}
SCORES = {**CLASSIFICATION, **REGRESSION}


def applicable(judged: Judged) -> dict[str, Score]:
    """Give the scores that can be computed here."""
    scores = REGRESSION if judged.classes is None else CLASSIFICATION
    has_probabilities = judged.probabilities is not None
    return {n: s for n, s in scores.items() if has_probabilities or not s.needs_probabilities}


def score(judged: Judged, baseline: Judged, *, seed: int) -> dict[str, dict[str, float]]:
    """Score held-out rows, with intervals, beside a baseline.

    Returns
    -------
    dict of str to dict
        Per score: ``value``; ``low`` and ``high``, the 95 % interval of a
        percentile bootstrap over rows; ``baseline``, the same score of a model
        that ignores its input.
    """
    scores = applicable(judged)
    draws: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for counts in resampling.resamples(judged.truth, judged.classes, seed=seed):
        for name, one in scores.items():
            draws[name].append(one.over(judged, counts))
    result = {}
    for name, one in scores.items():
        value = one.compute(judged)
        low, high = resampling.interval(draws[name]) or (value, value)
        result[name] = {
            "value": value, "low": low, "high": high, "baseline": one.compute(baseline)
        }  # fmt: skip
    return result


def class_scores(judged: Judged) -> list[dict[str, Any]]:
    """Give precision, recall and row count of each class, in the classes' order."""
    if judged.classes is None:
        return []
    precision, recall, _, rows = metrics.precision_recall_fscore_support(
        judged.truth, judged.predicted, labels=judged.classes, zero_division=0
    )
    return [
        {"class": label, "precision": float(p), "recall": float(r), "rows": int(n)}
        for label, p, r, n in zip(judged.classes, precision, recall, rows, strict=True)
    ]
