"""On which rows an export is compared."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from engine.runtime.native import NativeRuntime
from engine.schema import Category, Flag, Number
from engine.training.export.challenge import Challenge, joined
from engine.training.export.thresholds import splits

DRAW = np.random.default_rng(0)
FIELDS = (
    Number(name="a", example=1.0),
    Number(name="b", example=1.0, missing="accept"),
    Number(name="k", example=1, integer=True),
    Category(name="c", example="x", categories=("x", "y")),
)
TABLE = pd.DataFrame(
    {
        "a": DRAW.normal(1000, 1, 200),
        "b": np.where(DRAW.random(200) < 0.1, np.nan, DRAW.normal(0, 1e-3, 200)),
        "k": DRAW.integers(0, 9, 200).astype(float),
        "c": DRAW.choice(["x", "y"], 200),
    }
)
TRUTH = TABLE["a"] + 1000 * TABLE["b"].fillna(0) + TABLE["k"] + (TABLE["c"] == "x")


def prepared(*estimators: Any) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("n", numbers, ["a", "b", "k"]), ("w", words, ["c"])])
    return make_pipeline(columns, *estimators)


def test_rows_when_fields_declare_policies_are_only_what_they_accept() -> None:
    fields = (
        Number(name="a", example=1, minimum=0, maximum=9),
        Number(name="b", example=1, integer=True, missing="accept"),
        Number(name="c", example=1, out_of_range="accept", maximum=5),
        Category(name="d", example="x", categories=("x", "y")),
        Category(name="e", example="x", categories=("x",), unknown="accept", missing="accept"),
        Flag(name="f", example=True),
    )
    numbers = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [1.0, 2.0], "f": [1.0, 0.0]}
    columns: dict[str, list[Any]] = {**numbers, "d": ["x", "y"], "e": ["x", "x"]}
    challenge = Challenge(columns, fields, seed=0)

    points, varied = challenge.turning_points()
    rows = joined(challenge.real, points)

    single = np.float32(1.5)
    near = {1.5, np.nextafter(1.5, 0), np.nextafter(1.5, 9)}
    near |= {float(np.nextafter(single, np.float32(end))) for end in (0, 9)}
    assert {1.0, 2.0, 0.0, 9.0, *near} == set(rows["a"])
    assert {3.0, 4.0} == {value for value in rows["b"] if value == value}
    assert any(value != value for value in rows["b"])
    assert max(rows["c"]) > 1000 and min(rows["c"]) < -1000
    assert {"x", "y"} == set(rows["d"])
    assert {"x", "__unknown__", "__missing__"} == set(rows["e"])
    assert {0.0, 1.0} == set(rows["f"])
    assert len(varied) == len(points["a"]) == len(rows["a"]) - 2


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeRegressor(max_depth=5, random_state=0),
        GradientBoostingRegressor(n_estimators=8, random_state=0),
        HistGradientBoostingRegressor(max_iter=4),
        BaggingRegressor(DecisionTreeRegressor(), 3, max_features=3, random_state=0),
        VotingRegressor([("l", LinearRegression()), ("t", DecisionTreeRegressor(max_depth=4))]),
        StackingRegressor([("l", LinearRegression())], RandomForestRegressor(3, max_depth=3), cv=2),
        make_pipeline(PCA(2), DecisionTreeRegressor(max_depth=4, random_state=0)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_rows_when_there_are_trees_lie_on_both_sides_of_their_thresholds(estimator: Any) -> None:
    pipeline = prepared(estimator).fit(TABLE, TRUTH)
    (group, *_) = splits(pipeline)
    challenge = Challenge(TABLE.to_dict("list"), FIELDS, seed=0)

    rows = pd.DataFrame(challenge.at_thresholds([group]))

    # Six values follow each other from the largest that a tree sends left: the next double
    # in each direction, then the next singles. Whole numbers are two, below and above.
    features = np.asarray(group.features(rows.astype({"c": object})))
    seen = features.astype(np.float32) if group.is_single else features
    sides = seen[:, group.places] <= group.thresholds
    both = [(sides[:, split] != sides[:1, split]).any() for split in range(len(group.thresholds))]
    assert np.mean(both) > 0.75
    numbers = [np.unique(rows[name].dropna()) for name in "ab"]  # which one varies is drawn
    assert any((np.nextafter(seen[:-1], np.inf) == seen[1:]).any() for seen in numbers)
    assert set(rows["k"]) <= set(range(9))


def test_rows_when_a_number_is_cut_lie_on_both_sides_of_the_cuts() -> None:
    cuts = KBinsDiscretizer(4, encode="ordinal", strategy="uniform")
    columns = ColumnTransformer([("a", cuts, ["a"])])
    pipeline = make_pipeline(columns, LinearRegression()).fit(TABLE, TRUTH)
    edges = pipeline[0].named_transformers_["a"].bin_edges_[0]
    challenge = Challenge(TABLE.to_dict("list"), FIELDS[:1], seed=0)

    rows = challenge.at_jumps(NativeRuntime(pipeline, FIELDS[:1]).run)

    nearest = [np.abs(rows["a"] - edge).min() for edge in edges[1:-1]]
    assert sum(distance <= 2 * np.spacing(1000.0) for distance in nearest) >= 2


def test_rows_when_a_range_is_open_have_numbers_of_every_size_and_zero() -> None:
    fields = (
        Number(name="a", example=1.0),
        Number(name="b", example=1.0, minimum=0, limit=1e38),
        Number(name="k", example=1.0, minimum=0, maximum=9),
        Number(name="j", example=1.0, minimum=0, maximum=9, out_of_range="accept"),
    )
    columns = {name: [1.0, 2.0] for name in "abkj"}

    rows = Challenge(columns, fields, seed=0).extremes()

    largest = np.finfo(np.float64).max
    assert (-largest, largest) == (rows["a"].min(), rows["a"].max())
    assert (0.0, 1e38) == (rows["b"].min(), rows["b"].max())
    assert {0.0, 1.0, 2.0} == set(rows["k"])  # 0 has no logarithm
    assert (-largest, largest) == (rows["j"].min(), rows["j"].max())
    assert ((rows["a"] == largest) & (rows["b"] == 1e38) & (rows["j"] == largest)).any()
