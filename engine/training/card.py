"""The facts on a card that are known before the version is scored."""

import getpass
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from engine.schema.card import Counts, Description
from engine.schema.definition import ModelDefinition
from engine.training.evaluation.judged import positive_class

_LIBRARIES = ("numpy", "pandas", "scikit-learn", "skops", "skl2onnx", "onnx", "onnxruntime")

_HERE = Path(__file__).parent


class Origin(NamedTuple):
    """Who trains, and with what code.

    Attributes
    ----------
    by : str
        The name for the card; empty: git's ``user.name``, else the login name.
    revision : str
        The commit, for where there is no git.
    """

    by: str = ""
    revision: str = ""


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

    Parameters
    ----------
    pipeline : estimator
        Fitted.
    data : Path
        The table it learnt from; its name and digest are kept, not its place.
    counts : Counts, optional
        How many rows the table has, and how they were split.
    """
    origin = origin or Origin()
    classes = None
    if definition.schema.task == "classification":
        classes = [_plain(label) for label in pipeline.classes_]
    is_sample = data.resolve() == definition.sample.resolve()
    return {
        "model": name,
        "title": definition.title,
        "description": definition.description,
        "task": definition.schema.task,
        "schema": definition.schema.to_json(),
        "classes": classes,
        "positive": positive_class(definition.target, classes) if classes else None,
        "threshold": definition.threshold,
        "has_probabilities": classes is not None and hasattr(pipeline, "predict_proba"),
        "trained_by": origin.by or _user(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "estimator": type(_last(pipeline)).__name__,
        "trees": _count_trees(_last(pipeline)),
        "score": definition.score,
        "seed": definition.seed,
        "hyperparameters": _hyperparameters(pipeline),
        "data": {
            "name": data.name,
            "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
            "note": definition.sample_note if is_sample else "",
            **(counts or {}),
        },
        "code": {"revision": _revision() or origin.revision, "python": platform.python_version()},
        "libraries": {library: importlib.metadata.version(library) for library in _LIBRARIES},
    }


def _last(pipeline: Any) -> Any:
    return pipeline[-1] if isinstance(pipeline, Pipeline) else pipeline


def _count_trees(estimator: Any) -> int | None:
    """Count the trees of a forest or a boosting; None where there are none."""
    if hasattr(estimator, "tree_"):
        return 1
    if hasattr(estimator, "_predictors"):  # histogram gradient boosting
        return sum(len(stage) for stage in estimator._predictors)
    trees = getattr(estimator, "estimators_", ())
    trees = trees.ravel().tolist() if isinstance(trees, np.ndarray) else list(trees)
    return len(trees) if len(trees) and all(hasattr(tree, "tree_") for tree in trees) else None


def _hyperparameters(pipeline: Any) -> dict[str, Any]:
    """Return the last step's parameters; what JSON cannot hold is written as text."""
    parameters = {}
    for name, value in sorted(_last(pipeline).get_params(deep=False).items()):
        is_plain = not isinstance(value, (BaseEstimator, float)) or value == value
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            is_plain = False
        parameters[name] = value if is_plain else repr(value)
    return parameters


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _user() -> str:
    """Return who trains; empty if there is no name, as in some containers."""
    with suppress(OSError, subprocess.CalledProcessError):
        if name := _git("config", "user.name"):
            return name
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return ""


def _revision() -> str:
    """Return the commit, with a plus sign if files differ from it; empty without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", *arguments]  # fixed words only
    done = subprocess.run(  # noqa: S603
        command, cwd=_HERE, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
