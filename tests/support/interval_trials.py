"""How often intervals hold, and how often equals win: on made-up rows whose truth is known.

Print the tables of docs/explanation/intervals.md with::

    python -m tests.support.interval_trials
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, softmax

from engine.runtime.tolerance import TOLERANCE, spread_of
from engine.scoring.interval import of_gain
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.metrics import (
    CLASSIFICATION,
    REGRESSION,
    SCORES,
    applicable,
    incomparable,
)
from engine.training.evaluation.champion import without_rounding

Draw = np.random.Generator
Make = Callable[[int, Draw], HeldOutAnswers]
Pair = Callable[[int, Draw], tuple[HeldOutAnswers, HeldOutAnswers]]
Errors = Callable[[int, Draw], np.ndarray]

#: From so many rows the true score is computed.
MANY = 400_000


#: A share of so few intervals without a remark says nothing.
FEWEST_BARE = 0.02


class Shape(NamedTuple):
    """A kind of held-out rows, and how many there are."""

    name: str
    rows: int
    make: Make


class Rate(NamedTuple):
    """Shares of the trials: without a remark, and among those where the interval held the truth."""

    bare: float
    held: float


def two_classes(
    positives: float = 0.5, *, spread: float = 1.0, confidence: float = 1.0, noise: float = 0.0
) -> Pair:
    """Make the answers of two equal models; confidence above 1 is too much of it."""

    def make(n: int, draw: Draw) -> tuple[HeldOutAnswers, HeldOutAnswers]:
        logits = draw.normal(0, spread, n) + logit(positives)
        truth = draw.random(n) < expit(logits)
        first, second = (_of_two(truth, logits, confidence, noise, draw) for _ in range(2))
        return first, second

    return make


def _of_two(
    truth: np.ndarray, logits: np.ndarray, confidence: float, noise: float, draw: Draw
) -> HeldOutAnswers:
    answers = confidence * (logits + noise * draw.normal(0, 1, len(truth)))
    positive = expit(answers).astype(np.float32).astype(np.float64)  # as an export answers
    shares = np.stack([1 - positive, positive], axis=1)
    return HeldOutAnswers(truth, positive >= 0.5, shares, [False, True], True)


def three_classes(n: int, draw: Draw) -> HeldOutAnswers:
    """Make the answers to rows with three classes."""
    shares = softmax(draw.normal(0, 1.5, (n, 3)), axis=1)
    truth = (draw.random((n, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return HeldOutAnswers(truth, shares.argmax(axis=1), shares, [0, 1, 2])


def numbers(errors: Errors, *, noise: float = 0.7) -> Pair:
    """Make the answers of two equal models to rows with such errors, and some of their own."""

    def make(n: int, draw: Draw) -> tuple[HeldOutAnswers, HeldOutAnswers]:
        known = draw.normal(0, 2, n)
        truth = known + errors(n, draw)
        first, second = (HeldOutAnswers(truth, known + noise * errors(n, draw)) for _ in range(2))
        return first, second

    return make


def normal(n: int, draw: Draw) -> np.ndarray:
    """Draw errors of light tails."""
    return draw.normal(0, 1, n)


def t_of(degrees: int) -> Errors:
    """Return what draws errors of heavy tails: t with so many degrees of freedom."""
    return lambda n, draw: draw.standard_t(degrees, n)


def skewed(n: int, draw: Draw) -> np.ndarray:
    """Draw errors of one long tail: lognormal."""
    return np.asarray(draw.lognormal(0, 1, n) - np.exp(0.5))


def contaminated(n: int, draw: Draw) -> np.ndarray:
    """Draw errors of which a tenth is three times as large."""
    return np.asarray(draw.normal(0, 1, n) * np.where(draw.random(n) < 0.1, 3, 1))


def _first(pair: Pair) -> Make:
    return lambda n, draw: pair(n, draw)[0]


def _shapes(name: str, make: Make, *counts: int) -> list[Shape]:
    return [Shape(name, rows, make) for rows in counts]


SHAPES = (
    *_shapes("even classes", _first(two_classes()), 30, 100, 300, 1000, 3000),
    *_shapes("even, saturated, too sure", _first(two_classes(spread=4, confidence=6)), 300, 3000),
    *_shapes("5 % positives", _first(two_classes(0.05)), 100, 300, 1000, 3000),
    *_shapes("0.5 % positives", _first(two_classes(0.005)), 100, 300, 1000, 3000),
    *_shapes("three classes", three_classes, 100, 300),
    *(
        shape
        for name, errors in (
            ("normal errors", normal),
            ("t(5) errors", t_of(5)),
            ("t(3) errors", t_of(3)),
            ("lognormal errors", skewed),
            ("contaminated errors", contaminated),
        )
        for shape in _shapes(name, _first(numbers(errors, noise=0)), 30, 100, 300, 1000, 3000)
    ),
)

#: Two models that are equal in truth, and how many rows they are compared on.
PAIRS = tuple(
    (name, rows, pair)
    for name, pair in (
        ("even classes", two_classes(spread=1.5, noise=0.8)),
        ("even classes, nearly alike", two_classes(spread=1.5, noise=0.1)),
        ("5 % positives", two_classes(0.05, spread=1.5, noise=0.8)),
        ("normal errors", numbers(normal)),
        ("t(3) errors", numbers(t_of(3))),
        ("lognormal errors", numbers(skewed)),
    )
    for rows in (30, 100, 1000)
)


def coverage(shape: Shape, *, trials: int, many: int = MANY) -> dict[str, Rate]:
    """Return, by score, how often there is no remark, and how often the interval then holds."""
    truth, draw = _truth(shape.make, many), np.random.default_rng(shape.rows)
    bare = dict.fromkeys(truth, 0)
    held = dict.fromkeys(truth, 0)
    for _ in range(trials):
        answers = shape.make(shape.rows, draw)
        for name, score in applicable(answers).items():
            low, high, remark = score.interval(score.estimate(answers))
            bare[name] += not remark
            held[name] += not remark and low <= truth[name] <= high
    return {name: Rate(bare[name] / trials, held[name] / max(bare[name], 1)) for name in truth}


@cache
def _truth(make: Make, many: int) -> dict[str, float]:
    answers = make(many, np.random.default_rng(0))
    return {name: score.estimate(answers).value for name, score in applicable(answers).items()}


def promoted(pair: Pair, rows: int, *, trials: int) -> dict[str, float]:
    """Return, by score, how often one of two models that are equal in truth beats the other."""
    draw = np.random.default_rng(0)
    wins = dict.fromkeys(SCORES, 0)
    for _ in range(trials):
        first, second = pair(rows, draw)
        for name, score in applicable(first).items():
            ours, theirs = score.estimate(first), score.estimate(second)
            gain = score.gain(ours, theirs)
            wins[name] += not incomparable(name, first) and of_gain(gain).low > 0
    return {name: wins[name] / trials for name in applicable(pair(1000, draw)[0])}


def won_again(pair: Pair, rows: int, *, trials: int) -> int:
    """Return how often a model beats itself, when all answers are as right as rounding allows."""
    draw, wins = np.random.default_rng(0), 0
    for _ in range(trials):
        first, _ = pair(rows, draw)
        again = _nearer(first)
        theirs = without_rounding(first, again)
        for score in applicable(first).values():
            gain = score.gain(score.estimate(again), score.estimate(theirs))
            wins += of_gain(gain).low > 0
    return wins


def _nearer(answers: HeldOutAnswers) -> HeldOutAnswers:
    """Return answers that are nearer to the truth by nine tenths of what counts as rounding."""
    if answers.probabilities is None:
        most = 0.9 * TOLERANCE * spread_of(answers.predicted)
        nearer = np.clip(answers.truth - answers.predicted, -most, most)
        return replace(answers, predicted=answers.predicted + nearer)
    is_true = np.stack([~answers.truth, answers.truth], axis=1)
    surer = answers.probabilities + np.where(is_true, 0.9, -0.9) * TOLERANCE
    return replace(answers, predicted=surer[:, 1] >= 0.5, probabilities=surer)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def _cell(rate: Rate) -> str:
    """Return the share that held and that of the remarks; few intervals tell of no share."""
    held = f"{rate.held:.1%}" if rate.bare >= FEWEST_BARE else "-"
    return f"{held} ({1 - rate.bare:.0%})".replace("%", " %")


def _print_tables(trials: int) -> None:
    for scores in (CLASSIFICATION, REGRESSION):
        rows = []
        for shape in SHAPES:
            rates = coverage(shape, trials=trials)
            if set(rates) == set(scores):
                cells = [_cell(rates[name]) for name in scores]
                rows.append([shape.name, f"{shape.rows:,}", *cells])
        print(_table(["held-out rows", "how many", *scores], rows), end="\n\n", flush=True)
    rows = []
    for name, count, pair in PAIRS:
        shares = promoted(pair, count, trials=trials)
        cells = [f"{shares[score]:.1%}" if score in shares else "" for score in SCORES]
        cells = [cell.replace("%", " %") for cell in cells]
        rows.append([name, f"{count:,}", *cells])
    print(_table(["held-out rows", "how many", *SCORES], rows))


if __name__ == "__main__":
    _print_tables(4000)
