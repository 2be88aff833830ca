"""The statistics of drift are those of SciPy, and hold where samples are small or odd."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from engine.monitoring.statistics import (
    beyond,
    compare_numbers,
    compare_rates,
    compare_words,
    holm,
    psi,
)


def test_psi_when_bins_are_filled_is_the_sum_of_both_entropies() -> None:
    reference, current = np.array([400.0, 300, 200, 100]), np.array([10.0, 20, 30, 40])
    before, now = (reference + 0.5) / 1002, (current + 0.5) / 102

    assert psi(reference, current) == pytest.approx(
        stats.entropy(before, now) + stats.entropy(now, before)
    )
    assert psi(reference, reference / 10) == pytest.approx(0, abs=1e-3)
    assert 0 < psi([0, 10], [10, 0]) < 20  # an empty bin is not infinitely far


def test_numbers_when_compared_have_the_statistics_of_scipy() -> None:
    draw = np.random.default_rng(3)
    reference, current = np.sort(draw.normal(size=1000)), draw.normal(0.3, size=500)

    difference = compare_numbers(reference, current)

    expected = stats.ks_2samp(reference, current, method="asymp")
    assert (expected.statistic, expected.pvalue) == (difference.moved, difference.p)
    edges = np.quantile(reference, np.linspace(0.1, 0.9, 9), method="lower")
    counts = [np.histogram(rows, [-99, *edges, 99])[0] for rows in (reference, current)]
    assert difference.psi == pytest.approx(psi(*counts))


def test_words_when_frequent_have_the_chi_square_of_scipy() -> None:
    reference, current = {"a": 500, "b": 300, "c": 200}, {"a": 40, "b": 30, "d": 30}

    difference = compare_words(reference, current)

    table = [[500, 300, 200, 0], [40, 30, 0, 30]]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    pooled = stats.chi2_contingency([[500, 300, 200], [40, 30, 30]], correction=False).pvalue
    assert difference.p in (pytest.approx(expected), pytest.approx(pooled))
    assert difference.moved >= 0.1


@pytest.mark.parametrize(
    ("reference", "current"),
    [({"a": 1}, {"a": 1}), ({"a": 5}, {"b": 1}), ({"a": 1000}, {"a": 3})],
)
def test_words_when_there_is_little_to_compare_are_no_error(
    reference: dict[str, int], current: dict[str, int]
) -> None:
    assert 1 == compare_words(reference, current).p


@pytest.mark.parametrize("current", [[5.0], [5.0] * 300, [1e300, -1e300]])
def test_numbers_when_constant_or_few_are_no_error(current: list[float]) -> None:
    difference = compare_numbers(np.full(200, 5.0), np.array(current))

    assert all(np.isfinite(difference))
    assert (0 in current) or difference.p <= 1


def test_rates_when_compared_have_the_probability_of_fisher() -> None:
    expected = stats.fisher_exact([[10, 990], [9, 191]]).pvalue

    assert expected == compare_rates(10, 1000, 9, 200)


def test_beyond_when_simulated_is_the_probability_of_one_end() -> None:
    draw, hits, trials = np.random.default_rng(5), 4, 20_000
    ranks = draw.permuted(np.tile(np.arange(50) < 30, (trials, 1)), axis=1)  # 30 of the reference

    largest = ~ranks[:, -hits:].any(axis=1)

    assert largest.mean() == pytest.approx(beyond(30, 20, hits) / 2, rel=0.1)


def test_holm_when_compared_is_the_textbook_procedure() -> None:
    ps = [0.01, 0.04, 0.03, 0.005]
    adjusted: list[Any] = holm(ps)

    assert [0.03, 0.06, 0.06, 0.02] == [pytest.approx(p) for p in adjusted]
    assert [] == holm([])
