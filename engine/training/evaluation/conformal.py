"""How far answers are from the truth: split conformal prediction, by the held-out rows.

The rank of a new row among n held-out ones that are like it is each of n + 1 with equal
probability (Vovk, Gammerman and Shafer, 2005). Nothing is assumed of the model or its errors.
docs/explanation/uncertainty.md compares the methods, and measures how often they hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from engine.runtime.uncertainty import COVERAGE, COVERAGES, in_set, key_of
from engine.schema.messages import rounded
from engine.scoring.judged import HeldOutAnswers

#: The answers are cut into so many buckets, as many training rows in each.
BUCKETS = 5

#: A bucket has margins of its own where so many of its held-out rows fall outside of them.
_OUTSIDE = 5

#: So often are the held-out rows split again, at most so many of them, a fifth to judge on.
RESPLITS, _MOST_ROWS, _JUDGED = 200, 5_000, 5

#: The coverage of fewer rows is not measured, nor that of rarer words of a field.
_FEWEST_OF_PART, _MOST_WORDS = 30, 20


@dataclass(frozen=True)
class _Errors:
    """The errors of n answers, their buckets, and how large those of each bucket mostly are."""

    errors: np.ndarray
    buckets: np.ndarray
    scales: np.ndarray

    def limits(self, rows: np.ndarray, coverage: float) -> np.ndarray | None:
        """Return what is added to the answers of each bucket for both ends; None for few rows.

        Where a bucket has few rows, the errors of all count, each as a share of its bucket's.
        """
        fewest = np.bincount(self.buckets, minlength=len(self.scales)).min()
        if fewest * (1 - max(coverage, COVERAGE)) < _OUTSIDE:
            ends = _between(self.errors[rows] / self.scales[self.buckets[rows]], coverage)
            return None if ends is None else self.scales[:, None] * ends
        own = [self.errors[rows[self.buckets[rows] == place]] for place in range(len(self.scales))]
        ends_of = [_between(errors, coverage) for errors in own]
        return None if any(ends is None for ends in ends_of) else np.array(ends_of)

    def are_covered(self, limits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return which rows have the truth within the limits."""
        low, high = limits[self.buckets[rows]].T
        return np.asarray((low <= self.errors[rows]) & (self.errors[rows] <= high))


