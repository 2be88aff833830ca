"""How far answers are from the truth: split conformal prediction, by the held-out rows.

The rank of a new row among n held-out ones that are like it is each of n + 1 with equal
probability (Vovk, Gammerman and Shafer, 2005). Nothing is assumed of the model or its errors.
docs/explanation/uncertainty.md compares the methods, and measures how often they hold.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from engine.runtime.coarsening import coarsen, decimals_of
from engine.runtime.coverage import COVERAGE, COVERAGES, in_set, key_of
from engine.schema.messages import plain
from engine.scoring.judged import HeldOutAnswers

#: The answers are cut into so many buckets, at fifths of the training rows' answers. Each has
#: margins of its own if so many of its held-out rows fall outside of them.
BUCKETS, _OUTSIDE = 5, 5

#: So often are the held-out rows split again, at most so many of them, a fifth to judge on.
RESPLITS, _MOST_ROWS, _JUDGED = 200, 5_000, 5

#: The coverage of rarer words of a field is not measured, nor that of more words.
_FEWEST_OF_PART, _MOST_WORDS = 30, 20

#: The rows that are judged, and those that make the limits; and a field, its word and its rows.
_Split = tuple[np.ndarray, np.ndarray]
_Part = tuple[str, str, np.ndarray]


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
    keys: np.ndarray | None = None, *, is_by_time: bool = False,
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
    keys : ndarray of shape (n,) or None
        Equal for rows that belong together, as those of a group; or the times of the rows.
    """
    n, entry = len(judged.truth), {}
    if judged.classes is None:
        edges = _edges((trained or judged).predicted)
        answers, names = _errors(judged, trained, edges), _ranges(edges)
        entry["edges"] = edges.tolist()
    else:
        answers, names = _shares(judged), [str(label) for label in judged.classes]
    limits = {key_of(each): answers.limits(np.arange(n), each) for each in COVERAGES}
    if judged.classes is None:
        _widen([each for each in limits.values() if each is not None])
    entry |= {"rows": n, "limits": {key: x.tolist() for key, x in limits.items() if x is not None}}
    if limits[key_of(COVERAGE)] is None:
        return entry | {"remark": f"{n} held-out rows are too few for a coverage of {COVERAGE:.0%}"}
    parts = [(target, name, np.flatnonzero(answers.groups == at)) for at, name in enumerate(names)]
    parts += [part for name in segments for part in _words(segments[name])]
    measured = _measure(answers, parts, keys, is_by_time=is_by_time)
    return entry | ({"measured": measured} if measured["mean"] else {})


def _widen(limits: list[np.ndarray]) -> None:
    """Make no interval narrower than one of less coverage, which may have margins by bucket."""
    for less, more in pairwise(limits):
        more[:, 0] = np.minimum(less[:, 0], more[:, 0])
        more[:, 1] = np.maximum(less[:, 1], more[:, 1])


def splits_of(
    n: int, keys: np.ndarray | None = None, *, is_by_time: bool = False
) -> tuple[Iterator[_Split], list[_Split]]:
    """Split n rows at random, `RESPLITS` times; by time also into the last fifth and the others.

    At random, rows of equal keys stay together, unless these are times.
    """
    if keys is None or not is_by_time:
        return _resplits(np.arange(n) if keys is None else keys), []
    before, last = np.split(np.argsort(keys, kind="stable"), [n - n // _JUDGED])
    return _resplits(np.arange(n)), [(last, before)]


def _resplits(keys: np.ndarray) -> Iterator[_Split]:
    draw, numbers = np.random.default_rng(0), np.unique(keys, return_inverse=True)[1]
    for _ in range(RESPLITS):
        ranks = draw.permutation(numbers.max() + 1)[numbers]
        order = np.argsort(ranks, kind="stable")[:_MOST_ROWS]
        last = ranks[order[-(-len(order) // _JUDGED) - 1]]
        yield order[ranks[order] <= last], order[ranks[order] > last]


def _edges(answers: np.ndarray) -> np.ndarray:
    edges = np.quantile(answers, np.arange(1, BUCKETS) / BUCKETS, method="lower")
    return np.unique(coarsen(edges, decimals_of(answers)))


def _ranges(edges: np.ndarray) -> list[str]:
    """Write the ranges of the answers in each bucket."""
    ends = [plain(edge, 4) for edge in edges.tolist()]
    return [f"below {ends[0]}", *map(" to ".join, pairwise(ends)), f"from {ends[-1]}"]


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


def _words(column: pd.Series) -> list[_Part]:
    counts = column.value_counts()[:_MOST_WORDS]
    words = counts.index[counts >= _FEWEST_OF_PART]
    return [(str(column.name), word, np.flatnonzero(column == word)) for word in words]


def _measure(
    answers: _Ranked, parts: list[_Part], keys: np.ndarray | None, *, is_by_time: bool
) -> dict[str, Any]:
    """Measure how often limits by some of the rows hold for the others, over all and by parts."""
    anew, later = splits_of(len(answers.numbers), keys, is_by_time=is_by_time)
    hits, trials = _count(answers, anew)
    shares = [(*part, hits[part[2]].sum(), trials[part[2]].sum()) for part in parts]
    if later:
        held, of = _count(answers, later)
        shares.append(("time", "the last fifth", np.flatnonzero(of), held.sum(), of.sum()))
    return {
        "coverage": COVERAGE, "resplits": RESPLITS,
        "mean": round(float(hits.sum() / max(trials.sum(), 1)), 4),
        "parts": [
            {"field": field, "is": word, "rows": len(rows), "coverage": round(float(held / of), 4)}
            for field, word, rows, held, of in shares
            if of
        ],
    }  # fmt: skip


def _count(answers: _Ranked, splits: Iterable[_Split]) -> tuple[np.ndarray, np.ndarray]:
    """Count for each row how often limits by others held for it, and how often it was judged."""
    hits, trials = np.zeros((2, len(answers.numbers)))
    for judged, rows in splits:
        if (limits := answers.limits(rows, COVERAGE)) is not None:
            hits[judged] += answers.are_covered(limits, judged)
            trials[judged] += 1
    return hits, trials
