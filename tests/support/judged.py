"""Answers to held-out rows, with ties among the scores."""

from typing import Any

import numpy as np

from engine.scoring.judged import HeldOutAnswers

ROWS = 400


def judged(kind: str, rows: Any = slice(None)) -> HeldOutAnswers:
    """Make answers to rows with "two" or "three" classes or "numbers", or to some of them."""
    draw = np.random.default_rng(5)
    if kind == "numbers":
        truth = draw.normal(1000, 3, ROWS)
        return HeldOutAnswers(truth[rows], (truth + draw.normal(0, 1, ROWS))[rows])
    classes: list[Any] = [False, True] if kind == "two" else ["a", "b", "c"]
    shares = np.round(draw.dirichlet([1] * len(classes), ROWS), 2)
    shares /= shares.sum(axis=1, keepdims=True)
    truth = np.array([draw.choice(classes, p=row) for row in shares])
    predicted = np.array(classes)[shares.argmax(axis=1)]
    positive = True if kind == "two" else None
    return HeldOutAnswers(truth[rows], predicted[rows], shares[rows], classes, positive)
