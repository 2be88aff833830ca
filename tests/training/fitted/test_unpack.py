"""What the process that opens a file makes of what it holds; here without the process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from engine.training.failures import TrainingFailed
from engine.training.fitted.formats import NotBrought
from engine.training.fitted.unpack import _estimator, _opened, _read, _reason, _served

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(200, 3))
KINDS = np.digitize(X[:, 0] + DRAWS.normal(0, 0.3, 200), [-0.5, 0.5])


def boost(objective: str, rounds: int = 4, **more: Any) -> Any:
    xgboost = pytest.importorskip("xgboost")
    labels = KINDS > 0 if objective.startswith("binary") else KINDS
    given = {"objective": objective, "nthread": 1}
    if objective.startswith("multi"):
        given["num_class"] = 3
    return xgboost.train(given, xgboost.DMatrix(X, labels), rounds, **more)


def boost_lightly(objective: str) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    labels = KINDS > 0 if objective in ("binary", "cross_entropy") else KINDS
    given = {"objective": objective, "verbose": -1, "num_threads": 1}
    if objective.startswith("multi"):
        given["num_class"] = 3
    return lightgbm.train(given, lightgbm.Dataset(X, labels), 4)


@pytest.mark.parametrize(
    ("objective", "classes"),
    [
        ("binary:logistic", [0, 1]),
        ("multi:softprob", [0, 1, 2]),
        ("multi:softmax", [0, 1, 2]),
        ("reg:squarederror", None),
        ("count:poisson", None),
        ("binary", [0, 1]),
        ("multiclass", [0, 1, 2]),
        ("multiclassova", [0, 1, 2]),
        ("regression", None),
        ("tweedie", None),
    ],
)
def test_booster_when_its_objective_tells_becomes_a_classifier_or_a_regressor(
    objective: str, classes: list[int] | None
) -> None:
    is_light = ":" not in objective
    booster = boost_lightly(objective) if is_light else boost(objective)

    estimator = _estimator(booster)

    assert classes == (estimator.classes_.tolist() if hasattr(estimator, "classes_") else None)
    expected = booster.predict(X) if is_light else booster.inplace_predict(X)
    if classes is None or objective == "multi:softmax":
        assert np.array_equal(expected, estimator.predict(X))
    else:
        probabilities = estimator.predict_proba(X)
        assert np.array_equal(expected, probabilities if len(classes) > 2 else probabilities[:, 1])


@pytest.mark.parametrize("objective", ["binary:logitraw", "binary:hinge", "rank:pairwise"])
def test_booster_when_its_objective_leaves_the_task_open_is_refused(objective: str) -> None:
    with pytest.raises(NotBrought, match=f"objective {objective}, of which neither classes nor"):
        _estimator(boost(objective))


def test_booster_of_lightgbm_when_its_objective_leaves_the_task_open_is_refused() -> None:
    with pytest.raises(NotBrought, match="objective cross_entropy, of which neither classes nor"):
        _estimator(boost_lightly("cross_entropy"))


def test_booster_when_it_was_stopped_early_predicts_with_all_trees_as_it_does_itself() -> None:
    booster = boost("reg:squarederror", rounds=9)
    booster.set_attr(best_iteration="1")

    assert np.array_equal(booster.inplace_predict(X), _estimator(booster).predict(X))


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({"model": 1}, "holds a dict, which predicts nothing: save the whole pipeline"),
        (StandardScaler().fit(X), "holds a StandardScaler, which predicts nothing"),
    ],
)
def test_object_when_it_predicts_nothing_is_refused(held: Any, says: str) -> None:
    with pytest.raises(NotBrought, match=says):
        _estimator(held)
    with pytest.raises(NotFittedError):
        _estimator(LinearRegression())


def test_threshold_when_it_is_of_margins_or_within_is_refused() -> None:
    margins = FixedThresholdClassifier(LinearSVC(), threshold=0.3).fit(X, KINDS > 0)
    probabilities = FixedThresholdClassifier(LogisticRegression(), threshold=0.3).fit(X, KINDS > 0)

    with pytest.raises(NotBrought, match="has a threshold of margins"):
        _served(margins)
    assert (0.3, True) == _served(probabilities).threshold


def test_file_of_another_scikit_learn_when_opened_tells_its_version(tmp_path: Path) -> None:
    import joblib

    model = LogisticRegression().fit(X, KINDS)
    state = {**model.__getstate__(), "_sklearn_version": "1.2.0"}
    type_of_old = type("Old", (), {"__reduce__": lambda _: (LogisticRegression, (), state)})
    joblib.dump(type_of_old(), tmp_path / "model.joblib")

    head, content = _opened(tmp_path / "model.joblib", "pickle", "toy")

    assert {"scikit-learn": "1.2.0"} == head["libraries"]
    assert content.startswith(b"PK")
    assert isinstance(_read(tmp_path / "model.joblib", "pickle"), LogisticRegression)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NotBrought("holds a dict"), "holds a dict"),
        (AttributeError("Can't get attribute 'Mine' on <module 'fit' from 'fit.py'>"),
         "holds Mine, which the program that saved it defined: write models/toy.py with it"),
        (ModuleNotFoundError("No module named 'mine'", name="mine.steps"),
         "holds what mine defines, which is not installed: install it, or write models/toy.py"),
        (ModuleNotFoundError("No module", name="sklearn.ensemble.bagging"),
         "needs sklearn.ensemble.bagging, which this version of sklearn has not: save it again"),
        (MemoryError(), "needs more than 4 GB of memory to be opened"),
        (NotFittedError("This LogisticRegression instance is not fitted yet."), "is not fitted"),
        (TrainingFailed("the pipeline cannot be stored: it is a lambda"),
         "cannot be served: it is a lambda, or write models/toy.py with it, and train that"),
        (EOFError("Ran out of input\nmore"), "cannot be opened, EOFError: Ran out of input; save"),
    ],
)  # fmt: skip
def test_error_when_told_names_the_cause_and_what_to_do(error: Exception, says: str) -> None:
    assert _reason(error, "toy").startswith(says)
