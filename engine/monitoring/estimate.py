"""How good answers probably are, before their truth is known.

Probabilities that are calibrated on the held-out rows say how often an answer is right, and
residuals by the size of the answer how far it is off. Truths are drawn from both, and scored as
those that come later. It holds while fields shift and what follows from them does not: where that
changes, only the truth shows it. docs/explanation/drift.md measures it.
"""

from dataclasses import replace

import numpy as np

from engine.monitoring.drift import Expected
from engine.runtime.reference import AnswersReference, log_shares
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.metrics import applicable

Draw = np.random.Generator

#: So many times truths are drawn for all rows.
DRAWS = 100

#: So many rows stand for all of them, so that 100 draws take seconds.
MOST_ROWS = 20_000

#: Residuals of fewer held-out rows do not tell how far answers are off.
FEWEST_ROWS = 100

#: A share explained is not among them: what truths vary by is not drawn.
SCORES = ("accuracy", "roc_auc", "log_loss", "mae", "rmse")


def expected_scores(answers: HeldOutAnswers, reference: AnswersReference) -> dict[str, Expected]:
    """Return the scores to expect of answers, whatever their truth; none where nothing tells."""
    is_regression = answers.classes is None
    has_ground = bool(reference.residuals) if is_regression else answers.probabilities is not None
    if not has_ground or reference.rows < FEWEST_ROWS or not len(answers.predicted):
        return {}
    draw, rows = np.random.default_rng(0), len(answers.predicted)
    if (used := min(rows, MOST_ROWS)) < rows:
        answers = answers.take(draw.choice(rows, used, replace=False))
    scores: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        draws = _numbers if is_regression else _classes
        judged = replace(answers, truth=draws(answers, reference, draw))
        for name, score in applicable(judged).items():
            if name in SCORES:
                scores.setdefault(name, []).append(score.estimate(judged).value)
    # What the reference tells rests on rows, too: both deviations add up.
    widening = 1.96 * (used / rows + used / reference.rows) ** 0.5
    return {name: _around(np.array(values), widening) for name, values in scores.items()}


def _around(values: np.ndarray, widening: float) -> Expected:
    middle, half = float(values.mean()), widening * float(values.std())
    return Expected(middle, middle - half, middle + half)


def _classes(answers: HeldOutAnswers, reference: AnswersReference, draw: Draw) -> np.ndarray:
    assert answers.probabilities is not None and answers.classes is not None
    scaled = reference.slope * log_shares(answers.probabilities) + np.array(reference.offsets)
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True)).cumsum(axis=1)
    places = (shares < draw.random((len(shares), 1)) * shares[:, -1:]).sum(axis=1)
    labels = np.array(answers.classes, dtype=answers.predicted.dtype)
    return np.asarray(labels[places])


def _numbers(answers: HeldOutAnswers, reference: AnswersReference, draw: Draw) -> np.ndarray:
    bins = np.searchsorted(reference.edges, answers.predicted, side="right")
    truth = np.array(answers.predicted, dtype=np.float64)
    for place, residuals in enumerate(reference.residuals):
        is_here = bins == place
        truth[is_here] += draw.choice(residuals, int(is_here.sum()))
    return truth
