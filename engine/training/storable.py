"""Whether a pipeline can be stored, and what to change where it cannot."""

import inspect
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import _CalibratedClassifier
from skops.io import get_untrusted_types
from skops.io._utils import get_type_name

from engine.runtime.trusted_types import untrusted
from engine.training.artifact import quick_dumps
from engine.training.failures import TrainingFailed


class _Place(NamedTuple):
    """Where in a pipeline an object is."""

    steps: tuple[str, ...]
    estimator: str
    attribute: str
    value: Any

    def __str__(self) -> str:
        step = f"step {' > '.join(self.steps)!r}, " if self.steps else ""
        return f"{step}{self.estimator}.{self.attribute}"


def check_storable(pipeline: Any, *, model: str) -> None:
    """Raise `TrainingFailed`, with a remedy for each part of a pipeline that cannot be stored.

    Only classes and functions that can run no code when they are loaded are stored, and those
    that ``models/<model>.py`` defines.
    """
    try:
        foreign = untrusted(get_untrusted_types(data=quick_dumps(pipeline)), model=model)
    except Exception as error:
        raise TrainingFailed(
            f"the pipeline cannot be stored: {' '.join(map(str, error.args))}; "
            "use another estimator in its place"
        ) from error
    if not foreign:
        return
    places: dict[str, _Place] = {}
    for place in _walk(pipeline, _Place((), "the pipeline", "", pipeline), set()):
        places.setdefault(_name(place.value), place)
    lines = [_refusal(places[name], model) for name in foreign if name in places]
    lines = lines or [f"it holds {name}" for name in foreign]
    raise TrainingFailed(f"the pipeline cannot be stored: {'; '.join(lines)}")


def parts(pipeline: Any) -> Iterator[Any]:
    """Yield all objects that a pipeline holds, each once."""
    return (place.value for place in _walk(pipeline, _Place((), "", "", pipeline), set()))


def _walk(value: Any, place: _Place, seen: set[int]) -> Iterator[_Place]:
    """Yield what a pipeline holds, each object once, with its place."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield place._replace(value=value)
    if isinstance(value, (BaseEstimator, _CalibratedClassifier)):
        for name, item in vars(value).items():
            yield from _walk(
                item, place._replace(estimator=type(value).__name__, attribute=name), seen
            )
    elif isinstance(value, tuple) and len(value) > 1 and isinstance(value[0], str):
        for item in value[1:]:
            yield from _walk(item, place._replace(steps=(*place.steps, value[0])), seen)
    elif isinstance(value, (list, tuple, dict)) or _holds_objects(value):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _walk(item, place, seen)


def _holds_objects(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim > 0


def _name(value: Any) -> str:
    """Return the name that skops gives to an object: its own, or that of its type."""
    return str(get_type_name(value if hasattr(value, "__name__") else type(value)))


def _refusal(place: _Place, model: str) -> str:
    value, file = place.value, f"models/{model}.py"
    define = f"with `def` at the top level of {file}"
    if inspect.isfunction(value) and value.__name__ == "<lambda>":
        return f"{place} is a lambda: write it as a function {define}"
    if inspect.isfunction(value) and "<locals>" in value.__qualname__:
        return f"{place} is {value.__name__}(), defined inside another function: write it {define}"
    if isinstance(value, partial) or _name(value).startswith("operator."):
        return f"{place} is a {_name(value)}: write a function that does the same {define}"
    if hasattr(value, "__name__") and not isinstance(value, type):
        return f"{place} is {_name(value)}(): call it in a function of your own, written {define}"
    kind = value if isinstance(value, type) else type(value)
    package = kind.__module__.partition(".")[0]
    if _is_of_the_project(kind):
        return f"{place} is a {kind.__name__} of {kind.__module__}: define its class in {file}"
    return (
        f"{place} is a {kind.__name__} of {package}, which is not among the classes that are safe "
        "to load: use one of scikit-learn's public classes in its place"
    )


def _is_of_the_project(kind: type) -> bool:
    path = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return bool(path) and "site-packages" not in path and not path.startswith(sys.base_prefix)
