"""What is said of a pipeline that cannot be stored: what it is, where, and what to do."""

import os
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import Birch
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from engine.training.failures import TrainingFailed
from engine.training.storable import check_storable


class Outsider(BaseEstimator):  # type: ignore[misc]
    """A class of no model file."""


def outside() -> Any:
    def within(X: Any) -> Any:
        return X

    return within


DEF = "with `def` at the top level of models/toy.py"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (FunctionTransformer(lambda X: X),
         f"step 'part', FunctionTransformer.func is a lambda: write it as a function {DEF}"),
        (FunctionTransformer(outside()),
         f"FunctionTransformer.func is within(), defined inside another function: write it {DEF}"),
        (FunctionTransformer(partial(np.clip, a_min=0)),
         f"is a functools.partial: write a function that does the same {DEF}"),
        (FunctionTransformer(itemgetter(0)),
         f"is a operator.itemgetter: write a function that does the same {DEF}"),
        (FunctionTransformer(os.system),
         f"is posix.system(): call it in a function of your own, written {DEF}"),
        (ColumnTransformer([("inner", FunctionTransformer(lambda X: X), ["a"])]),
         "step 'part > inner', FunctionTransformer.func is a lambda"),
        (KNeighborsRegressor(metric=lambda a, b: 0.0), "KNeighborsRegressor.metric is a lambda"),
        (Outsider(), "is a Outsider of tests.training.test_storable: define its class in"),
        (Birch(), "type Birch are not supported yet.; use another estimator in its place"),
    ],
)  # fmt: skip
def test_pipeline_when_a_part_cannot_be_stored_names_it_and_the_remedy(
    part: Any, message: str
) -> None:
    pipeline = Pipeline([("part", part), ("line", Ridge())])

    with pytest.raises(TrainingFailed) as caught:
        check_storable(pipeline, model="toy")

    assert str(caught.value).startswith("the pipeline cannot be stored: ")
    assert message in str(caught.value)
    assert "trust" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pipeline_when_two_parts_cannot_be_stored_names_both() -> None:
    pipeline = Pipeline([("a", FunctionTransformer(lambda X: X)), ("b", Outsider())])

    with pytest.raises(TrainingFailed, match=r"step 'a'.*; step 'b'"):
        check_storable(pipeline, model="toy")


@pytest.mark.parametrize("function", [None, np.log1p, np.clip, np.nan_to_num])
def test_function_when_it_only_computes_is_stored(function: Any) -> None:
    check_storable(FunctionTransformer(function), model="toy")
