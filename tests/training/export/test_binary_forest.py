"""A forest of two classes that sums one probability."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from engine.runtime.onnx import OnnxRuntime
from engine.schema.fields import Number
from engine.training.export.binary_forest import with_one_sum
from engine.training.export.export import convert, translate
from engine.training.export.single_trees import largest_that_round_to, with_double_trees

FIELDS = tuple(Number(name=f"x{place}", example=0) for place in range(4))
ROWS = np.random.default_rng(0).normal(size=(300, 4))


def fitted(estimator: Any, classes: int) -> Any:
    names = [one.name for one in FIELDS]
    columns = ColumnTransformer([("as they are", "passthrough", names)])
    truth = np.digitize(ROWS[:, 0], [0, 0.5][: classes - 1])
    return make_pipeline(columns, estimator).fit(pd.DataFrame(ROWS, columns=names), truth)


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_forest_when_it_has_two_classes_gives_both_probabilities(kind: Any) -> None:
    forest = fitted(kind(n_estimators=150, random_state=0), 2)
    runtime = OnnxRuntime(convert(forest, FIELDS), FIELDS, has_probabilities=True)
    names = [field.name for field in FIELDS]

    for rows in (ROWS[:1], ROWS[:2], ROWS[:300]):
        found = runtime.run_matrix(rows).probabilities

        assert np.float64 == found.dtype
        expected = forest.predict_proba(pd.DataFrame(rows, columns=names))
        np.testing.assert_allclose(expected, found, atol=1e-7)
        np.testing.assert_array_equal(1.0, found.sum(axis=1))
        assert 0 <= found.min() and found.max() <= 1


@pytest.mark.parametrize(
    ("estimator", "classes"),
    [(RandomForestClassifier(n_estimators=3), 3), (LogisticRegression(), 2)],
)
def test_other_models_when_converted_are_left_as_they_are(estimator: Any, classes: int) -> None:
    model = with_double_trees(translate(fitted(estimator, classes), FIELDS))

    assert with_one_sum(model) is model
    assert 2 == len(model.graph.output)


def test_forest_when_its_inputs_are_singles_is_left_as_it_is() -> None:
    model = translate(fitted(RandomForestClassifier(n_estimators=3), 2), FIELDS)

    assert with_one_sum(model) is model


def test_doubles_when_they_are_limits_round_as_the_singles_do() -> None:
    draw = np.random.default_rng(0)
    singles = np.concatenate(
        [
            draw.integers(0, 2**31, 20_000, dtype=np.int32).view(np.float32),
            -draw.integers(0, 2**31, 20_000, dtype=np.int32).view(np.float32),
            np.array([0, 1, -1, 0.1, 2**24, 3.4028235e38, -3.4028235e38, 1e-45], dtype=np.float32),
        ]
    )
    singles = singles[np.isfinite(singles)]

    limits = largest_that_round_to(singles)

    with np.errstate(over="ignore"):
        assert (limits.astype(np.float32) <= singles).all()
        assert (np.nextafter(limits, np.inf).astype(np.float32) > singles).all()
