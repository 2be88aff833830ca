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

from engine.runtime.coarsening import coarsen, decimals_of
from engine.runtime.uncertainty import COVERAGE, COVERAGES, in_set, key_of
from engine.schema.messages import rounded
from engine.scoring.judged import HeldOutAnswers

#: The answers are cut into so many buckets, at fifths of the training rows' answers. Each has
#: margins of its own if so many of its held-out rows fall outside of them.
BUCKETS, _OUTSIDE = 5, 5

#: So often are the held-out rows split again, at most so many of them, a fifth to judge on.
RESPLITS, _MOST_ROWS, _JUDGED = 200, 5_000, 5

#: The coverage of rarer words of a field is not measured, nor that of more words.
_FEWEST_OF_PART, _MOST_WORDS = 30, 20


@dataclass(frozen=True)
class _Ranked:
    """One number for each of n answers, and the group within which its rank counts.

    For a regression it is the error, as a share of the scale of the answer's bucket. For classes it
    is the probability of the true one, which is the group, and `shares` are all probabilities.
    """

    numbers: np.ndarray
    groups: np.ndarray
    scales: np.ndarray
    shares: np.ndarray | None = None
    chosen: np.ndarray | None = None

    def limits(self, rows: np.ndarray, coverage: float) -> np.ndarray | None:
        """Return what a card has for each group, by some of the rows; None for too few.

        That is both ends of an interval, by the ranks of all rows where the groups are small, or
        the least probability of a class in a set, 0 where the class has few rows.
        """
        fewest = np.bincount(self.groups, minlength=len(self.scales)).min()
        is_enough = fewest * (1 - max(coverage, COVERAGE)) >= _OUTSIDE - 1e-9
        is_apart = self.shares is not None or is_enough
        ends = []
        for group in range(len(self.scales)):
            own = rows[self.groups[rows] == group] if is_apart else rows
            numbers = np.sort(self.numbers[own])
            outside = int((1 - coverage) * (len(own) + 1) + 1e-9)  # ranks that may be left out
            if self.shares is not None:
                ends.append(numbers[outside - 1] if outside else 0.0)
            elif outside < 2:
                return None
            else:
                low, high = numbers[[outside // 2 - 1, outside // 2 - outside]]
                ends.append([low * self.scales[group], high * self.scales[group]])
        # A number may be answered without any error; sets of all classes say nothing.
        return np.array(ends) if self.shares is None or np.any(ends) else None

    def are_covered(self, limits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return which rows have the truth within limits."""
        groups = self.groups[rows]
        if self.shares is not None and self.chosen is not None:
            is_in = in_set(self.shares[rows], limits, self.chosen[rows])
            return np.asarray(is_in[np.arange(len(rows)), groups])
        errors = self.numbers[rows] * self.scales[groups]
        return np.asarray((limits[groups, 0] <= errors) & (errors <= limits[groups, 1]))


def calibrate(
    judged: HeldOutAnswers, trained: HeldOutAnswers | None, segments: pd.DataFrame, target: str,
    times: np.ndarray | None = None, keys: np.ndarray | None = None,
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
    keys : ndarray of shape (n,) or None
        Equal for rows that belong together, as those of a group; a new row has none of its own.
    """
    n, entry = len(judged.truth), {}
    if judged.classes is None:
        edges = _edges((trained or judged).predicted)
        answers, parts = _errors(judged, trained, edges), _by_answer(judged.predicted)
        entry["edges"] = edges.tolist()
    else:
        answers = _shares(judged)
        parts = {str(label): answers.groups == at for at, label in enumerate(judged.classes)}
    limits = {key_of(each): answers.limits(np.arange(n), each) for each in COVERAGES}
    if judged.classes is None:
        _widen([each for each in limits.values() if each is not None])
    entry |= {"rows": n, "limits": {key: x.tolist() for key, x in limits.items() if x is not None}}
    if limits[key_of(COVERAGE)] is None:
        return entry | {"remark": f"{n} held-out rows are too few for a coverage of {COVERAGE:.0%}"}
    parts_of = {target: parts} | {str(name): _words(segments[name]) for name in segments}
    measured = _measure(answers, n, parts_of, times, keys)
    return entry | ({"measured": measured} if measured["mean"] else {})


def _widen(limits: list[np.ndarray]) -> None:
    """Make no interval narrower than one of less coverage, which may have margins by bucket."""
    for less, more in pairwise(limits):
        more[:, 0] = np.minimum(less[:, 0], more[:, 0])
        more[:, 1] = np.maximum(less[:, 1], more[:, 1])


def resplits(
    count: int, n: int, keys: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield so often a fifth of n rows to judge on, and the others; equal keys stay together."""
    draw = np.random.default_rng(0)
    numbers = np.arange(n) if keys is None else np.unique(keys, return_inverse=True)[1]
    for _ in range(count):
        ranks = draw.permutation(numbers.max() + 1)[numbers]
        order = np.argsort(ranks, kind="stable")[:_MOST_ROWS]
        last = ranks[order[-(-len(order) // _JUDGED) - 1]]
        yield order[ranks[order] <= last], order[ranks[order] > last]


def _edges(answers: np.ndarray) -> np.ndarray:
    edges = np.quantile(answers, np.arange(1, BUCKETS) / BUCKETS, method="lower")
    return np.unique(coarsen(edges, decimals_of(answers)))


def _errors(judged: HeldOutAnswers, trained: HeldOutAnswers | None, edges: np.ndarray) -> _Ranked:
    scales = np.ones(len(edges) + 1)
    if trained is not None:
        sizes = np.abs(trained.truth - trained.predicted)
        places = np.searchsorted(edges, trained.predicted, side="right")
        counts, sums = (np.bincount(places, each, len(scales)) for each in (None, sizes))
        # Five rows of the mean keep a bucket that was learnt by heart from having no width.
        means = (sums + 5 * sizes.mean()) / (counts + 5)
        scales = means if means.all() else scales
    buckets = np.searchsorted(edges, judged.predicted, side="right")
    return _Ranked((judged.truth - judged.predicted) / scales[buckets], buckets, scales)


def _shares(judged: HeldOutAnswers) -> _Ranked:
    assert judged.probabilities is not None and judged.classes is not None
    places = {label: at for at, label in enumerate(judged.classes)}
    truth, chosen = (
        np.array([places[label] for label in labels.tolist()])
        for labels in (judged.truth, judged.predicted)
    )
    of_truth = judged.probabilities[np.arange(len(truth)), truth]
    return _Ranked(of_truth, truth, np.ones(len(places)), judged.probabilities, chosen)


def _by_answer(predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return which rows are in each fifth of the answers, by its range."""
    edges = _edges(predicted)
    places = np.searchsorted(edges, predicted)
    names = [f"{low} to {high}" for low, high in pairwise(map(rounded, edges))]
    first, last = rounded(edges[0]), rounded(edges[-1])
    names = [f"up to {first}", *names, f"above {last}"]
    return {name: places == at for at, name in enumerate(names)}


def _words(column: pd.Series) -> dict[str, np.ndarray]:
    counts = column.value_counts()[:_MOST_WORDS]
    return {word: (column == word).to_numpy() for word in counts.index[counts >= _FEWEST_OF_PART]}


def _measure(
    answers: _Ranked, n: int, parts_of: Mapping[str, Mapping[str, np.ndarray]],
    times: np.ndarray | None, keys: np.ndarray | None,
) -> dict[str, Any]:  # fmt: skip
    """Measure how often limits by some of the rows hold for the others, over all and by parts."""
    hits, trials = np.zeros(n), np.zeros(n)
    for judged, rows in resplits(RESPLITS, n, keys):
        if (limits := answers.limits(rows, COVERAGE)) is not None:
            hits[judged] += answers.are_covered(limits, judged)
            trials[judged] += 1
    parts = [
        (field, word, int(rows.sum()), hits[rows].sum() / max(trials[rows].sum(), 1))
        for field, words in parts_of.items()
        for word, rows in words.items()
        if rows.any()
    ]
    if times is not None:  # the last fifth, by limits from the rows before
        rows, judged = np.split(np.argsort(times, kind="stable"), [n - n // _JUDGED])
        if len(judged) and (limits := answers.limits(rows, COVERAGE)) is not None:
            share = answers.are_covered(limits, judged).mean()
            parts.append(("time", "the last fifth", len(judged), share))
    mean = hits.sum() / max(trials.sum(), 1)
    return {
        "coverage": COVERAGE, "resplits": RESPLITS, "mean": round(float(mean), 4),
        "parts": [
            {"field": field, "is": word, "rows": count, "coverage": round(float(share), 4)}
            for field, word, count, share in parts
        ],
    }  # fmt: skip
