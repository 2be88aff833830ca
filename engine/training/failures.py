"""Why a training stops, in a sentence: the file, the step, the cause and the remedy."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

#: What is known to mend a cause, by a pattern of its message.
_REMEDIES = {
    r"TargetEncoder.*n_splits": (
        "it takes whole numbers of the target for classes: write TargetEncoder("
        "target_type='continuous')"
    ),
    r"Invalid classes inferred from unique values": (
        "XGBoost takes the classes 0, 1, 2 ... only: end the pipeline with VotingClassifier(["
        "('xgboost', XGBClassifier(...))], voting='soft'), which numbers any others for it"
    ),
    r"dtypes( for data)? must be int, float": (
        "it takes numbers only: encode words before it (OneHotEncoder, OrdinalEncoder)"
    ),
    r"could not convert string to float": (
        "it takes numbers only: encode words before it (OneHotEncoder, OrdinalEncoder), or name "
        "their fields in categorical_features of HistGradientBoosting"
    ),
    r"(Input|X).* contains NaN": (
        "it takes no gaps: fill them before it (SimpleImputer), or let the fields refuse them"
    ),
    r"not (a column|columns) of the dataframe|None of \[|not in index|columns are missing": (
        "the columns that a pipeline sees have the names of the fields"
    ),
    r"n_splits|number of splits|least populated class|members in each class": (
        "there are too few rows for so many folds: use a smaller cv, or more rows"
    ),
    r"y .*out of the valid range of the loss|strictly positive|negative values": (
        "choose one that takes such values, or change their scale before it"
    ),
}


class TrainingFailed(Exception):
    """A model file stops the training; the message says where, why, and what to change."""


@contextmanager
def explained(
    activity: str, name: str, *, passing: tuple[type[Exception], ...] = (), file: object = None
) -> Iterator[None]:
    """Turn whatever ``models/<name>.py``, or the file of a fitted model, raises into
    `TrainingFailed`.

    Errors of the kinds in `passing` have a sentence of their own.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (TrainingFailed, *passing)):
            raise
        is_lost = isinstance(error, ModuleNotFoundError)  # whatever imports it
        activity = "import" if file else activity
        what = f"{activity} ends with " if activity and not is_lost else ""
        raise TrainingFailed(f"{file or place(error, name)}: {what}{cause(error)}") from error


def place(error: BaseException, name: str) -> str:
    """Return the model file, and the line in it, where it is known, at which an error arose."""
    path = f"models/{name}.py"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename.replace("\\", "/").endswith(path)]
    lines = [error.lineno or 0] if isinstance(error, SyntaxError) else lines
    return f"{path}, line {lines[-1]}" if lines else path


def cause(error: BaseException, step: str | None = None) -> str:
    """Return the kind of an error, its first line, and what mends it in a pipeline.

    The step is empty where it is not known, and None outside of a pipeline's fit.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        if find_spec(error.name.partition(".")[0]):
            return f"there is no module {error.name}: correct its name in the import"
        remedy = "add it to Pipfile, run make lock, then make deps"
        return f"{error.name} is not installed: {remedy}"
    if isinstance(error, MemoryError):
        return "MemoryError: there is too little memory: use fewer rows or a smaller estimator"
    if isinstance(error, SystemExit):
        return f"SystemExit: a model file must not end the program (sys.exit({error.code!r}))"
    # The text of a SyntaxError ends with its place, which `place` tells.
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kind = type(error).__name__
    if "Traceback (most recent call last)" in text:  # a search reports the errors of its fits
        kinds = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*:", line)]
        kind, _, first = kinds[-1].partition(": ") if kinds else (kind, "", lines[0])
    else:
        first = lines[0] if lines else ""
    whole = "" if step is None else f"{step} {text}"
    remedies = [remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, whole)]
    return ": ".join(filter(None, (kind, first.rstrip(".:"), *remedies[:1])))


def step_of(error: BaseException, pipeline: Any) -> str:
    """Return the step of a pipeline in which an error arose, with its class; empty if unknown."""
    owners = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    parts = pipeline.get_params() if hasattr(pipeline, "get_params") else {}
    for owner in reversed(owners):
        for path, part in reversed(parts.items()):
            if type(part) is type(owner) and hasattr(owner, "get_params"):
                return f"step {path.replace('__', ' > ')!r} ({type(owner).__name__})"
    return ""
