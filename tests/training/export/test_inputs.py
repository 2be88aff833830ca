"""Whatever its fields are called and however its columns are named, a pipeline is exported."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from engine.runtime.native import NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.schema import Category, Number
from engine.schema.fields import Field
from engine.training.export.export import convert

NAMES = (
    "a b", "a-b", "a.b", "a/b", "$a", "1a", "größe", "площадь", "面積", "label", "variable",
    "record", "probabilities", "output_label", "field_0", "field_1", "a[0]", "'", '"', "",
)  # fmt: skip

_DRAW = np.random.default_rng(0)
ROWS = 40


def fields_and_rows(names: Sequence[str], words: Sequence[str] = ()) -> tuple[Any, pd.DataFrame]:
    """Return number fields and fields of words, of these names, and rows of them."""
    fields: list[Field] = [Number(name=name, example=1) for name in names]
    fields += [Category(name=name, categories=("x", "y"), example="x") for name in words]
    rows = {name: _DRAW.normal(size=ROWS).astype(np.float32).astype(float) for name in names}
    rows |= {name: pd.Series(_DRAW.choice(["x", "y"], ROWS), dtype=object) for name in words}
    return tuple(fields), pd.DataFrame(rows)


def assert_exported(pipeline: Any, fields: Any, rows: pd.DataFrame) -> None:
    target = rows.iloc[:, 0] + rows.iloc[:, 1]
    pipeline.fit(rows, target > 0 if is_classifier(pipeline) else target)
    columns = rows.to_dict("list")

    content = convert(pipeline, fields)

    expected = NativeRuntime(pipeline, fields).run(columns)
    has_probabilities = expected.probabilities is not None
    served = OnnxRuntime(content, fields, has_probabilities=has_probabilities).run(columns)
    if has_probabilities:
        assert served.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    else:
        assert served.values == pytest.approx(expected.values, abs=1e-5)


@pytest.mark.parametrize("place", range(0, len(NAMES), 4))
def test_fields_when_their_names_are_odd_are_exported(place: int) -> None:
    numbers, words = NAMES[place : place + 2], NAMES[place + 2 : place + 4]
    fields, rows = fields_and_rows(numbers, words)
    parts = [("n", StandardScaler(), list(numbers)), ("w", OneHotEncoder(), list(words))]

    assert_exported(make_pipeline(ColumnTransformer(parts), Ridge()), fields, rows)


@pytest.mark.parametrize(
    "pipeline",
    [
        LinearRegression(),
        LogisticRegression(),
        GaussianNB(),
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(3, random_state=0),
        RandomForestRegressor(3, random_state=0),
        GradientBoostingRegressor(n_estimators=3, random_state=0),
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=20, random_state=0),
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(make_pipeline(RobustScaler()), Ridge()),
        make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", RobustScaler())]), Ridge()),
        make_pipeline(
            FeatureUnion([("a", ColumnTransformer([("b", StandardScaler(), ["$ c"])]))]), Ridge()
        ),
    ],
    ids=lambda pipeline: type(getattr(pipeline, "steps", [["", pipeline]])[0][1]).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_estimator_when_it_takes_the_whole_frame_is_exported(pipeline: Any) -> None:
    fields, rows = fields_and_rows(("a", "b-1", "$ c"))

    assert_exported(pipeline, fields, rows)


@pytest.mark.parametrize(
    "columns",
    [[2, 0], slice(0, 2), slice("b-1", None), [True, False, True], [-1], np.array([1, 2]), ["a"]],
)
def test_columns_when_named_in_another_way_are_exported(columns: Any) -> None:
    fields, rows = fields_and_rows(("a", "b-1", "$ c"))
    parts = [("some", StandardScaler(), columns)]

    pipeline = make_pipeline(ColumnTransformer(parts, remainder="passthrough"), Ridge())

    assert_exported(pipeline, fields, rows)
