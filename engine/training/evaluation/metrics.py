"""The scores of a version on rows it has not seen, and of a baseline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from engine.schema.card import ScoreEntry
from engine.training.evaluation import bootstrap
from engine.training.evaluation.judged import HeldOutAnswers

Compute = Callable[[HeldOutAnswers], float]


def _of_values(metric: Callable[..., float]) -> Compute:
    return lambda judged: float(metric(judged.truth, judged.predicted))


def _of_probabilities(metric: Callable[..., float], **options: str) -> Compute:
    """Score the positive class's probability of two classes, otherwise all probabilities."""

    def compute(judged: HeldOutAnswers) -> float:
        if judged.classes is not None and len(judged.classes) == 2:
            return float(metric(judged.truth == judged.positive, judged.positive_probability()))
        return float(metric(judged.truth, judged.probabilities, labels=judged.classes, **options))

    return compute


def _log_loss(judged: HeldOutAnswers) -> float:
    return float(metrics.log_loss(judged.truth, judged.probabilities, labels=judged.classes))


@dataclass(frozen=True)
class Score:
    """One score: how it is computed and which way is better.

    `over` takes counts of shape (n_resamples, n) and returns (n_resamples,) scores.
    """

    compute: Compute
    over: Callable[[HeldOutAnswers, np.ndarray], np.ndarray]
    is_better_higher: bool
    needs_probabilities: bool = False


CLASSIFICATION = {
    "accuracy": Score(_of_values(metrics.accuracy_score), bootstrap.accuracy, True),
    "roc_auc": Score(
        _of_probabilities(metrics.roc_auc_score, multi_class="ovr"), bootstrap.roc_auc, True, True
    ),
    "log_loss": Score(_log_loss, bootstrap.log_loss, False, True),
    # Brier, G. W. (1950), Monthly Weather Review 78(1); halved for two classes.
    "brier": Score(_of_probabilities(metrics.brier_score_loss), bootstrap.brier, False, True),
}
REGRESSION = {
    "r2": Score(_of_values(metrics.r2_score), bootstrap.r2, True),
    "mae": Score(_of_values(metrics.mean_absolute_error), bootstrap.mae, False),
    "rmse": Score(_of_values(metrics.root_mean_squared_error), bootstrap.rmse, False),
}
SCORES = {**CLASSIFICATION, **REGRESSION}


def applicable(judged: HeldOutAnswers) -> dict[str, Score]:
    """Return the scores that can be computed here."""
    scores = REGRESSION if judged.classes is None else CLASSIFICATION
    has_probabilities = judged.probabilities is not None
    return {n: s for n, s in scores.items() if has_probabilities or not s.needs_probabilities}


def score(judged: HeldOutAnswers, baseline: HeldOutAnswers, *, seed: int) -> dict[str, ScoreEntry]:
    """Score held-out rows, with intervals, beside a baseline.

    ``low`` and ``high`` are the 95 % interval of a percentile bootstrap over
    rows; ``baseline`` is the same score of a model that ignores its input.
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
