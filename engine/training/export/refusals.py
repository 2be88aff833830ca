"""Why a pipeline has no export, in a sentence: which step, and what to change."""

from collections.abc import Iterator
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer


def refusal(error: Exception, pipeline: Any) -> str:
    """Return why skl2onnx cannot convert a fitted pipeline, for which it raised an error."""
    from skl2onnx._supported_operators import sklearn_operator_name_map

    steps = [step for step in _steps(pipeline) if not isinstance(step, str)]
    strange = [
        _name(step)
        for step in steps
        if type(step) not in sklearn_operator_name_map or getattr(step, "func", None) is not None
    ]
    if strange:
        names = " and ".join(dict.fromkeys(strange))
        return f"{names} cannot be exported to ONNX: use another step to be served faster"
    if isinstance(error, NotImplementedError) and "\n" not in str(error):
        return f"it cannot be exported to ONNX, since {error}"
    last = _name(steps[-1]) if steps else type(pipeline).__name__
    return f"skl2onnx cannot convert {last} after these steps: try each in another's place"


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
