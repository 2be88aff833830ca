"""Scores that a model file names beside the built-in ones: scikit-learn's scorers, and costs."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer, get_scorer_names

from engine.schema.card import CostEntry, Description, ScoreEntry
from engine.schema.definition import ModelDefinition
from engine.schema.messages import did_you_mean, vocabulary
from engine.scoring.judged import HeldOutAnswers
from engine.training.failures import TrainingFailed

#: An interval is by leaving out each of so many blocks of rows.
_BLOCKS = 50

#: Computes a score of answers; higher is better, or lower for costs.
Compute = Callable[[HeldOutAnswers], float]


def check_scores(name: str, definition: ModelDefinition) -> None:
    """Raise `TrainingFailed` for a score that scikit-learn does not have."""
    names = get_scorer_names()
    for score in definition.scores:
        if score not in names:
            hint = did_you_mean(score, vocabulary(names))
            raise TrainingFailed(
                f"models/{name}.py: scikit-learn has no scorer {score!r}{hint}: `scores` takes "
                "the names of sklearn.metrics.get_scorer_names()"
            )


def own_scores(
    scores: Sequence[str], card: Description, judged: HeldOutAnswers, baseline: HeldOutAnswers
) -> dict[str, ScoreEntry]:  # fmt: skip
    """Score held-out rows, with intervals by a jackknife of blocks of them.

    Raise `TrainingFailed` where a score cannot be computed.
    """
    computed: dict[str, Compute] = {name: _computed(name) for name in scores}
    if "costs" in card:
        computed["cost"] = lambda answers: _cost(answers, card["costs"])
    blocks = np.random.default_rng(card["seed"]).permutation(len(judged.truth)) % _BLOCKS
    entries: dict[str, ScoreEntry] = {}
    for name, compute in computed.items():
        try:
            value, plain = compute(judged), compute(baseline)
            others = np.array([compute(judged.take(blocks != at)) for at in np.unique(blocks)])
        except Exception as error:
            remedy = "choose another, such as f1_macro for several classes"
            cause = str(error).splitlines()[0]
            raise TrainingFailed(f"score {name!r} cannot be computed: {cause}; {remedy}") from error
        width = 1.96 * np.sqrt((len(others) - 1) * np.var(others))
        entries[name] = {
            "value": value, "low": float(value - width), "high": float(value + width),
            "baseline": plain,
        }  # fmt: skip
    return entries


def _computed(name: str) -> Compute:
    scorer = get_scorer(name)

    def compute(answers: HeldOutAnswers) -> float:
        truth, is_binary = answers.truth, answers.positive is not None
        estimator: Any = (_Answers if answers.classes is None else _Labels)(answers)
        truth = (truth == answers.positive).astype(int) if is_binary else truth
        # A baseline that never predicts a class has a precision of 0, which is no news.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return float(scorer(estimator, np.arange(len(truth)), truth))

    return compute


class _Answers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What a scorer takes for an estimator: it answers the places of rows."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers
        self.is_fitted_ = True

    def predict(self, places: np.ndarray) -> np.ndarray:
        """Return the answers to rows."""
        return np.asarray(self.answers.predicted[places])


class _Labels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The same for classes; of two, the positive one is 1. Scorers take them to be sorted."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers
        is_binary = answers.positive is not None
        self.classes_ = np.array([0, 1]) if is_binary else np.sort(answers.classes)

    def predict(self, places: np.ndarray) -> np.ndarray:
        """Return the labels of rows."""
        predicted, positive = np.asarray(self.answers.predicted)[places], self.answers.positive
        return np.asarray(predicted if positive is None else np.where(predicted == positive, 1, 0))

    def predict_proba(self, places: np.ndarray) -> np.ndarray:
        """Return the probabilities of rows."""
        if self.answers.probabilities is None:
            raise AttributeError("the model has no probabilities")
        if self.answers.positive is None:
            return np.asarray(
                self.answers.probabilities[places][:, np.argsort(self.answers.classes)]
            )
        share = self.answers.positive_probability()[places]
        return np.stack([1 - share, share], axis=1)


def _cost(answers: HeldOutAnswers, costs: CostEntry) -> float:
    is_right = answers.truth == answers.predicted
    is_positive = answers.truth == answers.positive
    each = np.where(is_positive, costs["false_negative"], costs["false_positive"])
    return float(np.mean(each * ~is_right))
