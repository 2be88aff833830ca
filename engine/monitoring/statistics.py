"""Two samples compared: how far they are apart, and how likely that is by chance.

docs/explanation/drift.md measures how often equal samples seem to differ.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

BINS = 10

Counts = Sequence[float] | np.ndarray

#: Words of which fewer rows are expected count together: chi-square needs as many (Cochran, 1954).
_FEWEST_EXPECTED = 5


class Difference(NamedTuple):
    """How far two samples are apart, as their PSI and as the share of rows that moved."""

    psi: float
    moved: float  # in [0, 1]; between numbers it is the statistic of Kolmogorov and Smirnov
    p: float


def psi(reference: Counts, current: Counts) -> float:
    """Return the population stability index of counts by bin; half a row is added to each bin."""
    before, now = (np.asarray(counts, np.float64) + 0.5 for counts in (reference, current))
    before, now = before / before.sum(), now / now.sum()
    return float(((now - before) * np.log(now / before)).sum())


def compare_numbers(reference: np.ndarray, current: np.ndarray) -> Difference:
    """Compare numbers, by the deciles of the reference and by the test of Kolmogorov-Smirnov."""
    from scipy.stats import ks_2samp

    test = ks_2samp(reference, current, method="asymp")
    deciles = np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")
    fills_one = np.nextafter(deciles[1:][np.diff(deciles) == 0], np.inf)  # so it has its own bin
    edges = np.unique([*deciles, *fills_one])
    counts = np.stack([
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        for values in (reference, current)
    ])  # fmt: skip
    bins = counts[:, counts.any(axis=0)]
    return Difference(psi(*bins), float(test.statistic), float(test.pvalue))


def compare_words(reference: Mapping[str, int], current: Mapping[str, int]) -> Difference:
    """Compare rows by word, with Pearson's chi-square; rare words count together."""
    from scipy.stats import chi2_contingency

    words = sorted({*reference, *current})
    counts = np.array([[rows.get(word, 0) for word in words] for rows in (reference, current)])
    totals = counts.sum(axis=1)
    expected = counts.sum(axis=0) * totals.min() / totals.sum()
    is_rare = expected < _FEWEST_EXPECTED
    pooled = np.column_stack([counts[:, ~is_rare], counts[:, is_rare].sum(axis=1)])
    pooled = pooled[:, pooled.any(axis=0)]
    p = chi2_contingency(pooled, correction=False).pvalue if pooled.shape[1] > 1 else 1.0
    before, now = pooled / totals[:, None]
    return Difference(psi(*pooled), float(np.abs(now - before).sum() / 2), float(p))


def compare_rates(hits: int, rows: int, current_hits: int, current_rows: int) -> float:
    """Return Fisher's probability that two rates differ by chance so much."""
    from scipy.stats import fisher_exact

    table = [[hits, rows - hits], [current_hits, current_rows - current_hits]]
    return float(fisher_exact(table).pvalue)


def beyond(reference_rows: int, current_rows: int, hits: int) -> float:
    """Return the probability that as many of the current rows are above all of the reference.

    Of equal samples, the largest rows of both are all of the current one only by chance; the
    factor of two is for the other end.
    """
    ranks = np.arange(hits)
    log_p = np.log((current_rows - ranks) / (reference_rows + current_rows - ranks)).sum()
    return min(1.0, 2 * math.exp(log_p))


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust probabilities for their number (Holm, S. (1979), Scand. J. Statistics 6(2))."""
    order = np.argsort(ps, kind="stable")
    adjusted = np.empty(len(ps))
    adjusted[order] = np.maximum.accumulate(np.asarray(ps)[order] * np.arange(len(ps), 0, -1))
    return list(np.minimum(adjusted, 1.0).tolist())
