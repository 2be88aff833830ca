"""Why a pipeline has no export: the step is named, and never an exception's text."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

from engine.training.export.refusals import refusal
from engine.training.export.sklearn_converters import register_converters

X = pd.DataFrame({"a": np.arange(1.0, 30.0)})


@pytest.mark.parametrize(
    ("step", "error", "reason"),
    [
        (SplineTransformer(), KeyError("x"), "SplineTransformer cannot be exported to ONNX: use"),
        (FunctionTransformer(np.arcsinh), KeyError("x"), "FunctionTransformer(arcsinh) cannot be"),
        (StandardScaler(), NotImplementedError("so"), "it cannot be exported to ONNX, since so"),
        (StandardScaler(), KeyError("x\ny"), "skl2onnx cannot convert Ridge after these steps"),
    ],
)  # fmt: skip
def test_refusal_when_a_pipeline_is_not_converted_names_the_step(
    step: Any, error: Exception, reason: str
) -> None:
    register_converters()
    pipeline = make_pipeline(step, Ridge()).fit(X, X["a"])

    text = refusal(error, pipeline)

    assert text.startswith(reason)
    assert "\n" not in text
