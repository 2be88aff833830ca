"""Histogram gradient boosting as an exact ONNX graph.

scikit-learn compares these trees' thresholds in double precision, and so does
this: the trees become one ensemble with double thresholds. skl2onnx's own
converter rounds them to single precision and ignores categorical splits.
"""

from collections import defaultdict
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from skl2onnx import update_registered_converter
from skl2onnx.common import data_types
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


def register_hist_gradient_boosting() -> None:
    """Teach skl2onnx both estimators, in place of its own converters."""
    classifier, regressor = HistGradientBoostingClassifier, HistGradientBoostingRegressor
    name = "SklearnHistGradientBoosting"
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    update_registered_converter(
        classifier, f"{name}Classifier", _classifier_shapes, _convert_classifier,
        overwrite=True, options=options,
    )  # fmt: skip
    update_registered_converter(
        regressor, f"{name}Regressor", _regressor_shapes, _convert_regressor, overwrite=True
    )


def _classifier_shapes(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    classes = operator.raw_operator.classes_
    is_text = isinstance(classes[0], str)
    label = data_types.StringTensorType if is_text else data_types.Int64TensorType
    operator.outputs[0].type = label([rows])
    operator.outputs[1].type = data_types.FloatTensorType([rows, len(classes)])


def _regressor_shapes(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = data_types.FloatTensorType([rows, 1])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    boosting = operator.raw_operator
    raw = _add_trees(scope, operator, container)
    label, probabilities = (output.full_name for output in operator.outputs)
    if boosting.n_trees_per_iteration_ == 1:
        positive, negative = _names(scope, "positive", "negative")
        unit = _initializer(scope, container, TensorProto.FLOAT, [1.0])
        container.add_node("Sigmoid", [raw], [positive], op_version=13)
        container.add_node("Sub", [unit, positive], [negative], op_version=14)
        container.add_node("Concat", [negative, positive], [probabilities], axis=1, op_version=13)
    else:
        container.add_node("Softmax", [raw], [probabilities], axis=1, op_version=13)
    (index,) = _names(scope, "index")
    container.add_node("ArgMax", [probabilities], [index], axis=1, keepdims=0, op_version=13)
    classes = boosting.classes_
    kind = TensorProto.STRING if isinstance(classes[0], str) else TensorProto.INT64
    plain = [label.encode() if isinstance(label, str) else int(label) for label in classes]
    words = _initializer(scope, container, kind, plain)
    container.add_node("Gather", [words, index], [label], axis=0, op_version=13)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    raw = _add_trees(scope, operator, container)
    links = {"IdentityLink": "Identity", "LogLink": "Exp"}
    link = type(operator.raw_operator._loss.link).__name__
    if link not in links:
        raise NotImplementedError(f"the link {link} is not converted")
    container.add_node(links[link], [raw], operator.outputs[0].full_name, op_version=13)


def _add_trees(scope: Any, operator: Any, container: Any) -> str:
    """Add the ensemble; return the name of its raw predictions, of shape (n, n_targets)."""
    if not isinstance(operator.inputs[0].type, data_types.DoubleTensorType):
        raise NotImplementedError("thresholds are doubles: convert without a cast")
    boosting = operator.raw_operator
    targets = boosting.n_trees_per_iteration_
    nodes: dict[str, list[Any]] = defaultdict(list)
    leaves: dict[str, list[Any]] = defaultdict(list)
    for stage, trees in enumerate(boosting._predictors):
        for target, tree in enumerate(trees):
            _add_tree(nodes, leaves, tree.nodes, stage * targets + target, target)
    doubles = {
        "nodes_values": nodes.pop("values"),
        "target_weights": leaves.pop("weights"),
        "base_values": np.ravel(boosting._baseline_prediction).tolist(),
    }
    (raw,) = _names(scope, "raw")
    container.add_node(
        "TreeEnsembleRegressor",
        operator.inputs[0].full_name,
        raw,
        op_domain="ai.onnx.ml",
        op_version=3,
        name=scope.get_unique_operator_name("HistGradientBoosting"),
        n_targets=targets,
        **{f"nodes_{name}": values for name, values in nodes.items()},
        **{f"target_{name}": values for name, values in leaves.items()},
        **{
            f"{name}_as_tensor": helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
            for name, values in doubles.items()
        },
    )
    return str(raw)


def _add_tree(
    nodes: dict[str, list[Any]], leaves: dict[str, list[Any]], tree: Any, number: int, target: int
) -> None:
    if tree["is_categorical"].any():
        raise NotImplementedError("categorical splits are not converted")
    for place, node in enumerate(tree):
        is_leaf = bool(node["is_leaf"])
        entry = {
            "treeids": number,
            "nodeids": place,
            "featureids": 0 if is_leaf else int(node["feature_idx"]),
            "modes": "LEAF" if is_leaf else "BRANCH_LEQ",
            "values": 0.0 if is_leaf else float(node["num_threshold"]),
            "truenodeids": 0 if is_leaf else int(node["left"]),
            "falsenodeids": 0 if is_leaf else int(node["right"]),
            "missing_value_tracks_true": 0 if is_leaf else int(node["missing_go_to_left"]),
        }
        for name, value in entry.items():
            nodes[name].append(value)
        if is_leaf:
            leaves["treeids"].append(number)
            leaves["nodeids"].append(place)
            leaves["ids"].append(target)
            leaves["weights"].append(float(node["value"]))


def _names(scope: Any, *words: str) -> list[str]:
    return [scope.get_unique_variable_name(word) for word in words]


def _initializer(scope: Any, container: Any, kind: int, values: list[Any]) -> str:
    (name,) = _names(scope, "constant")
    container.add_initializer(name, kind, [len(values)], values)
    return name
