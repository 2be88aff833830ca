"""Intervals hold the truth as often as they say, or say that they may not."""

import numpy as np
import pytest

from engine.training.evaluation.interval import (
    Estimate,
    effective_rows,
    mean_of,
    of_area,
    of_explained,
    of_gain,
    of_loss,
    of_share,
)
from engine.training.evaluation.metrics import SCORES
from tests.support.interval_trials import MANY, PAIRS, SHAPES, Pair, Shape, coverage, promoted
from tests.support.judged import judged

#: How far from 95 % the share of the intervals that hold may be.
SLACK = 0.015

#: A remark replaces the promise for a kind of rows when it comes with most of them.
MOSTLY = 0.5


def check_coverage(shape: Shape, trials: int, many: int = MANY) -> None:
    noise = 3 * (0.95 * 0.05 / trials) ** 0.5
    for name, rate in coverage(shape, trials=trials, many=many).items():
        is_held = abs(rate.held - 0.95) <= SLACK + noise
        assert is_held or rate.remarked >= MOSTLY, (shape.name, shape.rows, name, rate)


@pytest.mark.parametrize("shape", [SHAPES[1], SHAPES[6], SHAPES[10], SHAPES[12]])
def test_intervals_when_drawn_a_few_times_hold_or_come_with_a_remark(shape: Shape) -> None:
    check_coverage(shape, trials=100, many=50_000)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.name}-{shape.rows}")
def test_intervals_when_drawn_often_hold_or_come_with_a_remark(shape: Shape) -> None:
    check_coverage(shape, trials=600)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows", "pair"), PAIRS, ids=lambda part: str(part)[:20])
def test_versions_when_equal_in_truth_win_once_in_forty_at_most(
    name: str, rows: int, pair: Pair
) -> None:
    shares = promoted(pair, rows, trials=1000)

    noise = 3 * (0.025 * 0.975 / 1000) ** 0.5
    assert [] == [score for score, share in shares.items() if share > 0.025 + noise]


def test_interval_of_a_share_is_wilsons() -> None:
    right = np.arange(2000) < 1600

    low, high, remark = of_share(mean_of(right.astype(float)))

    assert [low, high] == pytest.approx([0.7819, 0.8169], abs=1e-4)
    assert "" == remark


def test_intervals_when_rows_are_many_are_those_of_delong_and_of_the_normal_law() -> None:
    answers = judged("two")
    area, brier = (SCORES[name].estimate(answers) for name in ("roc_auc", "brier"))

    positive = answers.positive_probability()[answers.truth]
    other = answers.positive_probability()[~answers.truth]
    pairs = (positive[:, None] > other) + 0.5 * (positive[:, None] == other)
    variance = pairs.mean(axis=1).var(ddof=1) / len(positive) + pairs.mean(axis=0).var(
        ddof=1
    ) / len(other)
    for estimate, interval, error in (
        (area, of_area(area), variance**0.5),
        (brier, of_loss(brier), np.std(brier.influences) / len(answers.truth) ** 0.5),
    ):
        width = interval.high - interval.low
        assert width == pytest.approx(2 * 1.97 * error, rel=0.03)
        assert interval.low < estimate.value < interval.high


def test_effective_rows_when_one_row_outweighs_the_others_are_few() -> None:
    assert 100 == effective_rows(np.tile([1.0, -1.0], 50))
    assert 1 == pytest.approx(effective_rows(np.r_[1e9, np.ones(99)]), abs=1e-6)
    assert 0 == effective_rows(np.zeros(5))


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        (np.ones(1), "one held-out row gives no interval"),
        (np.full(80, 0.1), "all 80 held-out rows count alike"),
        (np.arange(20.0), "there are only 20 held-out rows"),
        (np.r_[1e6, np.arange(200.0)], "as if on 1 of 201 held-out rows"),
    ],
)
def test_interval_when_the_rows_tell_too_little_has_a_remark(
    values: np.ndarray, remark: str
) -> None:
    low, high, said = of_loss(mean_of(values))

    assert 0 < low <= np.mean(values) <= high < np.inf
    assert remark in said


def test_interval_of_a_share_when_hardly_any_row_is_wrong_has_a_remark() -> None:
    low, high, remark = of_share(mean_of(np.ones(60)))

    assert low < 0.95
    assert 1 == pytest.approx(high)
    assert "only 0 of 60 held-out rows are wrong" in remark


def test_interval_when_a_part_rests_on_few_rows_has_a_remark() -> None:
    even = np.tile([1.0, -1.0], 100)
    rare = (np.arange(200) < 3) - 3 / 200

    assert "" == of_explained(Estimate(0.5, even)).remark
    assert "as if on 3 of 200" in of_explained(Estimate(0.5, even, (rare,))).remark


def test_gain_when_four_rows_of_many_are_better_is_not_sure() -> None:
    gains = np.r_[np.ones(4), np.zeros(496)]

    low, high, _ = of_gain(mean_of(gains))

    assert low < 0 < high