@dataclass(frozen=True)
class _Shares:
    """The probabilities of n answers, and the places of the true and the predicted classes."""

    shares: np.ndarray
    truth: np.ndarray
    chosen: np.ndarray

    def limits(self, rows: np.ndarray, coverage: float) -> np.ndarray | None:
        """Return the least probability with which each class is in a set; None for few rows.

        A class with few rows is in every set.
        """
        own = [
            np.sort(self.shares[rows[self.truth[rows] == place], place])
            for place in range(self.shares.shape[1])
        ]
        outside = [_outside(len(shares), coverage) for shares in own]
        if not any(outside):
            return None
        pairs = zip(own, outside, strict=True)
        return np.array([shares[count - 1] if count else 0.0 for shares, count in pairs])

    def are_covered(self, limits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return which rows have their true class in the set."""
        is_in = in_set(self.shares[rows], limits, self.chosen[rows])
        return np.asarray(is_in[np.arange(len(rows)), self.truth[rows]])


def calibrate(
    judged: HeldOutAnswers, trained: HeldOutAnswers | None, segments: pd.DataFrame, target: str,
    times: np.ndarray | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what a card has of the intervals, or sets of classes, of the answers.

    Parameters
    ----------
    trained : HeldOutAnswers or None
        Answers to rows that were learnt from: they tell which answers mostly have large errors.
    segments : DataFrame
        The words of the held-out rows, by which the coverage is measured, too.
    target : str
        The name of what is predicted.
    times : ndarray of shape (n,) or None
        The times of the held-out rows, where these are the last.
    """
    n = len(judged.truth)
    entry: dict[str, Any] = {"rows": n}
    answers: _Errors | _Shares
    if judged.classes is None:
        edges = _edges(judged if trained is None else trained)
        answers, parts = _errors(judged, trained, edges), _by_answer(judged.predicted)
        entry["edges"] = edges.tolist()
    else:
        answers = _shares(judged)
        parts = {str(label): answers.truth == at for at, label in enumerate(judged.classes)}
    limits = _nested(answers, np.arange(n))
    entry["limits"] = {key: ends.tolist() for key, ends in limits.items()}
    if key_of(COVERAGE) not in limits:
        entry["remark"] = f"{n} held-out rows are too few for a coverage of {COVERAGE:.0%}"
        return entry
    parts_of = {target: parts} | {str(name): _words(segments[name]) for name in segments}
    measured = _measure(answers, n, parts_of, times)
    return entry | ({"measured": measured} if measured["mean"] else {})


def _edges(judged: HeldOutAnswers) -> np.ndarray:
    return np.unique(np.quantile(judged.predicted, np.arange(1, BUCKETS) / BUCKETS))


def _errors(judged: HeldOutAnswers, trained: HeldOutAnswers | None, edges: np.ndarray) -> _Errors:
    buckets = np.searchsorted(edges, judged.predicted, side="right")
    scales = np.ones(len(edges) + 1)
    if trained is not None:
        sizes = np.abs(trained.truth - trained.predicted)
        places = np.searchsorted(edges, trained.predicted, side="right")
        counts = np.bincount(places, minlength=len(scales))
        sums = np.bincount(places, sizes, minlength=len(scales))
        # Five rows of the mean keep a bucket that was learnt by heart from having no width.
        means = (sums + 5 * sizes.mean()) / (counts + 5)
        scales = means if means.all() else scales
    return _Errors(judged.truth - judged.predicted, buckets, scales)


def _shares(judged: HeldOutAnswers) -> _Shares:
    assert judged.probabilities is not None
    places = {label: at for at, label in enumerate(judged.classes or ())}
    truth, chosen = (
        np.array([places[label] for label in labels.tolist()])
        for labels in (judged.truth, judged.predicted)
    )
    return _Shares(judged.probabilities, truth, chosen)


def _outside(n: int, coverage: float) -> int:
    """Return how many of n + 1 ranks a coverage may leave out."""
    return int((1 - coverage) * (n + 1) + 1e-9)


def _between(errors: np.ndarray, coverage: float) -> np.ndarray | None:
    """Return the two errors between which a new one is; None where there is none outside."""
    outside = _outside(len(errors), coverage)
    if outside < 2:
        return None
    return np.sort(errors)[[outside // 2 - 1, len(errors) - (outside - outside // 2)]]


def _nested(answers: _Errors | _Shares, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the limits by coverage: those of a higher one are never narrower."""
    nested: dict[str, np.ndarray] = {}
    before: np.ndarray | None = None
    for coverage in COVERAGES:
        if (limits := answers.limits(rows, coverage)) is None:
            break
        if before is not None and limits.ndim == 1:
            limits = np.minimum(limits, before)
        elif before is not None:
            limits = np.sort(np.hstack([limits, before]))[:, [0, -1]]
        nested[key_of(coverage)] = before = limits
    return nested


def _by_answer(predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return which rows are in each fifth of the answers, by its range."""
    edges = np.unique(np.quantile(predicted, np.arange(1, BUCKETS) / BUCKETS, method="lower"))
    places = np.searchsorted(edges, predicted)
    ends = ["", *map(rounded, edges), ""]
    return {
        f"{low} to {high}" if low and high else f"up to {high}" if high else f"above {low}":
        places == at
        for at, (low, high) in enumerate(pairwise(ends))
    }  # fmt: skip


def _words(column: pd.Series) -> dict[str, np.ndarray]:
    return {word: (column == word).to_numpy() for word in column.value_counts().index[:_MOST_WORDS]}


def _measure(
    answers: _Errors | _Shares, n: int, parts_of: Mapping[str, Mapping[str, np.ndarray]],
    times: np.ndarray | None,
) -> dict[str, Any]:  # fmt: skip
    """Measure how often limits by some of the rows hold for the others, over all and by parts."""
    draw = np.random.default_rng(0)
    hits, trials = np.zeros(n), np.zeros(n)
    for _ in range(RESPLITS):
        order = draw.permutation(n)[:_MOST_ROWS]
        judged, rows = np.split(order, [-(-len(order) // _JUDGED)])
        if (limits := answers.limits(rows, COVERAGE)) is None:
            continue
        hits[judged] += answers.are_covered(limits, judged)
        trials[judged] += 1
    parts = [
        _part(field, word, rows, hits[rows].sum() / max(trials[rows].sum(), 1))
        for field, words in parts_of.items()
        for word, rows in words.items()
        if rows.sum() >= _FEWEST_OF_PART
    ]
    parts += [] if times is None else _last(answers, times)
    mean = round(float(hits.sum() / max(trials.sum(), 1)), 4)
    return {"coverage": COVERAGE, "resplits": RESPLITS, "mean": mean, "parts": parts}


def _part(field: str, word: str, rows: np.ndarray, coverage: float) -> dict[str, Any]:
    """Describe the rows whose field is a word, and their coverage."""
    count = int(rows.sum())
    return {"field": field, "is": word, "rows": count, "coverage": round(float(coverage), 4)}


def _last(answers: _Errors | _Shares, times: np.ndarray) -> Iterator[dict[str, Any]]:
    """Measure limits by the first held-out rows on the last fifth, which is later than they."""
    rows, judged = np.split(np.argsort(times, kind="stable"), [-(len(times) // _JUDGED)])
    limits = answers.limits(rows, COVERAGE)
    if limits is not None and len(judged) >= _FEWEST_OF_PART:
        share = answers.are_covered(limits, judged).mean()
        yield _part("time", "the last fifth", np.ones(len(judged), dtype=bool), share)
