"""What fields matter: measured on rows, within bounds whatever the table and the estimator."""

import time

import numpy as np
import pandas as pd
import pytest

from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation import importances
from engine.training.evaluation.importances import permutation_importances


class Line:
    """Answers twice the first field; counts the rows that it is asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self._seconds = seconds

    def answer(self, X: pd.DataFrame, y: pd.Series) -> HeldOutAnswers:
        end = time.process_time() + self._seconds * len(X)
        while time.process_time() < end:
            pass
        self.sizes.append(len(X))
        return HeldOutAnswers(y.to_numpy(), 2 * X["f0"].to_numpy())


def error(answers: HeldOutAnswers) -> float:
    return -float(np.mean((answers.truth - answers.predicted) ** 2))


def make_rows(rows: int, fields: int) -> tuple[pd.DataFrame, pd.Series]:
    draw = np.random.default_rng(0)
    columns = [f"f{place}" for place in range(fields)]
    X = pd.DataFrame(draw.normal(size=(rows, fields)), columns=columns)
    return X, 2 * X["f0"]


def measure(line: Line, X: pd.DataFrame, y: pd.Series) -> tuple[dict[str, dict[str, float]], str]:
    return permutation_importances(
        X, y, answer=line.answer, scorer=error, has_classes=False, seed=0
    )


def test_importance_when_one_field_decides_is_its_drop_and_0_for_the_others() -> None:
    X, y = make_rows(2000, 3)

    weights, extent = measure(Line(), X, y)

    assert "2000 rows, shuffled 5 times" == extent
    assert ["f0", "f1", "f2"] == list(weights)
    # Two independent draws of variance 1, twice each, differ by 8 in the mean of squares.
    assert 8 == pytest.approx(weights["f0"]["mean"], rel=0.1)
    assert 0 < weights["f0"]["std"] < 1
    assert {"mean": 0.0, "std": 0.0} == weights["f1"] == weights["f2"]


def test_importances_when_fields_are_many_ask_for_few_rows_each() -> None:
    X, y = make_rows(3000, 300)
    line = Line()

    weights, extent = measure(line, X, y)

    assert 300 == len(weights)
    assert "200 rows, shuffled 5 times" == extent
    assert sum(line.sizes) <= 1.01 * importances.ANSWERS
    assert max(line.sizes) == 1000


def test_importances_when_answers_take_long_have_fewer_repeats_and_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importances, "SECONDS", 0.01)
    X, y = make_rows(400, 2)
    line = Line(seconds=1e-4)

    _, extent = measure(line, X, y)

    assert "50 rows, shuffled 1 times" == extent
    assert [400, 400, 50, 50, 50] == line.sizes


def test_importances_when_a_class_is_rare_have_a_row_of_it() -> None:
    X, _ = make_rows(5000, 2)
    y = pd.Series([row == 4999 for row in range(5000)])
    truths = []

    def scorer(answers: HeldOutAnswers) -> float:
        truths.append(answers.truth.any())
        return 0.0

    permutation_importances(X, y, answer=Line().answer, scorer=scorer, has_classes=True, seed=0)

    assert all(truths)
