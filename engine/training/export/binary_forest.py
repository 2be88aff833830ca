"""Let a forest of two classes sum one probability.

skl2onnx makes a forest that returns a label and two probabilities. Only the second
probability is needed: the card's threshold decides the label, and the first probability
is 1 minus the second. A forest with a single sum stores each leaf's share beside the
leaf, and answers a record in two thirds of the time.
"""

from typing import Any

from onnx import ModelProto, TensorProto, helper


def with_one_sum(model: ModelProto) -> ModelProto:
    """Return a graph whose only output, of shape (n, 1), is the second class's probability.

    Return the same model when it does not end with a forest of two classes that takes
    doubles (`engine.training.export.single_trees`).
    """
    forest = model.graph.node[-1]
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in forest.attribute}
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or ()
    if (
        forest.op_type != "TreeEnsembleClassifier"
        or list(forest.output) != [output.name for output in model.graph.output]
        or attributes["post_transform"] != b"NONE"
        or len(labels) != 2
        or len(set(attributes["class_ids"])) != 1  # with both classes each share would occur twice
        or "class_weights_as_tensor" not in attributes
    ):
        return model
    new = ModelProto()
    new.CopyFrom(model)
    del new.graph.node[-1], new.graph.output[:]
    shares = forest.output[1]
    new.graph.node.append(
        helper.make_node(
            "TreeEnsembleRegressor", forest.input, [shares], domain=forest.domain,
            n_targets=1, aggregate_function="SUM", post_transform="NONE", **_summed(attributes),
        )
    )  # fmt: skip
    new.graph.output.append(helper.make_tensor_value_info(shares, TensorProto.FLOAT, [None, 1]))
    return new


def _summed(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: value for key, value in attributes.items() if key[:6] == "nodes_"},
        "target_treeids": attributes["class_treeids"],
        "target_nodeids": attributes["class_nodeids"],
        "target_ids": [0] * len(attributes["class_ids"]),
        "target_weights_as_tensor": attributes["class_weights_as_tensor"],
    }
