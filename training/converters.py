"""What skl2onnx 1.20 needs to convert pipelines exactly.

Three gaps are closed: onnxruntime has no imputer for doubles, a tree's
missing-value flag reaches ONNX as a numpy number that protobuf refuses, and a
voting classifier only converts when it does not flatten.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import skl2onnx.common.tree_ensemble as tree_ensemble
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer


def register_converters() -> None:
    """Teach skl2onnx, once per process."""
    update_registered_converter(
        SimpleImputer,
        "SklearnSimpleImputer",
        calculate_sklearn_imputer_output_shapes,
        _convert_imputer,
        overwrite=True,
    )
    if tree_ensemble.add_node is not _add_node:
        tree_ensemble.add_node = _add_node


def without_flattening(pipeline: Any) -> Any:
    """Give a copy whose voting classifiers do not flatten; answers are the same."""
    copied = deepcopy(pipeline)
    for value in _estimators(copied):
        if isinstance(value, VotingClassifier):
            value.flatten_transform = False
    return copied


def _estimators(estimator: Any) -> list[BaseEstimator]:
    nested = estimator.get_params(deep=True).values()
    return [estimator, *(value for value in nested if isinstance(value, BaseEstimator))]


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


_original_add_node = tree_ensemble.add_node


def _add_node(*args: Any, nodes_missing_value_tracks_true: Any = 0, **kwargs: Any) -> Any:
    return _original_add_node(
        *args,
        nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true),
        **kwargs,
    )
