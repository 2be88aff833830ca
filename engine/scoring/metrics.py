"""The scores of a version on rows it has not seen, and of a baseline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.schema.card import ScoreEntry
from engine.schema.messages import shown
from engine.scoring import interval
from engine.scoring.interval import FEWEST_ROWS, Estimate, Interval, mean_of
from engine.scoring.judged import HeldOutAnswers

#: The log loss reads a probability below this as this, since some runtimes answer in
#: single precision, which writes what is nearer to 1 as 1.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)


def _accuracy(judged: HeldOutAnswers) -> Estimate:
    return mean_of((judged.truth == judged.predicted).astype(np.float64))


def _roc_auc(judged: HeldOutAnswers) -> Estimate:
    """Return the area under the ROC curve; for more classes, the mean of one against the rest."""
    areas = [_area(*curve) for curve in judged.one_against_rest().values()]
    value = float(np.mean([area.value for area in areas]))
    influences = np.mean([area.influences for area in areas], axis=0)
    return Estimate(value, influences, _shares(judged))


def _area(is_positive: np.ndarray, scores: np.ndarray) -> Estimate:
    """Return the share of pairs, one positive and one not, that the scores order; a tie is half.

    A row's influence is how often it is ordered rightly (DeLong et al., 1988).
    """
    n, positives = len(scores), int(is_positive.sum())
    negatives = n - positives
    right = _ranks(scores)
    for group in (is_positive, ~is_positive):
        right[group] -= _ranks(scores[group])
    right[is_positive] /= negatives
    right[~is_positive] = 1 - right[~is_positive] / positives
    area = float(right[is_positive].mean())
    weights = np.where(is_positive, n / positives, n / negatives)
    return Estimate(area, (right - area) * weights)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the places of values in their order, from 1; equal ones have the mean of theirs.

    `scipy.stats` has it too, and takes seconds to import, which a dashboard would wait for.
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _log_loss(judged: HeldOutAnswers) -> Estimate:
    assert judged.probabilities is not None
    of_truth = (judged.probabilities * _is_class(judged)).sum(axis=1)
    losses = mean_of(-np.log(np.clip(of_truth, LEAST_PROBABILITY, 1)))
    return losses if len(judged.classes or ()) > 2 else losses._replace(parts=_shares(judged))


def _brier(judged: HeldOutAnswers) -> Estimate:
    """Return Brier's score (1950, Monthly Weather Review 78(1)), halved for two classes."""
    assert judged.classes is not None and judged.probabilities is not None
    squares = (judged.probabilities - _is_class(judged)) ** 2
    if len(judged.classes) > 2:
        return mean_of(squares.sum(axis=1))
    return mean_of(squares.sum(axis=1) / 2)._replace(parts=_shares(judged))


def _mae(judged: HeldOutAnswers) -> Estimate:
    return mean_of(np.abs(judged.truth - judged.predicted))


def _rmse(judged: HeldOutAnswers) -> Estimate:
    errors = judged.truth - judged.predicted
    squares = mean_of(errors**2)
    root = squares.value**0.5
    influences = squares.influences / (2 * root) if root else squares.influences
    return Estimate(root, influences, squared=(("errors", errors),))


def _r2(judged: HeldOutAnswers) -> Estimate:
    errors, apart = judged.truth - judged.predicted, judged.truth - judged.truth.mean()
    squares, deviations = errors**2, apart**2
    spread = deviations.mean()
    rest = float(squares.mean() / spread)
    influences = (rest * deviations - squares) / spread
    return Estimate(1 - rest, influences, squared=(("errors", errors), ("true values", apart)))


def _shares(judged: HeldOutAnswers) -> tuple[np.ndarray, ...]:
    """Return for each class, or one of two, how far its rows are from its share."""
    is_class = _is_class(judged).astype(np.float64)
    return tuple((is_class - is_class.mean(axis=0)).T[: None if is_class.shape[1] > 2 else 1])


def _is_class(judged: HeldOutAnswers) -> np.ndarray:
    assert judged.classes is not None
    return np.stack([judged.truth == label for label in judged.classes], axis=1)


