"""Scores equal their formulas, and those of scikit-learn."""

import json

import numpy as np
import pytest
from sklearn import metrics

from engine.runtime.answers import Prediction
from engine.schema.card import Decision
from engine.scoring.judged import HeldOutAnswers, judge
from engine.scoring.metrics import (
    LEAST_PROBABILITY,
    SCORES,
    applicable,
    class_scores,
    score,
)
from tests.support.judged import judged

TRUTH = [True, False, True, True, False]
SHARES = [0.9, 0.4, 0.6, 0.3, 0.2]


def judged_binary(shares: list[float]) -> HeldOutAnswers:
    predictions = [Prediction(p >= 0.5, (1 - p, p), max(p, 1 - p)) for p in shares]
    return judge(TRUTH, predictions, {"classes": [False, True], "positive": True, "threshold": 0.5})


def test_scores_when_there_are_two_classes_equal_their_formulas() -> None:
    scores = score(judged_binary(SHARES), judged_binary([0.6] * 5))

    pairs = [
        (g, b)
        for g, t in zip(SHARES, TRUTH, strict=True)
        if t
        for b, u in zip(SHARES, TRUTH, strict=True)
        if not u
    ]
    assert sum(g > b for g, b in pairs) / len(pairs) == pytest.approx(scores["roc_auc"]["value"])
    assert 0.8 == scores["accuracy"]["value"]
    assert np.mean([(p - t) ** 2 for p, t in zip(SHARES, TRUTH, strict=True)]) == pytest.approx(
        scores["brier"]["value"]
    )
    assert -np.mean(
        [np.log(p if t else 1 - p) for p, t in zip(SHARES, TRUTH, strict=True)]
    ) == pytest.approx(scores["log_loss"]["value"])
    assert 0.5 == scores["roc_auc"]["baseline"]
    assert 0.6 == scores["accuracy"]["baseline"]


def test_class_scores_when_there_are_two_classes_name_each() -> None:
    found = class_scores(judged_binary(SHARES))

    assert [
        {"class": False, "precision": pytest.approx(2 / 3), "recall": 1.0, "rows": 2},
        {"class": True, "precision": 1.0, "recall": pytest.approx(2 / 3), "rows": 3},
    ] == found


def test_scores_when_numbers_are_predicted_equal_their_formulas() -> None:
    truth, predicted = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
    card: Decision = {"classes": None, "positive": None, "threshold": 0.5}
    answers = judge(truth, [Prediction(value) for value in predicted], card)

    scores = score(answers, answers)

    assert 0.5 == scores["mae"]["value"]
    assert (1.25 / 3) ** 0.5 == pytest.approx(scores["rmse"]["value"])
    assert 1 - 1.25 / (14 / 3) == pytest.approx(scores["r2"]["value"])


def test_roc_auc_when_there_are_three_classes_is_the_mean_of_one_against_rest() -> None:
    draw = np.random.default_rng(0)
    truth = draw.choice(["a", "b", "c"], 300)
    shares = draw.dirichlet([1, 1, 1], 300)
    answers = HeldOutAnswers(truth, truth, shares, ["a", "b", "c"])

    found = score(answers, answers)["roc_auc"]["value"]

    each = [metrics.roc_auc_score(truth == c, shares[:, i]) for i, c in enumerate("abc")]
    assert np.mean(each) == pytest.approx(found)


@pytest.mark.parametrize("kind", ["two", "three", "numbers"])
def test_scores_when_computed_equal_those_of_scikit_learn(kind: str) -> None:
    answers = judged(kind)
    truth, shares, is_two = answers.truth, answers.probabilities, kind == "two"
    expected: dict[str, float] = {}
    if shares is None:
        expected["mae"] = metrics.mean_absolute_error(truth, answers.predicted)
        expected["rmse"] = metrics.root_mean_squared_error(truth, answers.predicted)
        expected["r2"] = metrics.r2_score(truth, answers.predicted)
    else:
        asked = shares[:, 1] if is_two else shares
        expected["accuracy"] = metrics.accuracy_score(truth, answers.predicted)
        expected["roc_auc"] = metrics.roc_auc_score(truth, asked, multi_class="ovr")
        expected["log_loss"] = metrics.log_loss(truth, np.clip(shares, LEAST_PROBABILITY, 1))
        expected["brier"] = metrics.brier_score_loss(truth, asked, labels=answers.classes)

    assert expected == {
        name: pytest.approx(one.estimate(answers).value, rel=1e-6)
        for name, one in applicable(answers).items()
    }


@pytest.mark.parametrize("kind", ["two", "three", "numbers"])
def test_influences_when_a_row_is_left_out_say_how_the_score_moves(kind: str) -> None:
    answers = judged(kind)
    n = len(answers.truth)

    for name, one in applicable(answers).items():
        whole = one.estimate(answers)
        for row in range(0, n, 40):
            rest = np.delete(np.arange(n), row)
            moved = (n - 1) * (whole.value - one.estimate(judged(kind, rest)).value)
            assert moved == pytest.approx(whole.influences[row], rel=0.05, abs=0.02), name
        assert 0 == pytest.approx(whole.influences.mean(), abs=1e-9)


def test_log_loss_when_probabilities_are_saturated_is_the_same_in_single_precision() -> None:
    truth = np.array([True, False, True, False])
    for doubtful in (1e-9, 1e-12, 0.0):
        shares = np.array([[doubtful, 1 - doubtful]] * 4)
        double, single = (
            HeldOutAnswers(truth, truth, numbers, [False, True], True)
            for numbers in (shares, shares.astype(np.float32).astype(np.float64))
        )

        losses = [SCORES["log_loss"].estimate(answers).value for answers in (double, single)]

        assert losses[0] == pytest.approx(losses[1], abs=1e-6)
        assert losses[0] == pytest.approx(-np.log(LEAST_PROBABILITY) / 2)


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_scores_when_they_cannot_be_computed_are_left_out_and_never_nan(rows: int) -> None:
    equal = HeldOutAnswers(np.full(rows, 5.0), np.full(rows, 5.0) + 0.25)
    truth = np.full(rows, "a")
    shares = np.tile([0.5, 0.25, 0.25], (rows, 1))
    absent = HeldOutAnswers(truth, truth, shares, ["a", "b", "c"])

    numbers, classes = score(equal, equal), score(absent, absent)

    assert {"mae", "rmse"} == set(numbers)
    assert {"accuracy", "log_loss", "brier"} == set(classes)
    json.dumps([numbers, classes, class_scores(absent)], allow_nan=False)
    assert [0, None] == [class_scores(absent)[2][key] for key in ("rows", "recall")]
    assert all("remark" in entry for entry in numbers.values())
