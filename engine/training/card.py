"""The facts on a card that are known before the version is scored."""

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from engine.runtime.loading import BOOSTERS
from engine.schema.card import Counts, Description
from engine.schema.definition import ModelDefinition
from engine.schema.fields import Field
from engine.training.evaluation.importances import last_step
from engine.training.provenance import Origin, traced, trainer
from engine.training.table import other_columns

_LIBRARIES = ("numpy", "pandas", "scikit-learn", "skops", "skl2onnx", "onnx", "onnxruntime")


def describe(
    name: str,
    definition: ModelDefinition,
    pipeline: Any,
    *,
    data: Path,
    counts: Counts | None = None,
    origin: Origin | None = None,
) -> Description:
    """Describe a version that is fitted and not judged yet.

    The card holds the name and the digest of the table, not its place.
    """
    origin = traced(name, origin or Origin())
    task = definition.schema.task
    classes = _classes(definition.target, pipeline) if task == "classification" else None
    is_sample = data.resolve() == definition.sample.resolve()
    estimator = last_step(pipeline)
    return {
        "model": name,
        "title": definition.title,
        "description": definition.description,
        "task": task,
        "schema": definition.schema.to_json() | other_columns(definition.schema, data),
        "classes": classes,
        "positive": positive_class(definition.target, classes) if classes else None,
        "threshold": definition.threshold,
        "has_probabilities": classes is not None and hasattr(pipeline, "predict_proba"),
        "trained_by": trainer(origin),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "estimator": type(estimator).__name__,
        "trees": _count_trees(estimator),
        "score": definition.score,
        "seed": definition.seed,
        "hyperparameters": plain(estimator.get_params(deep=False)),
        "data": {
            "name": data.name,
            "sha256": _digest(data),
            "note": definition.sample_note if is_sample else "",
            **(counts or {}),
        },
        "code": dict(origin.code),
        "libraries": _libraries(pipeline),
    }


def _digest(data: Path) -> str:
    """Return the digest of a table, or of the names and digests of a folder's files."""
    if data.is_file():
        return hashlib.sha256(data.read_bytes()).hexdigest()
    files = sorted(file for file in data.rglob("*") if file.is_file())
    lines = "".join(f"{_digest(file)} {file.relative_to(data).as_posix()}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _libraries(pipeline: Any) -> dict[str, str]:
    """Return the versions of what has fitted a pipeline, by name."""
    versions = {library: importlib.metadata.version(library) for library in _LIBRARIES}
    parts = [pipeline, *pipeline.get_params().values()]
    packages = {type(part).__module__.partition(".")[0] for part in parts}
    # The package that brings a module may have another name, such as xgboost-cpu.
    boosters = {name: sys.modules[name].__version__ for name in BOOSTERS if name in packages}
    return versions | boosters


def _classes(target: Field, pipeline: Any) -> list[Any]:
    """Return a fitted pipeline's classes as the target declares them: XGBoost has 0 for False."""
    declared = {label: label for label in target.classes or ()}
    return [declared.get(label, label) for label in np.asarray(pipeline.classes_).tolist()]


def positive_class(target: Field, classes: Sequence[Any]) -> Any:
    """Return the positive class of two: true, else the last that is declared."""
    assert target.classes is not None
    return max(classes, key=target.classes.index) if len(classes) == 2 else None


def _count_trees(estimator: Any) -> int | None:
    """Count the trees of a forest or a boosting; None where there are none."""
    if hasattr(estimator, "tree_"):
        return 1
    if hasattr(estimator, "get_booster"):  # XGBoost
        state = json.loads(estimator.get_booster().save_config())["learner"]["gradient_booster"]
        return int(state.get("gbtree_model_param", {}).get("num_trees", 0)) or None
    if hasattr(estimator, "booster_"):  # LightGBM
        return int(estimator.booster_.num_trees())
    if hasattr(estimator, "_predictors"):  # histogram gradient boosting
        return sum(len(stage) for stage in estimator._predictors)
    trees = getattr(estimator, "estimators_", ())
    trees = trees.ravel().tolist() if isinstance(trees, np.ndarray) else list(trees)
    return len(trees) if len(trees) and all(hasattr(tree, "tree_") for tree in trees) else None


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by name, in alphabetical order; what JSON cannot hold is text."""
    written = {}
    for name, value in sorted(parameters.items()):
        is_plain = not isinstance(value, (BaseEstimator, float)) or value == value
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            is_plain = False
        written[name] = value if is_plain else repr(value)
    return written
