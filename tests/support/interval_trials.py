"""How often intervals hold, and how often equals win: on made-up rows whose truth is known.

Print the tables of docs/explanation/intervals.md with::

    python -m tests.support.interval_trials
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, softmax

from engine.training.evaluation.interval import Estimate, of_gain
from engine.training.evaluation.judged import HeldOutAnswers
from engine.training.evaluation.metrics import CLASSIFICATION, REGRESSION, SCORES, applicable

Draw = np.random.Generator
Make = Callable[[int, Draw], HeldOutAnswers]
Pair = Callable[[int, Draw], tuple[HeldOutAnswers, HeldOutAnswers]]
Errors = Callable[[int, Draw], np.ndarray]

#: From so many rows the true score is computed.
MANY = 400_000


class Shape(NamedTuple):
    """A kind of held-out rows, and how many there are."""

    name: str
    rows: int
    make: Make


class Rate(NamedTuple):
    """Shares of the trials: where the interval held the truth, and where it had a remark."""

    held: float
    remarked: float


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
    """Make the answers of two equal models to rows with such errors."""

    def make(n: int, draw: Draw) -> tuple[HeldOutAnswers, HeldOutAnswers]:
        known = draw.normal(0, 2, n)
        truth = known + errors(n, draw)
        first, second = (HeldOutAnswers(truth, known + noise * errors(n, draw)) for _ in range(2))
        return first, second

    return make


def normal(n: int, draw: Draw) -> np.ndarray:
    """Draw errors of light tails."""
    return draw.normal(0, 1, n)


def heavy(n: int, draw: Draw) -> np.ndarray:
    """Draw errors of heavy tails: t with 3 degrees of freedom."""
    return draw.standard_t(3, n)


def skewed(n: int, draw: Draw) -> np.ndarray:
    """Draw errors of one long tail: lognormal."""
    return np.asarray(draw.lognormal(0, 1, n) - np.exp(0.5))


def _first(pair: Pair) -> Make:
    return lambda n, draw: pair(n, draw)[0]


SHAPES = (
    Shape("even classes", 50, _first(two_classes())),
    Shape("even classes", 200, _first(two_classes())),
    Shape("classes far apart", 200, _first(two_classes(spread=4.0))),
    Shape("saturated, too sure", 200, _first(two_classes(spread=4.0, confidence=6.0))),
    Shape("5 % positives", 200, _first(two_classes(0.05))),
    Shape("5 % positives", 1000, _first(two_classes(0.05))),
    Shape("0.5 % positives", 1000, _first(two_classes(0.005))),
    Shape("0.5 % positives", 4000, _first(two_classes(0.005))),
    Shape("three classes", 200, three_classes),
    Shape("normal errors", 30, _first(numbers(normal))),
    Shape("normal errors", 200, _first(numbers(normal))),
    Shape("normal errors", 1000, _first(numbers(normal))),
    Shape("heavy tails, t(3)", 200, _first(numbers(heavy))),
    Shape("heavy tails, t(3)", 1000, _first(numbers(heavy))),
    Shape("one long tail, lognormal", 200, _first(numbers(skewed))),
)

#: Two models that are equal in truth, and how many rows they are compared on.
PAIRS = (
    ("even classes", 40, two_classes(spread=1.5, noise=0.8)),
    ("even classes, nearly alike", 200, two_classes(spread=1.5, noise=0.1)),
    ("saturated, too sure", 200, two_classes(spread=1.5, confidence=6.0, noise=0.8)),
    ("0.5 % positives", 1500, two_classes(0.005, spread=1.5, noise=0.8)),
    ("normal errors", 30, numbers(normal)),
    ("heavy tails, t(3)", 200, numbers(heavy)),
    ("one long tail, lognormal", 200, numbers(skewed)),
)


def coverage(shape: Shape, *, trials: int, many: int = MANY) -> dict[str, Rate]:
    """Return, by score, how often the interval holds the truth and how often it has a remark."""
    draw = np.random.default_rng(0)
    answers = shape.make(many, draw)
    truth = {name: score.estimate(answers).value for name, score in applicable(answers).items()}
    found: dict[str, list[tuple[bool, bool]]] = {name: [] for name in truth}
    for _ in range(trials):
        answers = shape.make(shape.rows, draw)
        for name, score in applicable(answers).items():
            low, high, remark = score.interval(score.estimate(answers))
            found[name].append((low <= truth[name] <= high, bool(remark)))
    return {name: Rate(*np.mean(pairs, axis=0).tolist()) for name, pairs in found.items()}


def promoted(pair: Pair, rows: int, *, trials: int) -> dict[str, float]:
    """Return, by score, how often one of two models that are equal in truth beats the other."""
    draw = np.random.default_rng(0)
    wins = dict.fromkeys(SCORES, 0)
    for _ in range(trials):
        first, second = pair(rows, draw)
        for name, score in applicable(first).items():
            ours, theirs = score.estimate(first), score.estimate(second)
            sign = 1 if score.is_better_higher else -1
            gain = Estimate(
                sign * (ours.value - theirs.value), sign * (ours.influences - theirs.influences)
            )
            wins[name] += of_gain(gain).low > 0
    return {name: wins[name] / trials for name in applicable(pair(1000, draw)[0])}


def _table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def _print_tables(trials: int) -> None:
    for scores in (CLASSIFICATION, REGRESSION):
        rows = []
        for shape in SHAPES:
            rates = coverage(shape, trials=trials)
            if set(rates) == set(scores):
                cells = [f"{rates[name].held:.1%} ({rates[name].remarked:.0%})" for name in scores]
                rows.append([shape.name, f"{shape.rows:,}", *cells])
        print(_table(["held-out rows", "how many", *scores], rows), end="\n\n", flush=True)
    rows = []
    for name, count, pair in PAIRS:
        shares = promoted(pair, count, trials=4 * trials)
        cells = [f"{shares[score]:.1%}" if score in shares else "" for score in SCORES]
        rows.append([name, f"{count:,}", *cells])
    print(_table(["held-out rows", "how many", *SCORES], rows))


if __name__ == "__main__":
    _print_tables(1000)
