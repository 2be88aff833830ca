"""Which steps of a pipeline prevent its export to ONNX."""

from collections.abc import Iterator
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer


def obstacles(pipeline: Any) -> str:
    """Return the steps without which skl2onnx would convert a fitted pipeline, as a phrase.

    It is empty where there are none, and where the last step, the estimator, is one of them.
    """
    from skl2onnx._supported_operators import sklearn_operator_name_map

    steps = [step for step in _steps(pipeline) if not isinstance(step, str)]
    strange = [
        step
        for step in steps
        if type(step) not in sklearn_operator_name_map or getattr(step, "func", None) is not None
    ]
    if steps[-1] in strange:
        return ""
    return " and ".join(dict.fromkeys(map(_name, strange)))


def _steps(part: Any) -> Iterator[Any]:
    """Yield the fitted estimators that do the work, in their order."""
    if isinstance(part, Pipeline):
        children = [step for _, step in part.steps]
    elif isinstance(part, ColumnTransformer):
        children = [step for _, step, _ in part.transformers_]
    elif isinstance(part, FeatureUnion):
        children = [step for _, step in part.transformer_list]
    else:
        yield part
        return
    for child in children:
        yield from _steps(child)


def _name(step: Any) -> str:
    if isinstance(step, FunctionTransformer) and step.func is not None:
        return f"FunctionTransformer({getattr(step.func, '__name__', step.func)})"
    return type(step).__name__
