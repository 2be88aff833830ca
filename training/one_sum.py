"""Let a forest of two classes sum one probability.

skl2onnx makes a forest that gives a label and two probabilities. Only the
second one counts: the label is decided by the card's threshold, and the first
is what remains of 1. One that gives a single sum finds each leaf's share beside
the leaf, and answers a record in two thirds of the time.
"""

from onnx import ModelProto, TensorProto, helper

#: Of a classifier's attributes, those that a regressor has under another name.
_RENAMED = {
    "class_treeids": "target_treeids",
    "class_nodeids": "target_nodeids",
    "class_ids": "target_ids",
    "class_weights": "target_weights",
}


def with_one_sum(model: ModelProto) -> ModelProto:
    """Give a graph whose one output is the second class's probability.

    Returns
    -------
    ModelProto
        With the output ``probabilities`` of shape (n, 1); the same model
        when it does not end with a forest of two classes.
    """
    forest = model.graph.node[-1]
    given = {one.name: helper.get_attribute_value(one) for one in forest.attribute}
    labels = given.get("classlabels_int64s") or given.get("classlabels_strings") or ()
    if (
        forest.op_type != "TreeEnsembleClassifier"
        or list(forest.output) != [one.name for one in model.graph.output]
        or given["post_transform"] != b"NONE"
        or len(labels) != 2
        or len(set(given["class_ids"])) != 1  # of both classes the share would be there twice
        or "base_values" in given
    ):
        return model
    shares = forest.output[1]
    kept = {
        _RENAMED.get(name, name): value
        for name, value in given.items()
        if name.startswith("nodes_") or name in _RENAMED
    }
    kept["target_ids"] = [0] * len(given["class_ids"])
    new = ModelProto()
    new.CopyFrom(model)
    del new.graph.node[-1], new.graph.output[:]
    new.graph.node.append(
        helper.make_node(
            "TreeEnsembleRegressor", forest.input, [shares], domain=forest.domain,
            n_targets=1, aggregate_function="SUM", post_transform="NONE", **kept,
        )
    )  # fmt: skip
    new.graph.output.append(helper.make_tensor_value_info(shares, TensorProto.FLOAT, [None, 1]))
    return new
