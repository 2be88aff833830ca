"""The threshold is the one at which errors cost least, counted row by row."""

from typing import Any, cast

import numpy as np
import pytest
from sklearn import metrics

from engine.schema.card import Description
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.costs import cheapest_threshold
from engine.training.evaluation.own_scores import own_scores
from engine.training.failures import TrainingFailed


def drawn(rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    probabilities = draw.random(rows)
    return probabilities, draw.random(rows) < probabilities


@pytest.mark.parametrize(("alarm", "miss"), [(1, 1), (1, 9), (20, 1)])
def test_threshold_by_cost_is_the_cheapest_of_all(alarm: float, miss: float) -> None:
    probabilities, truth = drawn()

    threshold, entry = cheapest_threshold(
        probabilities, truth, {"false_positive": alarm, "false_negative": miss}
    )

    def cost(at: float) -> float:
        predicted = probabilities >= at
        return float(alarm * (predicted & ~truth).sum() + miss * (~predicted & truth).sum()) / 400

    costs = {point["threshold"]: point["cost"] for point in entry["curve"]}
    assert costs == pytest.approx({at: cost(at) for at in costs})
    assert cost(threshold) == min(cost(at) for at in probabilities) == costs[threshold]
    assert threshold == pytest.approx(alarm / (alarm + miss), abs=0.15)


def card_with(**more: Any) -> Description:
    return cast("Description", {"seed": 0, **more})


def answers(*, is_binary: bool = True) -> HeldOutAnswers:
    probabilities, truth = drawn()
    if not is_binary:
        three = np.array(["a", "b", "c"])
        return HeldOutAnswers(
            three[np.arange(400) % 3], three[np.arange(400) // 200], None, [*three]
        )
    labels = np.where(truth, "yes", "no")
    predicted = np.where(probabilities >= 0.5, "yes", "no")
    shares = np.stack([1 - probabilities, probabilities], axis=1)
    return HeldOutAnswers(labels, predicted, shares, ["no", "yes"], "yes")


def test_scores_of_ones_own_are_those_of_scikit_learn_with_an_interval() -> None:
    judged = answers()
    costs = {"false_positive": 1.0, "false_negative": 5.0}
    entry = cheapest_threshold(*drawn(), costs)[1]

    scores = own_scores(("f1", "average_precision"), card_with(costs=entry), judged, judged)

    truth, predicted = judged.truth == "yes", judged.predicted == "yes"
    expected = {
        "f1": metrics.f1_score(truth, predicted),
        "average_precision": metrics.average_precision_score(truth, drawn()[0]),
        "cost": np.where(truth, 5.0, 1.0)[truth != predicted].sum() / 400,
    }
    assert expected == pytest.approx({name: entry["value"] for name, entry in scores.items()})
    draw = np.random.default_rng(1)
    samples = [draw.integers(0, 400, 400) for _ in range(200)]
    spread = np.std([metrics.f1_score(truth[rows], predicted[rows]) for rows in samples])
    width = scores["f1"]["high"] - scores["f1"]["value"]
    assert 1.96 * spread == pytest.approx(width, rel=0.4)
    assert scores["f1"]["value"] - scores["f1"]["low"] == pytest.approx(width)


def test_score_when_it_does_not_fit_the_classes_is_refused_with_a_remedy() -> None:
    judged = answers(is_binary=False)

    macro = own_scores(("f1_macro",), card_with(), judged, judged)["f1_macro"]["value"]

    assert macro == pytest.approx(metrics.f1_score(judged.truth, judged.predicted, average="macro"))
    with pytest.raises(TrainingFailed, match=r"score 'f1' cannot be computed: .*f1_macro"):
        own_scores(("f1",), card_with(), judged, judged)


def test_score_of_numbers_is_that_of_scikit_learn() -> None:
    truth = np.random.default_rng(0).random(100) + 1
    judged = HeldOutAnswers(truth, truth * 1.1)

    scores = own_scores(("neg_mean_absolute_percentage_error",), card_with(), judged, judged)

    assert [-0.1] == pytest.approx([entry["value"] for entry in scores.values()])