@dataclass(frozen=True)
class Score:
    """One score: how it is computed, what its interval is, and which way is better."""

    estimate: Callable[[HeldOutAnswers], Estimate]
    interval: Callable[[Estimate], Interval]
    is_better_higher: bool
    needs_probabilities: bool = False
    is_root: bool = False

    def entry(self, judged: HeldOutAnswers) -> dict[str, Any]:
        """Return the score of answers with its interval."""
        estimate = self.estimate(judged)
        return self.interval(estimate).entry(estimate.value)

    def gain(self, ours: Estimate, theirs: Estimate) -> Estimate:
        """Return by how much one of two models is better on the same rows, 0 if by nothing.

        The difference of two roots is that of the means below them, over the sum of the roots.
        Each row is weighed so: with a root of its own, the model that erred less by chance
        would seem surer, and 30 rows let equals win too often.
        """
        sign = 1 if self.is_better_higher else -1
        value, both = sign * (ours.value - theirs.value), (ours.value + theirs.value) / 2
        ours_each, theirs_each = (
            model.influences * (model.value / both if self.is_root and both else 1)
            for model in (ours, theirs)
        )
        return Estimate(value, sign * (ours_each - theirs_each))


CLASSIFICATION = {
    "accuracy": Score(_accuracy, interval.of_share, True),
    "roc_auc": Score(_roc_auc, interval.of_area, True, True),
    "log_loss": Score(_log_loss, interval.of_loss, False, True),
    "brier": Score(_brier, interval.of_loss, False, True),
}
REGRESSION = {
    "r2": Score(_r2, interval.of_explained, True),
    "mae": Score(_mae, interval.of_errors, False),
    "rmse": Score(_rmse, interval.of_root, False, is_root=True),
}
SCORES = {**CLASSIFICATION, **REGRESSION}


def applicable(judged: HeldOutAnswers) -> dict[str, Score]:
    """Return the scores that can be computed here."""
    scores = REGRESSION if judged.classes is None else CLASSIFICATION
    has_probabilities = judged.probabilities is not None
    impossible = not_computable(judged.truth, judged.classes)
    return {
        name: score
        for name, score in scores.items()
        if (has_probabilities or not score.needs_probabilities) and name not in impossible
    }


def not_computable(truth: np.ndarray, classes: Any) -> dict[str, str]:
    """Return why some scores cannot be computed from these true values, by score."""
    if classes is None:
        if len(np.unique(truth)) > 1:
            return {}
        rows = "there is one value" if len(truth) == 1 else f"all {len(truth)} are equal"
        return {"r2": f"it is measured by how the held-out values vary, and {rows}"}
    absent = [shown(label) for label in classes if not (truth == label).any()]
    if not absent:
        return {}
    return {"roc_auc": f"none of the {len(truth)} held-out rows has the class {', '.join(absent)}"}


def incomparable(name: str, judged: HeldOutAnswers) -> str:
    """Return why a score of two models on these rows tells nothing; empty if it does.

    An area depends on every row of the rarer class: with one of 30, equals won in 12 % of trials.
    """
    rows, of_class = len(judged.truth), ""
    if name == "roc_auc":
        rows = min(int((judged.truth == label).sum()) for label in judged.classes or ())
        of_class = " of each class"
    if rows >= FEWEST_ROWS:
        return ""
    there_are = f"one has {rows}: set another score" if of_class else f"there are {rows}"
    return f"it takes {FEWEST_ROWS} held-out rows{of_class} to tell, and {there_are}"


def score(judged: HeldOutAnswers, baseline: HeldOutAnswers) -> dict[str, ScoreEntry]:
    """Score held-out rows, with intervals of 95 %, beside a baseline.

    ``baseline`` is the same score of a model that ignores its input. A ``remark`` says why
    an interval may hold less often than it should.
    """
    result: dict[str, ScoreEntry] = {}
    for name, metric in applicable(judged).items():
        plain = metric.estimate(baseline).value
        result[name] = {**metric.entry(judged), "baseline": plain}  # type: ignore[typeddict-item]
    return result


def class_scores(judged: HeldOutAnswers) -> list[dict[str, Any]]:
    """Return precision, recall and row count of each class, in the classes' order.

    The precision of a class that is never predicted is None, and so is the recall of one
    that no row has.
    """
    entries = []
    for label in judged.classes or ():
        is_class, is_predicted = judged.truth == label, judged.predicted == label
        right = int((is_class & is_predicted).sum())
        rows, predicted = int(is_class.sum()), int(is_predicted.sum())
        entries.append(
            {
                "class": label,
                "precision": right / predicted if predicted else None,
                "recall": right / rows if rows else None,
                "rows": rows,
            }
        )
    return entries
