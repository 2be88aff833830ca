"""Exported models, also as earlier releases have stored them."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from engine.runtime.onnx import OnnxRuntime
from engine.schema.fields import Number


def second_class_alone() -> bytes:
    """Make a graph whose only output is the probability of the second of two classes."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["record"], ["probabilities"], to=TensorProto.FLOAT)],
        "model",
        [helper.make_tensor_value_info("record", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("rows", [1, 3, 300])
def test_forest_of_two_classes_whose_file_has_one_sum_has_both_probabilities(rows: int) -> None:
    fields = (Number(name="x", example=0),)
    runtime = OnnxRuntime(second_class_alone(), fields, has_probabilities=True)
    sums = np.resize([1 + 1e-7, 0.25, 0.75, 0.0], rows)  # the first has rounded above 1

    answers = runtime.run_matrix(sums.reshape(-1, 1)).probabilities

    second = np.minimum(sums, 1.0)
    assert np.float64 == answers.dtype
    np.testing.assert_array_equal(np.stack([1 - second, second], axis=1), answers)
