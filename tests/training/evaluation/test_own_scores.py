"""Scores that a model file names, against scikit-learn's functions."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.own_scores import _computed


@pytest.mark.parametrize("classes", [["low", "mid", "high"], [3, 1, 2]])
def test_score_when_classes_are_in_an_order_of_their_own_is_that_of_scikit_learn(
    classes: list[Any],
) -> None:
    draw = np.random.default_rng(0)
    places = draw.integers(0, 3, 200)
    shares = draw.dirichlet([1, 1, 1], 200) * 0.5
    shares[np.arange(200), places] += 0.5
    truth = np.array(classes)[places]
    predicted = np.array(classes)[shares.argmax(axis=1)]
    answers = HeldOutAnswers(truth, predicted, shares, classes)
    by_name = shares[:, [classes.index(label) for label in sorted(classes)]]

    assert roc_auc_score(truth, by_name, multi_class="ovr") == _computed("roc_auc_ovr")(answers)
    assert -log_loss(truth, by_name) == _computed("neg_log_loss")(answers)
    assert f1_score(truth, predicted, average="macro") == _computed("f1_macro")(answers)


def test_precision_when_a_class_is_never_predicted_is_0_without_a_warning() -> None:
    truth, shares = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1]] * 4)
    answers = HeldOutAnswers(truth, np.zeros(4, int), shares, [0, 1], positive=1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 == _computed("precision")(answers)
