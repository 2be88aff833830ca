"""Scores to expect before the truth is known: they hold the truth that comes later."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from engine.monitoring.estimate import DRAWS, expected_scores
from engine.runtime.reference import AnswersReference
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.metrics import applicable
from engine.training.reference_file import describe_answers

Draw = np.random.Generator

TRIALS = 25


def classified(rows: int, draw: Draw, *, hard: float = 0.0, sure: float = 2.0) -> HeldOutAnswers:
    """Make answers of an overconfident model; the truth follows the right probabilities."""
    right = expit(draw.normal(0.5, 1.5, rows) * (1 - hard))
    truth = np.where(draw.random(rows) < right, "yes", "no")
    positive = expit(sure * logit(right))
    shares = np.column_stack([1 - positive, positive])
    chosen = np.where(positive >= 0.5, "yes", "no")
    return HeldOutAnswers(truth, chosen, shares, ["no", "yes"], "yes")


def estimated(rows: int, draw: Draw, *, are_larger: bool = False) -> HeldOutAnswers:
    """Make answers whose errors grow with the answer."""
    numbers = draw.gamma(4, 10, rows)
    if are_larger:  # the same answers, of which large ones are more frequent
        numbers = draw.choice(numbers, rows, p=numbers / numbers.sum())
    return HeldOutAnswers(numbers + draw.normal(0, 0.2 * numbers), numbers)


def hits(make: Callable[[Draw], tuple[HeldOutAnswers, HeldOutAnswers]]) -> dict[str, float]:
    """Return how often each measured score lies within the expected ends."""
    inside: Counter[str] = Counter()
    for seed in range(TRIALS):
        draw = np.random.default_rng(seed)
        held_out, later = make(draw)
        expected = expected_scores(later, describe_answers(held_out, draw))
        for name, score in expected.items():
            measured = applicable(later)[name].estimate(later).value
            inside[name] += score.low <= measured <= score.high
    return {name: count / TRIALS for name, count in inside.items()}


@pytest.mark.slow
def test_scores_of_classes_when_rows_get_harder_are_expected() -> None:
    def make(draw: Draw) -> tuple[HeldOutAnswers, HeldOutAnswers]:
        return classified(800, draw), classified(500, draw, hard=0.5)

    shares = hits(make)
    assert {"accuracy", "roc_auc", "log_loss"} == {*shares}
    assert min(shares.values()) >= 0.84


@pytest.mark.slow
def test_errors_of_numbers_when_large_answers_are_more_frequent_are_expected() -> None:
    def make(draw: Draw) -> tuple[HeldOutAnswers, HeldOutAnswers]:
        return estimated(2000, draw), estimated(500, draw, are_larger=True)

    shares = hits(make)
    assert {"mae", "rmse"} == {*shares}
    assert min(shares.values()) >= 0.84


def test_expectation_when_a_model_is_too_sure_is_not_what_it_says() -> None:
    draw = np.random.default_rng(0)
    held_out, later = classified(2000, draw, sure=4), classified(2000, draw, sure=4)
    naive = AnswersReference(2000, offsets=[0.0, 0.0])

    expected = expected_scores(later, describe_answers(held_out, draw))["accuracy"]
    believed = expected_scores(later, naive)["accuracy"]

    measured = float((later.truth == later.predicted).mean())
    assert expected.low <= measured <= expected.high < believed.low


def test_expectation_does_not_depend_on_the_truth() -> None:
    draw = np.random.default_rng(0)
    held_out, later = classified(300, draw), classified(300, draw)
    reference = describe_answers(held_out, draw)

    wrong = replace(later, truth=later.truth[::-1])

    assert expected_scores(later, reference) == expected_scores(wrong, reference)


@pytest.mark.parametrize(
    "answers",
    [
        replace(classified(300, np.random.default_rng(0)), probabilities=None),
        classified(0, np.random.default_rng(0)),
        estimated(300, np.random.default_rng(0)),
    ],
)
def test_expectation_when_nothing_tells_is_none(answers: HeldOutAnswers) -> None:
    assert {} == expected_scores(answers, AnswersReference(500, offsets=[0.0, 0.0]))
    assert {} == expected_scores(answers, AnswersReference(99, residuals=[[1.0]], offsets=[0, 0]))
    assert DRAWS >= 100
