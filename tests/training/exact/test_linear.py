"""Linear models answer within rounding of the exact sum, and trees among them by bits."""

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.ensemble import BaggingRegressor, RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from engine.runtime.exact import ExactRuntime
from engine.runtime.native import NativeRuntime, frame
from engine.training.exact.translation import translate
from tests.training.exact.fitted import FIELDS, fit, hard_rows, numbered, run_trial, words_and

_SEED: dict[str, Any] = {"random_state": 0}
_EPSILON = float(np.finfo(np.float64).eps)


def _filled(*steps: Any, **parameters: Any) -> Any:
    return words_and(make_pipeline(SimpleImputer(**parameters), *steps))


_SCALED = {
    "not scaled": _filled(),
    "standard": _filled(StandardScaler()),
    "only centred": _filled(StandardScaler(with_std=False)),
    "ranges": _filled(MinMaxScaler()),
    "quartiles": _filled(RobustScaler()),
    "largest": _filled(MaxAbsScaler()),
    "imputed after it is scaled": words_and(make_pipeline(StandardScaler(), SimpleImputer())),
    "indicators": _filled(StandardScaler(), add_indicator=True),
    "numbered words": words_and(SimpleImputer(), numbered()),
    "identity": _filled(FunctionTransformer()),
}

_MODELS = {
    "line": (LinearRegression(), "number"),
    "ridge": (Ridge(), "number"),
    "lasso": (Lasso(alpha=0.01), "number"),
    "elastic net": (ElasticNet(alpha=0.01), "number"),
    "huber": (HuberRegressor(), "number"),
    "descent": (SGDRegressor(**_SEED), "number"),
    "poisson": (PoissonRegressor(), "number"),
    "gamma": (GammaRegressor(), "number"),
    "tweedie": (TweedieRegressor(power=0), "number"),
    "logit, two": (LogisticRegression(), "two"),
    "logit, three": (LogisticRegression(), "three"),
    "logit, liblinear": (LogisticRegression(solver="liblinear"), "two"),
    "descent, logit, two": (SGDClassifier(loss="log_loss", **_SEED), "two"),
    "descent, logit, three": (SGDClassifier(loss="log_loss", **_SEED), "three"),
    "ridge classes, two": (RidgeClassifier(), "two"),
    "ridge classes, three": (RidgeClassifier(), "three"),
    "vectors": (LinearSVC(**_SEED), "three"),
    "perceptron": (Perceptron(**_SEED), "two"),
}

_EVERY_DAY = {("standard", "line"), ("indicators", "logit, three"), ("ranges", "vectors")}

_TRIALS = [("standard", model) for model in _MODELS]
_TRIALS += [(scaled, "logit, three") for scaled in _SCALED if scaled != "standard"]
_TRIALS += [("ranges", "vectors")]


@pytest.mark.usefixtures("library")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("scaled", "model"),
    [
        pytest.param(*trial, marks=() if trial in _EVERY_DAY else pytest.mark.slow)
        for trial in _TRIALS
    ],
)
def test_linear_model_when_translated_answers_within_rounding_of_the_exact_sum(
    scaled: str, model: str
) -> None:
    estimator, target = _MODELS[model]
    fitted = fit(make_pipeline(_SCALED[scaled], estimator), target)
    columns = hard_rows(fitted)

    outputs = _outputs(fitted, columns, target)

    # n products and n additions, each rounded: at most n + 1 halves of an epsilon of all sizes.
    sums, sizes = _exact_sums(fitted, columns)
    error = (fitted[-1].coef_.shape[-1] + 1) * _EPSILON * sizes
    expected, slope = _linked(fitted[-1], sums)
    is_double = np.abs(expected) < np.finfo(np.float64).max
    difference = np.abs(np.where(is_double, outputs - expected, 0))
    assert (difference <= slope * error + 8 * _EPSILON * np.abs(expected)).all()


def test_averages_when_they_have_linear_members_answer_as_fitted(library: None) -> None:
    members = [("logit", LogisticRegression()), ("forest", RandomForestClassifier(4, **_SEED))]
    vote = VotingClassifier(members, voting="soft", weights=[1, 2.5])
    bag = BaggingRegressor(Ridge(), n_estimators=4, max_features=0.7, **_SEED)

    for estimator, target in ((vote, "two"), (bag, "number")):
        trial = run_trial(make_pipeline(_filled(StandardScaler()), estimator), target)
        np.testing.assert_allclose(trial.exact, trial.expected, rtol=1e-11)


@pytest.mark.filterwarnings("ignore")
def test_labels_when_a_classifier_has_only_margins_are_those_of_the_pipeline(
    library: None,
) -> None:
    fitted = fit(make_pipeline(_filled(MinMaxScaler()), LinearSVC(**_SEED)), "three")
    columns = hard_rows(fitted)
    runtime = ExactRuntime(
        translate(fitted, FIELDS), FIELDS, has_probabilities=False,
        classes=fitted.classes_.tolist(),
    )  # fmt: skip

    labels = runtime.run(columns).values

    assert NativeRuntime(fitted, FIELDS).run(columns).values.tolist() == labels.tolist()


def _outputs(fitted: Any, columns: Any, target: str) -> Any:
    has_probabilities = hasattr(fitted, "predict_proba")
    classes = None if target == "number" else fitted.classes_.tolist()
    runtime = ExactRuntime(
        translate(fitted, FIELDS), FIELDS, has_probabilities=has_probabilities, classes=classes
    )
    if has_probabilities:
        return runtime.run(columns).probabilities
    if target == "number":
        return runtime.run(columns).values.reshape(-1, 1)
    return runtime.margins(columns).reshape(len(columns["size"]), -1)


def _exact_sums(fitted: Any, columns: Any) -> tuple[Any, Any]:
    """Return the sums in extended precision, and the sums of the terms' sizes."""
    features = np.asarray(fitted[:-1].transform(frame(columns, FIELDS)), np.longdouble)
    coefficients = np.atleast_2d(fitted[-1].coef_).astype(np.longdouble)
    base = np.ravel(fitted[-1].intercept_).astype(np.longdouble)
    sums = features @ coefficients.T + base
    return sums, np.abs(features) @ np.abs(coefficients).T + np.abs(base)


def _linked(model: Any, sums: Any) -> tuple[Any, Any]:
    """Return what a model makes of sums, and how much an error of them may matter at most."""
    if not hasattr(model, "predict_proba"):
        has_log = type(model).__name__ in ("PoissonRegressor", "GammaRegressor")
        return (np.exp(sums), np.exp(sums)) if has_log else (sums, 1.0)
    if sums.shape[1] == 1:
        odds = 1 / (1 + np.exp(-sums))
        return np.concatenate([1 - odds, odds], axis=1), 1.0
    if isinstance(model, SGDClassifier):
        odds = 1 / (1 + np.exp(-sums))
        total = odds.sum(axis=1, keepdims=True)
        return np.where(total == 0, 1 / sums.shape[1], odds / np.where(total, total, 1)), 1.0
    return softmax(sums, axis=1), np.ones((len(sums), 1))
