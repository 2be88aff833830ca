"""Intervals hold the truth as often as they say, or say that they may not."""

import os
from typing import Any

import numpy as np
import pytest
from scipy import stats

from engine.scoring.interval import (
    Estimate,
    effective_rows,
    mean_of,
    of_area,
    of_errors,
    of_gain,
    of_loss,
    of_share,
    tail_exponent,
)
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.metrics import REGRESSION, SCORES
from tests.support.interval_trials import (
    MANY,
    PAIRS,
    SHAPES,
    Pair,
    Shape,
    coverage,
    normal,
    numbers,
    promoted,
    two_classes,
    won_again,
)
from tests.support.judged import judged

#: Made-up tables of each kind; ``INTERVAL_TRIALS=1000`` tells a percent, in a quarter of an hour.
TRIALS = int(os.environ.get("INTERVAL_TRIALS", "100"))

#: The kinds of rows that are tried every day.
QUICK = ("even", "5", "normal", "t(3)")

#: How far from 95 % the share of the intervals that hold may be.
SLACK = 0.015

#: With so few intervals without a remark, those are rows that happen to look better than they are.
RARE = 0.5

#: Of all intervals so many are wrong and have no remark at most, whatever the rows are like.
MISLEADING = 0.09

#: Where an interval holds 90 % of the time only, and nothing in so few rows tells.
TOO_FEW_TO_TELL = {("lognormal errors", 100, "mae")}


def noise(share: float, trials: float, errors: int = 3) -> float:
    """Return so many standard errors of a share."""
    return float(errors * (share * (1 - share) / max(trials, 1)) ** 0.5)


def check_coverage(shape: Shape, trials: int, many: int = MANY) -> None:
    for name, rate in coverage(shape, trials=trials, many=many).items():
        where = (shape.name, shape.rows, name)
        missed = rate.bare * (1 - rate.held)
        assert missed <= MISLEADING + noise(MISLEADING, trials), (where, rate)
        if rate.bare > RARE and where not in TOO_FEW_TO_TELL:
            slack = SLACK + noise(0.95, rate.bare * trials)
            assert abs(rate.held - 0.95) <= slack, (where, rate)
        if shape.name == "normal errors" and shape.rows >= 100:
            assert 1 - rate.bare <= 0.05 + noise(0.05, trials), (where, rate)


@pytest.mark.parametrize(
    "shape",
    [shape for shape in SHAPES if shape.rows == 300 and shape.name.split()[0] in QUICK],
    ids=lambda shape: shape.name,
)
def test_intervals_when_drawn_a_few_times_hold_or_come_with_a_remark(shape: Shape) -> None:
    check_coverage(shape, trials=100, many=50_000)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.name}-{shape.rows}")
def test_intervals_when_drawn_often_hold_or_come_with_a_remark(shape: Shape) -> None:
    check_coverage(shape, trials=TRIALS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows", "pair"), PAIRS, ids=lambda part: str(part)[:20])
def test_versions_when_equal_in_truth_win_once_in_forty_at_most(
    name: str, rows: int, pair: Pair
) -> None:
    shares = promoted(pair, rows, trials=2 * TRIALS)

    # Among 60 shares one is three standard errors off now and then.
    most = 0.025 + noise(0.025, 2 * TRIALS, errors=4)
    assert [] == [score for score, share in shares.items() if share > most]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "pair"), PAIRS[2::3], ids=lambda part: str(part)[:20]
)  # 1,000 rows: the more there are, the surer is a small gain
def test_version_when_trained_again_never_wins(name: str, rows: int, pair: Pair) -> None:
    assert 0 == won_again(pair, rows, trials=2 * TRIALS)


def test_version_when_trained_again_does_not_win_a_few_times() -> None:
    for pair in (two_classes(), numbers(normal)):
        assert 0 == won_again(pair, 300, trials=5)


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
        (np.arange(99.0), "there are only 99 held-out rows"),
        (np.arange(100.0), ""),
        (np.r_[1e6, np.arange(200.0)], "as if on 1 of 201 held-out rows"),
    ],
)
def test_interval_when_the_rows_tell_too_little_has_a_remark(
    values: np.ndarray, remark: str
) -> None:
    for of_mean in (of_loss, of_errors):
        low, high, said = of_mean(mean_of(values))

        assert 0 < low <= np.mean(values) <= high < np.inf
        assert (remark in said) if remark else not said


def test_interval_of_a_share_when_hardly_any_row_is_wrong_has_a_remark() -> None:
    low, high, remark = of_share(mean_of(np.ones(60)))

    assert low < 0.95
    assert 1 == pytest.approx(high)
    assert "only 0 of 60 held-out rows are wrong" in remark


