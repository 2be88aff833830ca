"""The statistics of drift are those of SciPy, and hold where samples are small or odd."""

from collections import Counter
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


def pairs(count: int) -> Any:
    """Draw pairs of samples of all sizes: some continuous, some rounded so that many are equal."""
    draw = np.random.default_rng(3)
    for place in range(count):
        sizes = draw.integers(20, 1000, 2)
        samples = (
            draw.lognormal(shift, 1, size) for shift, size in zip((1, 1.1), sizes, strict=True)
        )
        yield [np.sort(np.round(sample, place % 4)) for sample in samples]


def test_numbers_when_compared_have_the_statistics_of_scipy() -> None:
    for reference, current in pairs(1000):
        difference = compare_numbers(reference, current)

        expected = stats.ks_2samp(reference, current, method="asymp")
        assert (expected.statistic, expected.pvalue) == (difference.moved, difference.p)
        deciles = np.quantile(reference, np.linspace(0.1, 0.9, 9), method="lower").tolist()
        filled = {edge for edge in deciles if deciles.count(edge) > 1}
        bins = [
            Counter((sum(edge < x for edge in deciles), sum(edge <= x for edge in deciles))
                    if x in filled else sum(edge <= x for edge in deciles) for x in sample.tolist())
            for sample in (reference, current)
        ]  # fmt: skip
        every = [*{**bins[0], **bins[1]}]
        shares = [np.array([counts[each] + 0.5 for each in every]) for counts in bins]
        both = stats.entropy(*shares) + stats.entropy(*shares[::-1])
        assert both == pytest.approx(difference.psi)


def test_words_when_compared_have_the_chi_square_of_scipy() -> None:
    for numbers in pairs(1000):
        words = [Counter(np.minimum(sample, 9).astype(int).astype(str)) for sample in numbers]

        difference = compare_words(*words)

        every = sorted({**words[0], **words[1]})
        table = np.array([[counts[word] for word in every] for counts in words])
        is_rare = stats.contingency.expected_freq(table).min(axis=0) < 5
        pooled = np.column_stack([table[:, ~is_rare], table[:, is_rare].sum(axis=1)])
        pooled = pooled if is_rare.any() else pooled[:, :-1]
        expected = stats.chi2_contingency(pooled, correction=False).pvalue
        assert expected == pytest.approx(difference.p)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_psi_when_two_values_fill_the_deciles_is_that_of_both(share: float) -> None:
    reference, current = (np.arange(1000) < 1000 * share) * 1.0, np.arange(500) % 2 * 1.0

    counts = np.array([[1000 * (1 - share), 1000 * share], [250, 250]])

    assert psi(*counts) == pytest.approx(compare_numbers(np.sort(reference), current).psi)


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
