"""The quality of logged predictions equals an offline computation by scikit-learn."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from engine.monitoring.quality import measure
from engine.runtime.reference import AnswersReference, Reference
from engine.schema.fields import Number
from persistence.prediction_rows import OutcomeRow, PredictionRow

DAY = 86400.0
CARD: Any = {"classes": [False, True], "positive": True}


def judged(value: Any, truth: Any, number: int = 0, *more: Any, **changes: Any) -> Any:
    """Pair a prediction with its outcomes, the latest last."""
    values: dict[str, Any] = {"id": str(number), "at": number, "model": "m", "version": "v"}
    row = PredictionRow(**values | {"record": {}, "value": value} | changes)
    told: dict[str, Any] = {"model": "m", "source": "", "received_at": 0.0}
    return row, [OutcomeRow(**told, value=each) for each in (*more, truth)]


@pytest.fixture
def binary() -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """True values, probabilities, and both as they come from the log."""
    generator = np.random.default_rng(0)
    shares = generator.uniform(size=400)
    truth = generator.uniform(size=400) < shares**2
    rows = [
        judged(
            bool(share >= 0.5), bool(true), place,
            record={"job": "a" if place % 2 else "b"}, at=DAY * (20454 + place % 3),
            probabilities={"false": 1 - share, "true": share},
        )
        for place, (share, true) in enumerate(zip(shares, truth, strict=True))
    ]  # fmt: skip
    return truth, shares, rows


def test_scores_when_measured_equal_those_of_scikit_learn(binary: Any) -> None:
    truth, shares, rows = binary

    (group,) = measure(rows, lambda version: CARD)["groups"]

    scores, calibration = group["scores"], group["calibration"]
    assert 400 == group["n"]
    assert metrics.accuracy_score(truth, shares >= 0.5) == pytest.approx(
        scores["accuracy"]["value"]
    )
    assert metrics.roc_auc_score(truth, shares) == pytest.approx(scores["roc_auc"]["value"])
    assert metrics.log_loss(truth, shares) == pytest.approx(scores["log_loss"]["value"])
    assert all(score["low"] < score["value"] < score["high"] for score in scores.values())
    error = 0.0
    for low, high in pairwise(np.linspace(0, 1, 11)):
        inside = (shares >= low) & (shares < high)
        error += inside.mean() * abs(truth[inside].mean() - shares[inside].mean())
    assert error == pytest.approx(calibration["ece"])
    assert calibration["ece"] > 3 * calibration["ece_by_chance"]
    assert calibration["bias"]["low"] > 0  # the probabilities are too high


def test_groups_when_by_field_and_day_have_the_predictions_of_each(binary: Any) -> None:
    rows = binary[2]

    groups = measure(rows, lambda version: CARD, by="job", every="day")["groups"]

    assert [(f"2026-01-0{day}", job) for day in (1, 2, 3) for job in "ab"] == [
        (group["period"], group["segment"]) for group in groups
    ]
    assert 400 == sum(group["n"] for group in groups)


def test_outcomes_when_contradicting_the_latest_counts_and_they_are_counted() -> None:
    rows = [judged(True, True, number, *([False] if number < 4 else [])) for number in range(40)]

    measured = measure(rows, lambda version: CARD)

    assert 4 == measured["contradicted"]
    assert 1 == measured["groups"][0]["scores"]["accuracy"]["value"]


def test_quality_when_of_numbers_has_their_errors_and_below_30_outcomes_nothing() -> None:
    generator = np.random.default_rng(1)
    pairs = generator.normal(size=(50, 2))
    card: Any = {"classes": None, "positive": None}

    (group,) = measure([judged(*pair) for pair in pairs.tolist()], lambda version: card)["groups"]

    assert np.abs(pairs[:, 0] - pairs[:, 1]).mean() == pytest.approx(
        group["scores"]["mae"]["value"]
    )
    root = metrics.root_mean_squared_error(pairs[:, 1], pairs[:, 0])
    assert root == pytest.approx(group["scores"]["rmse"]["value"])
    field = Number(name="y", example=0.0).to_json()
    uncertainty = {"edges": [0.0], "limits": {"0.9": [[-1.0, 1.0], [-2.0, 2.0]]}}
    card |= {"schema": {"target": field}, "uncertainty": uncertainty}
    (group,) = measure([judged(*pair) for pair in pairs.tolist()], lambda version: card)["groups"]
    inside = np.abs(pairs[:, 0] - pairs[:, 1]) <= np.where(pairs[:, 0] < 0, 1.0, 2.0)
    assert inside.mean() == pytest.approx(group["scores"]["interval_coverage"]["value"])
    (few,) = measure([judged(1.0, 2.0)] * 29, lambda version: card)["groups"]
    assert "not enough yet: 29 of 30 outcomes" == few["note"]


def test_scores_when_the_relation_has_changed_are_not_those_expected(binary: Any) -> None:
    _, shares, rows = binary

    def with_truth(chances: np.ndarray) -> list[Any]:
        truth = np.random.default_rng(1).uniform(size=400) < chances
        return [
            judged(row.value, bool(true), int(row.id), probabilities=row.probabilities)
            for (row, _), true in zip(rows, truth, strict=True)
        ]

    answers = AnswersReference(500, offsets=[0.0, 0.0])
    reference = Reference(1, 2000, {}, answers, {})

    def beside(rows: list[Any], **options: Any) -> dict[str, Any]:
        groups = measure(rows, lambda version: CARD, reference_of=lambda card: reference, **options)
        scores = groups["groups"][0]["scores"]
        return {name: score.get("expected") for name, score in scores.items()}

    held, missed = beside(with_truth(shares)), beside(with_truth(np.full(400, 0.5)))
    assert [True] * 3 == [expected["holds"] for expected in held.values()]
    assert [False] * 3 == [expected["holds"] for expected in missed.values()]
    assert [None] * 3 == [*beside(rows, by="job").values()]