def test_interval_when_a_part_rests_on_few_rows_has_a_remark() -> None:
    even = np.tile([1.0, -1.0], 100)
    rare, enough = (
        (np.arange(200) < count) - count / 200 for count in (8, 12)
    )  # effective rows are a little more

    for of_score in (of_area, of_loss):
        assert "" == of_score(Estimate(0.5, even, (enough,))).remark
        assert "as if on 9 of 200" in of_score(Estimate(0.5, even, (rare,))).remark


@pytest.mark.parametrize(("wrong", "is_few"), [(6, True), (7, False), (93, False), (94, True)])
def test_interval_of_a_share_has_a_remark_when_few_are_wrong_or_right(
    wrong: int, *, is_few: bool
) -> None:
    assert is_few == bool(of_share(mean_of((np.arange(100) >= wrong).astype(float))).remark)


def quantiles(law: Any, rows: int) -> np.ndarray:
    """Return rows that are spread as evenly as a law can be."""
    return np.asarray(law.ppf((np.arange(rows) + 0.5) / rows))


def test_tail_exponent_is_that_of_the_law() -> None:
    assert 3 == pytest.approx(tail_exponent(quantiles(stats.pareto(3), 20_000)), rel=0.02)
    assert 0 == tail_exponent(np.r_[1.0, np.zeros(99)])
    assert np.inf == tail_exponent(np.tile([1.0, -1.0], 50))


@pytest.mark.parametrize(
    ("law", "rows", "is_light"),
    [
        (stats.norm, 100, True),
        (stats.t(5), 300, False),
        (stats.t(5), 4000, True),
        (stats.t(3), 100, False),
        (stats.t(3), 4000, False),
        (stats.lognorm(1), 4000, False),
    ],
)
def test_interval_of_squares_when_their_tails_are_heavy_has_a_remark(
    law: Any, rows: int, *, is_light: bool
) -> None:
    errors = quantiles(law, rows)
    truth = np.random.default_rng(0).permutation(quantiles(stats.norm(0, 9), rows))
    answers = HeldOutAnswers(truth, truth - errors)

    for name in ("rmse", "r2"):
        remark = SCORES[name].interval(SCORES[name].estimate(answers)).remark
        assert is_light == (remark == ""), (name, remark)
        assert is_light or "the errors have heavy tails, so the interval may" in remark
    assert "" == SCORES["mae"].interval(SCORES["mae"].estimate(answers)).remark


def test_interval_of_squares_when_four_of_many_rows_outweigh_them_has_a_remark() -> None:
    errors = np.r_[30.0, 28.0, 26.0, 24.0, quantiles(stats.norm, 3996)]
    rmse = SCORES["rmse"]

    assert "heavy tails" in rmse.interval(rmse.estimate(HeldOutAnswers(errors, 0 * errors))).remark


def test_interval_of_an_rmse_is_near_that_of_a_chi_square() -> None:
    errors = quantiles(stats.norm, 400)
    rmse = SCORES["rmse"]

    low, high, _ = rmse.interval(rmse.estimate(HeldOutAnswers(errors, 0 * errors)))

    sure = (400 * np.mean(errors**2) / stats.chi2(400).ppf([0.975, 0.025])) ** 0.5
    assert [low, high] == pytest.approx(sure.tolist(), rel=0.01)


@pytest.mark.parametrize("name", sorted(SCORES))
def test_gain_of_a_score_is_its_difference_and_turns_round_with_the_models(name: str) -> None:
    draw = np.random.default_rng(0)
    pair = numbers(normal) if name in REGRESSION else two_classes(noise=0.5)
    ours, theirs = (SCORES[name].estimate(answers) for answers in pair(200, draw))
    sign = 1 if SCORES[name].is_better_higher else -1

    gain, loss = SCORES[name].gain(ours, theirs), SCORES[name].gain(theirs, ours)

    assert sign * (ours.value - theirs.value) == pytest.approx(gain.value) == -loss.value
    assert gain.influences.tolist() == pytest.approx((-loss.influences).tolist())
    assert 0 == pytest.approx(gain.influences.mean(), abs=1e-12)


def test_gain_of_an_rmse_is_as_sure_as_that_of_the_mean_squares() -> None:
    first, second = numbers(normal)(50, np.random.default_rng(0))
    ours, theirs = (SCORES["rmse"].estimate(answers) for answers in (first, second))

    gain = SCORES["rmse"].gain(ours, theirs)

    squares = (second.truth - second.predicted) ** 2 - (first.truth - first.predicted) ** 2
    error = stats.ttest_1samp(squares, 0).statistic
    ratio = gain.value / (np.std(gain.influences, ddof=1) / 50**0.5)
    assert ratio == pytest.approx(error)


def test_gain_when_four_rows_of_many_are_better_is_not_sure() -> None:
    gains = np.r_[np.ones(4), np.zeros(496)]

    low, high, _ = of_gain(mean_of(gains))

    assert low < 0 < high
