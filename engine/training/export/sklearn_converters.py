"""What skl2onnx 1.20 needs to convert pipelines exactly.

It closes these gaps: onnxruntime has no imputer for doubles, LinearSVC refuses
the option that every classifier needs, and a voting classifier must not flatten.
"""

from copy import deepcopy
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.operator_converters.common import concatenate_variables
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.operator_converters.linear_classifier import convert_sklearn_linear_classifier
from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.svm import LinearSVC


def register_converters() -> None:
    """Teach skl2onnx, once per process."""
    update_registered_converter(
        SimpleImputer,
        "SklearnSimpleImputer",
        calculate_sklearn_imputer_output_shapes,
        _convert_imputer,
        overwrite=True,
    )
    update_registered_converter(
        LinearSVC,
        "SklearnLinearSVC",
        calculate_linear_classifier_output_shapes,
        convert_sklearn_linear_classifier,
        overwrite=True,
        options={name: [True, False] for name in ("zipmap", "nocl", "raw_scores")},
    )
    tree_ensemble.sklearn_threshold = _largest_single


def _largest_single(threshold: float, dtype: Any, mode: str) -> float:
    """Return the largest single up to a threshold; skl2onnx's own never ends for an infinite one.

    Raise NotImplementedError unless the tree compares by "at most".
    """
    if mode != "BRANCH_LEQ":
        raise NotImplementedError("only trees that compare by 'at most' are converted")
    single = np.float32(threshold)
    return float(single if single <= threshold else np.nextafter(single, np.float32(-np.inf)))


def without_flattening(pipeline: Any) -> Any:
    """Return a copy whose voting classifiers do not flatten; answers are the same."""
    copied = deepcopy(pipeline)
    for value in (copied, *copied.get_params(deep=True).values()):
        if isinstance(value, VotingClassifier):
            value.flatten_transform = False
    return copied


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    imputer = operator.raw_operator
    kind = operator.inputs[0].type
    if isinstance(kind, StringTensorType) or getattr(imputer, "add_indicator", False):
        convert_sklearn_imputer(scope, operator, container)
        return
    if not (isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)):
        raise NotImplementedError("only NaN can be imputed in an exported model")
    is_double = isinstance(kind, DoubleTensorType)
    values = concatenate_variables(scope, operator.inputs, container)
    is_gap = scope.get_unique_variable_name("is_gap")
    fill = scope.get_unique_variable_name("fill")
    container.add_initializer(
        fill,
        TensorProto.DOUBLE if is_double else TensorProto.FLOAT,
        [1, len(imputer.statistics_)],
        imputer.statistics_.astype(np.float64 if is_double else np.float32),
    )
    container.add_node("IsNaN", [values], [is_gap], op_version=13)
    container.add_node("Where", [is_gap, fill, values], operator.outputs[0].full_name, op_version=9)
