"""Which steps prevent an export: they are named, and never an exception's text."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

from engine.training.export.obstacles import obstacles
from engine.training.export.sklearn_converters import register_converters

X = pd.DataFrame({"a": np.arange(1.0, 30.0)})


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((SplineTransformer(), Ridge()), "SplineTransformer"),
        ((FunctionTransformer(np.arcsinh), Ridge()), "FunctionTransformer(arcsinh)"),
        ((StandardScaler(), Ridge()), ""),
        ((SplineTransformer(), KernelRidge()), ""),
    ],
)
def test_steps_when_they_prevent_an_export_are_named(steps: tuple[Any, ...], expected: str) -> None:
    register_converters()
    pipeline = make_pipeline(*steps).fit(X, X["a"])

    assert expected == obstacles(pipeline)
