"""The process that opens a model file; what it hands over is data, which the parent checks.

It prints a line of JSON, then what skops writes of the pipeline. Where it refuses, the line has
the reason alone.
"""

import json
import os
import re
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.training.failures import TrainingFailed
from engine.training.fitted.formats import NotBrought
from engine.training.fitted.lock import MEMORY, limit, part_from_machine

_CLASSES = {"binary:logistic", "multi:softprob", "multi:softmax"}
_NUMBERS = ("reg:", "count:poisson")
_LIGHT_CLASSES = {"binary", "multiclass", "multiclassova"}
_LIGHT_NUMBERS = {
    "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma",
    "tweedie",
}  # fmt: skip

_NO_WALLS = (
    "is not opened, since this machine lets nobody make the namespaces in which its code could do "
    "no harm: open it on a Linux that does, or have it saved by skops. To let it do whatever you "
    "may do here, give trust=unguarded to make import, or --trust unguarded to build_model.py"
)


def main(path: str, form: str, name: str, seconds: str, needs_walls: str) -> None:
    """Open a file in a process that is shut, and print what it holds."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the model itself prints is not the answer
    is_apart = part_from_machine()

    def end(head: dict[str, Any], content: bytes = b"") -> None:
        answer.write(json.dumps(head).encode() + b"\n" + content)
        answer.flush()
        os._exit(0)

    import joblib  # noqa: F401 - before the limits, as what it imports
    import skops.io  # noqa: F401

    from engine.training import fitting, storable  # noqa: F401

    limit(lambda what: end({"refusal": f"tries to {what}, which no model needs"}),
          seconds=int(seconds))  # fmt: skip
    try:
        if needs_walls and not is_apart:
            raise NotBrought(_NO_WALLS)
        head, content = _opened(Path(path), form, name)
    except BaseException as error:  # noqa: BLE001 - a stranger's code raises anything
        end({"refusal": _reason(error, name)})
    else:
        end(head, content)


def _opened(path: Path, form: str, name: str) -> tuple[dict[str, Any], bytes]:
    from sklearn.exceptions import InconsistentVersionWarning

    from engine.training.artifact import quick_dumps
    from engine.training.card import plain
    from engine.training.storable import check_storable

    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        fitted = _estimator(_read(path, form))
    messages: list[Any] = [each.message for each in noted]
    others = [each for each in messages if isinstance(each, InconsistentVersionWarning)]
    kept = _served(fitted)
    check_storable(kept.pipeline, model=name)
    threshold = kept.threshold and {
        "value": kept.threshold.value,
        "positive": getattr(kept.threshold.positive, "item", lambda: kept.threshold.positive)(),
    }
    versions = {"scikit-learn": others[0].original_sklearn_version} if others else {}
    head = {"chosen": plain(kept.chosen), "threshold": threshold, "libraries": versions}
    return head, quick_dumps(kept.pipeline)


def _read(path: Path, form: str) -> Any:
    if form == "pickle":
        import joblib

        return joblib.load(path)
    if form == "skops":
        from skops.io import get_untrusted_types, load

        return load(path, trusted=get_untrusted_types(file=path))
    if form == "xgboost":
        import xgboost

        return xgboost.Booster({"nthread": 1}, model_file=path)
    import lightgbm

    return lightgbm.Booster(model_file=path)


def _estimator(model: Any) -> Any:
    """Return a fitted estimator of classes or numbers, also of a booster that tells which."""
    from sklearn.utils.validation import check_is_fitted

    kind = type(model).__module__, type(model).__name__
    if kind == ("xgboost.core", "Booster"):
        return _of_xgboost(model)
    if kind == ("lightgbm.basic", "Booster"):
        return _of_lightgbm(model)
    if not hasattr(model, "predict") or not hasattr(model, "get_params"):
        raise NotBrought(f"holds a {kind[1]}, which predicts nothing: save the whole pipeline")
    check_is_fitted(model)
    return model


def _served(fitted: Any) -> Any:
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

    from engine.training.served_pipeline import served

    kept = served(fitted)
    kinds = (FixedThresholdClassifier, TunedThresholdClassifierCV)
    parts = [fitted, *fitted.get_params().values()]
    if kept.threshold is None and any(isinstance(part, kinds) for part in parts):
        raise NotBrought(
            "has a threshold of margins, or one inside of another estimator: put a threshold of "
            "probabilities at its end"
        )
    return kept


def _of_xgboost(booster: Any) -> Any:
    import xgboost

    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    if objective not in _CLASSES and not objective.startswith(_NUMBERS):
        raise NotBrought(_unclear(objective, "binary:logistic, multi:softprob or reg:…"))
    if booster.attr("scikit_learn") is None:  # it predicts with all trees, as Booster.predict does
        booster.set_attr(best_iteration=None)
    kind = xgboost.XGBClassifier if objective in _CLASSES else xgboost.XGBRegressor
    estimator = kind(n_jobs=1)
    estimator.load_model(booster.save_raw("ubj"))
    return estimator


def _of_lightgbm(booster: Any) -> Any:
    import lightgbm
    import numpy as np

    line = re.search(r"^objective=(\w+)(.*)$", booster.model_to_string(), re.MULTILINE)
    objective = line[1] if line else "one of its own"
    if objective not in _LIGHT_CLASSES | _LIGHT_NUMBERS:
        raise NotBrought(_unclear(objective, "binary, multiclass or regression"))
    is_classifier = objective in _LIGHT_CLASSES
    estimator = (lightgbm.LGBMClassifier if is_classifier else lightgbm.LGBMRegressor)(n_jobs=1)
    names = booster.feature_name()
    estimator.__dict__.update(
        _Booster=booster, _objective=objective, _n_features=len(names),
        _n_features_in=len(names), fitted_=True,
        _fitted_with_feature_names=names != [f"Column_{place}" for place in range(len(names))],
        _best_iteration=booster.best_iteration, _best_score=booster.best_score,
    )  # fmt: skip
    if is_classifier:
        classes = re.search(r"num_class:(\d+)", line[2] if line else "")
        labels = np.arange(int(classes[1]) if classes else 2)
        encoder = lightgbm.compat._LGBMLabelEncoder().fit(labels)
        estimator.__dict__.update(
            _classes=labels, _n_classes=len(labels), _le=encoder,
            _class_map=dict(enumerate(labels.tolist())),
        )  # fmt: skip
    return estimator


def _unclear(objective: str, others: str) -> str:
    return (
        f"has the objective {objective}, of which neither classes nor a number can be told: fit it "
        f"with {others}"
    )


def _reason(error: BaseException, name: str) -> str:
    """Return why a file is not opened, as the end of a sentence about it."""
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    own = f"write models/{name}.py with it, and train that (make model name={name})"
    if isinstance(error, NotBrought):
        return text
    if isinstance(error, TrainingFailed):
        text = text.replace("the pipeline cannot be stored", "cannot be served")
        return f"{text}, and train that" if f"models/{name}.py" in text else f"{text}, or {own}"
    if lost := re.search(r"Can't get attribute '(.+?)' on <module", text):
        return f"holds {lost[1]}, which the program that saved it defined: {own}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if find_spec(package):
            return f"needs {error.name}, which this version of {package} has not: save it again"
        return f"holds what {package} defines, which is not installed: install it, or {own}"
    if isinstance(error, MemoryError):
        return f"needs more than {MEMORY >> 30} GB of memory to be opened: fit a smaller model"
    if type(error).__name__ == "NotFittedError":
        return "is not fitted: fit it, then save it"
    return f"cannot be opened, {type(error).__name__}: {text}; save it again, here if possible"


if __name__ == "__main__":
    main(*sys.argv[1:])
