"""The scores of a version on rows it has not seen, and of a baseline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from engine.schema.card import ScoreEntry
from engine.training.evaluation import bootstrap
from engine.training.evaluation.judged import HeldOutAnswers


def _roc_auc(judged: HeldOutAnswers) -> float:
    assert judged.classes is not None
    if len(judged.classes) == 2:
        is_positive = judged.truth == judged.positive
        return float(metrics.roc_auc_score(is_positive, judged.positive_probability()))
    return float(
        metrics.roc_auc_score(
            judged.truth, judged.probabilities, multi_class="ovr", labels=judged.classes
        )
    )


def _log_loss(judged: HeldOutAnswers) -> float:
    return float(metrics.log_loss(judged.truth, judged.probabilities, labels=judged.classes))


def _brier(judged: HeldOutAnswers) -> float:
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
        HeldOutAnswers -> float.
    over : callable
        (HeldOutAnswers, counts of shape (n_resamples, n)) -> the score of each
        resample, ndarray of shape (n_resamples,).
    """

    compute: Callable[[HeldOutAnswers], float]
    over: Callable[[HeldOutAnswers, np.ndarray], np.ndarray]
    is_better_higher: bool
    needs_probabilities: bool = False


CLASSIFICATION = {
    "accuracy": Score(
        lambda j: float(metrics.accuracy_score(j.truth, j.predicted)), bootstrap.accuracy, True
    ),
    "roc_auc": Score(_roc_auc, bootstrap.roc_auc, True, True),
    "log_loss": Score(_log_loss, bootstrap.log_loss, False, True),
    "brier": Score(_brier, bootstrap.brier, False, True),
}
REGRESSION = {
    "r2": Score(lambda j: float(metrics.r2_score(j.truth, j.predicted)), bootstrap.r2, True),
    "mae": Score(
        lambda j: float(metrics.mean_absolute_error(j.truth, j.predicted)), bootstrap.mae, False
    ),
    "rmse": Score(
        lambda j: float(metrics.root_mean_squared_error(j.truth, j.predicted)),
        bootstrap.rmse,
        False,
    ),
}
SCORES = {**CLASSIFICATION, **REGRESSION}


def applicable(judged: HeldOutAnswers) -> dict[str, Score]:
    """Return the scores that can be computed here."""
    scores = REGRESSION if judged.classes is None else CLASSIFICATION
    has_probabilities = judged.probabilities is not None
    return {n: s for n, s in scores.items() if has_probabilities or not s.needs_probabilities}


def score(judged: HeldOutAnswers, baseline: HeldOutAnswers, *, seed: int) -> dict[str, ScoreEntry]:
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
    for counts in bootstrap.resamples(judged.truth, judged.classes, seed=seed):
        for name, metric in scores.items():
            draws[name].append(metric.over(judged, counts))
    result: dict[str, ScoreEntry] = {}
    for name, metric in scores.items():
        value = metric.compute(judged)
        low, high = bootstrap.interval(draws[name]) or (value, value)
        result[name] = {
            "value": value, "low": low, "high": high, "baseline": metric.compute(baseline)
        }  # fmt: skip
    return result


def class_scores(judged: HeldOutAnswers) -> list[dict[str, Any]]:
    """Return precision, recall and row count of each class, in the classes' order."""
    if judged.classes is None:
        return []
    precision, recall, _, rows = metrics.precision_recall_fscore_support(
        judged.truth, judged.predicted, labels=judged.classes, zero_division=0
    )
    return [
        {"class": label, "precision": float(p), "recall": float(r), "rows": int(n)}
        for label, p, r, n in zip(judged.classes, precision, recall, rows, strict=True)
    ]
