"""What is left out of a pipeline, and what only looks as if it could be."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_array

from engine.training.served_pipeline import served


@pytest.mark.parametrize(
    ("dtype", "is_left_out"),
    [("numeric", True), ([np.float64], True), (np.int64, False), (np.float32, False)],
)
def test_check_when_it_makes_other_numbers_stays(dtype: Any, is_left_out: bool) -> None:  # noqa: FBT001
    step = FunctionTransformer(partial(check_array, dtype=dtype)).fit([[0.5]])

    assert (served(step).pipeline.func is None) is is_left_out


def test_forest_when_fitted_by_all_cores_is_served_by_one_thread_with_its_answers() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(400, 3))
    forest = RandomForestRegressor(40, n_jobs=2, random_state=0).fit(rows, rows[:, 0] / 3)

    kept = served(forest).pipeline

    assert kept.n_jobs is None
    with parallel_config("sequential"):
        assert np.array_equal(forest.predict(rows), kept.predict(rows))
