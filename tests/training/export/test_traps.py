"""The gate refuses every conversion that goes through and answers wrongly."""

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.boosting_export import mended_boosting
from engine.runtime.native import NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.tolerance import TOLERANCE
from engine.schema.definition import ModelDefinition
from engine.training.export.challenge import Challenge, joined
from engine.training.export.export import convert, translate
from engine.training.export.parity import Parity, ask, compare
from engine.training.export.record_input import packed
from engine.training.export.thresholds import splits
from tests.support.estimators import FIELDS, only_encoded, prepare
from tests.support.trials import fit

CARD: Any = {"classes": [False, True], "positive": True, "threshold": 0.5}


def gate(exported: bytes, definition: ModelDefinition, pipeline: Any, X: pd.DataFrame) -> Parity:
    fields = definition.fields
    challenge = Challenge(X.to_dict("list"), fields, seed=0)
    points, _ = challenge.turning_points()
    rows = joined(challenge.real, points, challenge.at_thresholds(splits(pipeline)))
    reference = ask(NativeRuntime(pipeline, fields), rows, challenge.size, CARD)
    return compare(lambda: OnnxRuntime(exported, fields, has_probabilities=True), reference, CARD)


@pytest.mark.slow
def test_gate_when_boosting_has_categorical_splits_refuses_the_conversion() -> None:
    boosting = HistGradientBoostingClassifier(categorical_features=[0], max_iter=20)
    definition, pipeline, X = fit(boosting, only_encoded())

    with mended_boosting():
        parity = gate(convert(pipeline, FIELDS), definition, pipeline, X)

    assert parity.mismatches > 0
    assert "labels differ" in parity.reason


@pytest.mark.slow
def test_gate_when_boosting_thresholds_are_rounded_refuses_the_conversion() -> None:
    definition, pipeline, X = fit(HistGradientBoostingClassifier(max_iter=20), only_encoded())

    with mended_boosting():
        parity = gate(convert(pipeline, FIELDS), definition, pipeline, X)

    assert parity.difference > TOLERANCE
    assert parity.reason


def test_gate_when_a_forest_learnt_from_gaps_refuses_the_conversion() -> None:
    forest = RandomForestClassifier(20, random_state=0)
    definition, pipeline, X = fit(forest, only_encoded())

    parity = gate(convert(pipeline, FIELDS), definition, pipeline, X)

    assert parity.mismatches > 0


def test_gate_when_rare_words_are_lumped_refuses_the_conversion() -> None:
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2)
    definition, pipeline, X = fit(LogisticRegression(), prepare(encoder))

    parity = gate(convert(pipeline, FIELDS), definition, pipeline, X)

    assert parity.reason


def test_gate_when_trees_compare_doubles_without_rounding_refuses_them() -> None:
    definition, pipeline, X = fit(RandomForestClassifier(20, random_state=0), prepare())
    unrounded = packed(translate(pipeline, FIELDS), FIELDS).SerializeToString()

    double = gate(unrounded, definition, pipeline, X)
    exact = gate(convert(pipeline, FIELDS), definition, pipeline, X)

    assert double.difference > TOLERANCE
    assert double.reason
    assert (exact.mismatches, exact.reason) == (0, "")


def test_gate_when_everything_is_in_single_precision_refuses_the_conversion() -> None:
    definition, pipeline, X = fit(RandomForestClassifier(20, random_state=0), prepare())
    single = Pipeline(pipeline.steps)
    types = [
        (one.name, (StringTensorType if one.kind == "category" else FloatTensorType)([None, 1]))
        for one in FIELDS
    ]
    options = {id(single[-1]): {"zipmap": False}}
    naive = convert_sklearn(single, "model", initial_types=types, options=options)
    _take_doubles(naive)

    parity = gate(naive.SerializeToString(), definition, pipeline, X)

    assert parity.reason


def _take_doubles(model: onnx.ModelProto) -> None:
    """Let a graph of singles take doubles, as a naive service would feed it."""
    for one in model.graph.input:
        if one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            inner = f"{one.name}_single"
            for node in model.graph.node:
                node.input[:] = [inner if name == one.name else name for name in node.input]
            cast = onnx.helper.make_node("Cast", [one.name], [inner], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
            one.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def test_gate_when_one_threshold_is_off_by_one_float_refuses_the_export() -> None:
    definition, pipeline, X = fit(RandomForestClassifier(5, random_state=0), prepare_plain())
    exported = convert(pipeline, FIELDS)
    assert gate(exported, definition, pipeline, X).reason == ""
    model = onnx.load_from_string(exported)
    (trees,) = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    values, modes, features = (
        next(one for one in trees.attribute if one.name == f"nodes_{name}")
        for name in ("values_as_tensor", "modes", "featureids")
    )
    limits = onnx.numpy_helper.to_array(values.t)
    is_split = (np.array(modes.strings) == b"BRANCH_LEQ") & (np.array(features.ints) == 0)
    below = np.nextafter(limits.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    values.t.CopyFrom(onnx.numpy_helper.from_array(np.where(is_split, below, limits)))

    parity = gate(model.SerializeToString(), definition, pipeline, X)

    assert is_split.any()
    assert parity.difference > TOLERANCE


def prepare_plain() -> ColumnTransformer:
    """Leave the size as it is, so that trees split it where values lie midway."""
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer([("size", "passthrough", ["size"]), ("words", words, ["kind"])])


def test_gate_when_labels_are_swapped_refuses_the_export() -> None:
    definition, pipeline, X = fit(LogisticRegression(), prepare())
    exported = onnx.load_from_string(convert(pipeline, FIELDS))
    for constant in exported.graph.initializer:
        if "coef" in constant.name or "intercept" in constant.name:
            swapped = -numpy_helper.to_array(constant)
            constant.CopyFrom(numpy_helper.from_array(swapped, constant.name))
    for node in exported.graph.node:
        for one in node.attribute:
            if one.name in ("coefficients", "intercepts"):
                one.floats[:] = [-value for value in one.floats]

    parity = gate(exported.SerializeToString(), definition, pipeline, X)

    assert parity.mismatches > 0
