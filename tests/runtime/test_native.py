"""A pipeline that rejects some records answers the others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from engine.runtime.native import NativeRuntime
from engine.runtime.version import decide, decide_columns, non_finite_rows
from engine.schema import Number
from engine.schema.card import Decision

FIELDS = (Number(name="size", example=1.0),)
X = pd.DataFrame({"size": np.linspace(0.1, 9, 40)})
SIZES = [2.0, -1.0, *[5.0] * 50, -3.0, 8.0]
REJECTED = [1, 52]
CARD: Decision = {"classes": ["no", "yes"], "positive": "yes", "threshold": 0.5}


def runtime(estimator: Any) -> tuple[NativeRuntime, Any]:
    """Return a pipeline that takes positive numbers only."""
    pipeline = make_pipeline(FunctionTransformer(np.log), estimator)
    is_class = not isinstance(estimator, LinearRegression)
    truth = np.where(X["size"] > 4, "yes", "no") if is_class else X["size"]
    return NativeRuntime(pipeline.fit(X, truth), FIELDS), pipeline


def answered(pipeline: Any, method: str) -> Any:
    good = [size for size in SIZES if size > 0]
    return getattr(pipeline, method)(pd.DataFrame({"size": good}))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("estimator", "method"),
    [(LogisticRegression(), "predict_proba"), (LinearRegression(), "predict")],
)
def test_records_when_some_are_rejected_have_no_number_and_the_others_theirs(
    estimator: Any, method: str
) -> None:
    native, pipeline = runtime(estimator)

    outputs = native.run({"size": SIZES})

    numbers = outputs.values if outputs.probabilities is None else outputs.probabilities
    assert np.isnan(numbers[REJECTED]).all()
    np.testing.assert_allclose(np.delete(numbers, REJECTED, axis=0), answered(pipeline, method))
    card: Decision = CARD if method != "predict" else {**CARD, "classes": None}
    assert REJECTED == non_finite_rows(decide_columns(outputs, card))


@pytest.mark.filterwarnings("error")
def test_records_when_some_are_rejected_have_no_label_and_the_others_theirs() -> None:
    native, pipeline = runtime(VotingClassifier([("linear", LogisticRegression())]))

    outputs = native.run_matrix(np.array(SIZES).reshape(-1, 1))

    assert REJECTED == non_finite_rows(decide_columns(outputs, CARD))
    values = [prediction.value for prediction in decide(outputs, CARD)]
    assert [True, True] == [values[row] != values[row] for row in REJECTED]
    assert answered(pipeline, "predict").tolist() == [one for one in values if one == one]


@pytest.mark.filterwarnings("error")
def test_records_when_all_are_rejected_cost_a_bounded_number_of_calls() -> None:
    calls = []

    def logarithm(table: Any) -> Any:
        calls.append(len(table))
        return np.log(table)

    pipeline = make_pipeline(FunctionTransformer(logarithm), LogisticRegression())
    native = NativeRuntime(pipeline.fit(X, X["size"] > 4), FIELDS)
    calls.clear()

    outputs = native.run({"size": [-1.0] * 1000})

    assert np.isnan(outputs.probabilities).all()
    assert outputs.probabilities.shape == (1000, 2)
    assert len(calls) <= 65


def test_pipeline_when_never_fitted_raises_as_it_is_no_record_that_is_wrong() -> None:
    native = NativeRuntime(make_pipeline(LogisticRegression()), FIELDS)

    with pytest.raises(AttributeError):
        native.run({"size": [1.0]})
