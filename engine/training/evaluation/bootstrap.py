"""Scores of many resamples of the held-out rows at once.

A resample is an array of counts: how often it contains each row. A thousand
resamples are a matrix, and their scores are products or sums of it. Drawing
and scoring them one at a time would take seconds.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.training.evaluation.judged import HeldOutAnswers

#: Rows drawn in all, over all resamples, and the fewest and most resamples.
ROWS, FEWEST, MOST = 20_000_000, 200, 1000

#: Rows of one matrix.
_AT_ONCE = 2_000_000


def resamples(truth: np.ndarray, classes: Sequence[Any] | None, *, seed: int) -> Iterator[Any]:
    """Draw resamples: rows with replacement, as many as there are.

    Yields arrays of shape (n_resamples, n). Resamples that lack a class are
    left out, since not every score is defined for them.
    """
    n = len(truth)
    generator = np.random.default_rng(seed)
    remaining = int(np.clip(ROWS // n, FEWEST, MOST))
    while remaining:
        count = min(remaining, max(1, _AT_ONCE // n))
        remaining -= count
        drawn = (generator.integers(0, n, n) for _ in range(count))
        counts = np.array([np.bincount(rows, minlength=n) for rows in drawn], dtype=np.float64)
        has_all = np.ones(count, dtype=bool)
        for label in classes or ():
            has_all &= counts[:, truth == label].any(axis=1)
        yield counts[has_all]


def interval(draws: Sequence[np.ndarray]) -> tuple[float, float] | None:
    """Return the 95 % interval of a percentile bootstrap; None without draws.

    Efron and Tibshirani, 1993, An Introduction to the Bootstrap, ch. 13.
    """
    scores = np.concatenate(draws)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return None
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def accuracy(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the share of right answers of each resample."""
    return _mean(judged.truth == judged.predicted, counts)


def roc_auc(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve; for more classes, the mean of one against the rest."""
    areas = [_area(*curve, counts) for curve in judged.one_against_rest().values()]
    return np.asarray(np.mean(areas, axis=0))


def log_loss(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the mean log loss of the true class."""
    assert judged.probabilities is not None
    of_truth = (judged.probabilities * _is_class(judged)).sum(axis=1)
    eps = np.finfo(np.float64).eps
    return _mean(-np.log(np.clip(of_truth, eps, 1 - eps)), counts)


def brier(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the mean squared error of the probabilities, halved for two classes."""
    assert judged.classes is not None and judged.probabilities is not None
    squares = (judged.probabilities - _is_class(judged)) ** 2
    return _mean(squares.sum(axis=1) / (2 if len(judged.classes) == 2 else 1), counts)


def mae(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the mean absolute error."""
    return _mean(np.abs(judged.truth - judged.predicted), counts)


def rmse(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the root of the mean squared error."""
    return np.asarray(_mean((judged.truth - judged.predicted) ** 2, counts) ** 0.5)


def r2(judged: HeldOutAnswers, counts: np.ndarray) -> np.ndarray:
    """Return the share of the variance that is explained; NaN where there is none."""
    centred = judged.truth - judged.truth.mean()
    spread = _mean(centred**2, counts) - _mean(centred, counts) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - _mean((judged.truth - judged.predicted) ** 2, counts) / spread)


def _mean(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts @ values / len(values))


def _is_class(judged: HeldOutAnswers) -> np.ndarray:
    assert judged.classes is not None
    return np.stack([judged.truth == label for label in judged.classes], axis=1)


def _area(is_positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the share of pairs, one positive and one not, that the scores order; a tie is half."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positive, negative = (
        np.add.reduceat((counts * of_kind)[:, order], starts, axis=1)
        for of_kind in (is_positive, ~is_positive)
    )
    below = negative.cumsum(axis=1) - negative
    right = (positive * (below + negative / 2)).sum(axis=1)
    return np.asarray(right / (positive.sum(axis=1) * negative.sum(axis=1)))
