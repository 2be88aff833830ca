"""What serves of a fitted pipeline: the same answers, without what only chose and fitted it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import randint
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import (
    RFECV,
    SelectFromModel,
    SelectKBest,
    chi2,
    mutual_info_regression,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import IterativeImputer
from sklearn.linear_model import (
    ElasticNetCV,
    Lasso,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    TweedieRegressor,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators

from engine.training.failures import TrainingFailed
from engine.training.served_pipeline import NoBestEstimator, Threshold, served
from engine.training.storable import check_storable

_DRAW = np.random.default_rng(0)
X = pd.DataFrame({name: np.abs(_DRAW.normal(size=60)) + 0.1 for name in "abc"})
X["word"] = pd.Series(_DRAW.choice(["x", "y", "z"], 60), dtype=object)
NUMBER = (2 * X["a"] + _DRAW.normal(size=60) * 0.1 + 3).to_numpy()
CLASS = (X["a"] > 0.7).to_numpy()
TWO = KFold(2)
_ALPHAS = {"alpha": [0.5, 1.0]}


def prepared(*steps: Any) -> Pipeline:
    words = OneHotEncoder(handle_unknown="ignore")
    preparation = ColumnTransformer([("words", words, ["word"])], remainder="passthrough")
    return make_pipeline(preparation, *steps)


def selected() -> Pipeline:
    numbers = make_column_selector(dtype_include="number")
    words = make_column_selector(dtype_exclude="number")
    columns = [("n", StandardScaler(), numbers), ("w", OneHotEncoder(), words)]
    return make_pipeline(ColumnTransformer(columns), Ridge())


PIPELINES: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
    "a search as the last step": (lambda: prepared(GridSearchCV(Ridge(), _ALPHAS)), NUMBER),
    "a search over all": (
        lambda: GridSearchCV(prepared(Ridge()), {"ridge__alpha": [1, 2]}, scoring="r2", cv=TWO),
        NUMBER,
    ),
    "a random search": (
        lambda: prepared(
            RandomizedSearchCV(
                DecisionTreeRegressor(random_state=np.random.RandomState(0)),
                {"max_depth": randint(2, 5)}, n_iter=2, random_state=0,
            )
        ),
        NUMBER,
    ),
    "a halving search": (lambda: prepared(HalvingGridSearchCV(Ridge(), _ALPHAS)), NUMBER),
    "searches in a vote": (
        lambda: prepared(VotingRegressor([("a", GridSearchCV(Ridge(), _ALPHAS)), ("b", Lasso())])),
        NUMBER,
    ),
    "searches in a stack": (
        lambda: prepared(StackingRegressor([("a", GridSearchCV(Ridge(), _ALPHAS))], cv=TWO)),
        NUMBER,
    ),
    "searches in bags": (
        lambda: prepared(BaggingRegressor(GridSearchCV(Ridge(), _ALPHAS), 3, random_state=0)),
        NUMBER,
    ),
    "a calibrated search": (
        lambda: prepared(
            CalibratedClassifierCV(GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}), cv=2)
        ),
        CLASS,
    ),
    "a transformed target": (
        lambda: TransformedTargetRegressor(
            prepared(GridSearchCV(Ridge(), _ALPHAS)), func=np.log1p, inverse_func=np.expm1
        ),
        NUMBER,
    ),
    "a tuned threshold": (
        lambda: prepared(TunedThresholdClassifierCV(GaussianNB(), cv=2, thresholds=9)), CLASS
    ),
    "selected columns": (selected, NUMBER),
    "selected features": (
        lambda: prepared(MinMaxScaler(), SelectKBest(chi2, k=2), LogisticRegression()), CLASS
    ),
    "features by information": (
        lambda: prepared(SelectKBest(mutual_info_regression, k=2), Ridge()), NUMBER
    ),
    "features by a model": (
        lambda: prepared(SelectFromModel(Ridge(), max_features=len), Ridge()), NUMBER
    ),
    "eliminated features": (
        lambda: prepared(RFECV(Ridge(), cv=ShuffleSplit(3), scoring="r2"), Ridge()), NUMBER
    ),
    "categories of boosting": (
        lambda: make_pipeline(
            HistGradientBoostingRegressor(categorical_features=["word"], max_iter=2)
        ),
        NUMBER,
    ),
    "boosting that stops early": (
        lambda: prepared(HistGradientBoostingClassifier(early_stopping=True, max_iter=2)), CLASS
    ),
    "an iterative imputer": (lambda: prepared(IterativeImputer(), Ridge()), NUMBER),
    "a splitter": (lambda: prepared(ElasticNetCV(cv=TWO)), NUMBER),
    "a scorer": (
        lambda: prepared(LogisticRegressionCV(Cs=2, scoring="roc_auc", cv=TWO, tol=0.1)), CLASS
    ),
    "Tweedie": (lambda: prepared(TweedieRegressor(power=1.5)), NUMBER),
    "a Gaussian process": (
        lambda: prepared(GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None)), NUMBER
    ),
    "another distance": (
        lambda: prepared(KNeighborsRegressor(p=3, algorithm="ball_tree")), NUMBER
    ),
}  # fmt: skip


#: Tried every day.
EVERY_DAY = {"a search as the last step", "selected columns", "a Gaussian process"}


def answers(pipeline: Any) -> np.ndarray:
    predict = getattr(pipeline, "predict_proba", pipeline.predict)
    return np.asarray(predict(X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "title",
    [
        pytest.param(title, marks=() if title in EVERY_DAY else pytest.mark.slow)
        for title in PIPELINES
    ],
)
def test_pipeline_when_only_what_serves_is_kept_answers_to_the_last_bit_and_is_stored(
    title: str,
) -> None:
    build, y = PIPELINES[title]
    fitted = build().fit(X, y)
    before = answers(fitted)

    kept = served(fitted).pipeline

    assert np.array_equal(before, answers(kept))
    assert np.array_equal(before, answers(fitted))  # it is left as it was
    check_storable(kept, model="toy")


def test_search_when_it_is_fitted_gives_what_it_chose() -> None:
    fitted = prepared(GridSearchCV(Ridge(), {"alpha": [0.5, 1e9]})).fit(X, NUMBER)

    kept = served(fitted)

    assert {"alpha": 0.5} == kept.chosen
    assert isinstance(kept.pipeline[-1], Ridge)
    assert isinstance(fitted[-1], GridSearchCV)


def test_search_when_it_keeps_no_estimator_is_refused_with_the_remedy() -> None:
    fitted = prepared(GridSearchCV(Ridge(), _ALPHAS, refit=False)).fit(X, NUMBER)

    with pytest.raises(NoBestEstimator, match=r"refit=False .* leave refit out"):
        served(fitted)


def test_columns_when_selected_are_kept_as_their_names() -> None:
    kept = served(selected().fit(X, NUMBER)).pipeline

    assert [["a", "b", "c"], ["word"]] == [list(columns) for *_, columns in kept[0].transformers]


@pytest.mark.parametrize(
    ("classifier", "threshold"),
    [
        (FixedThresholdClassifier(LogisticRegression(), threshold=0.4), Threshold(0.4, True)),
        (FixedThresholdClassifier(LogisticRegression(), pos_label=False), Threshold(0.5, False)),
        (
            FixedThresholdClassifier(
                LogisticRegression(), threshold=0.4, response_method="decision_function"
            ),
            None,
        ),
        (LogisticRegression(), None),
    ],
)
def test_threshold_when_a_classifier_has_one_of_a_probability_is_told(
    classifier: Any, threshold: Threshold | None
) -> None:
    assert threshold == served(prepared(classifier).fit(X, CLASS)).threshold


def test_threshold_when_it_is_tuned_decides_as_the_classifier_did() -> None:
    fitted = prepared(TunedThresholdClassifierCV(LogisticRegression(), scoring="recall")).fit(
        X, CLASS
    )

    kept = served(fitted)

    assert kept.threshold is not None
    shares = kept.pipeline.predict_proba(X)[:, list(kept.pipeline.classes_).index(True)]
    assert ((shares >= kept.threshold.value) == fitted.predict(X)).all()
    assert kept.threshold.value != 0.5


#: The arguments of scikit-learn's estimators that cannot be made without any.
_MEMBERS = [("member", Ridge())]
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ColumnTransformer": ([("member", StandardScaler(), ["a"])],),
    "FeatureUnion": ([("member", StandardScaler())],),
    "GridSearchCV": (Ridge(), _ALPHAS),
    "HalvingGridSearchCV": (Ridge(), _ALPHAS),
    "HalvingRandomSearchCV": (Ridge(), _ALPHAS),
    "Pipeline": (_MEMBERS,),
    "RandomizedSearchCV": (Ridge(), _ALPHAS, 2),
    "StackingClassifier": ([("member", GaussianNB())],),
    "StackingRegressor": (_MEMBERS,),
    "VotingClassifier": ([("member", GaussianNB())],),
    "VotingRegressor": (_MEMBERS,),
}

#: What cannot be stored, of the estimators that are fitted on numbers alone.
REFUSED = {"Birch"}


def fitted_estimators() -> dict[str, Any]:
    """Fit every estimator of scikit-learn that can be fitted on three positive numbers."""
    fitted: dict[str, Any] = {}
    for name, kind in all_estimators():
        is_classes = "lassifi" in name or name == "OutputCodeClassifier"
        arguments = _ARGUMENTS.get(name, ())
        for attempt in (arguments, (LogisticRegression() if is_classes else Ridge(),)):
            for y in (CLASS, NUMBER) if is_classes else (NUMBER, CLASS):
                if name not in fitted and {"predict", "transform"} & set(dir(kind)):
                    with suppress(Exception):  # it takes other rows
                        fitted[name] = clone(kind(*attempt)).fit(X[["a", "b", "c"]], y)
    return fitted


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_estimators_when_fitted_are_stored_or_refused_in_a_sentence() -> None:
    refused = {}
    fitted = fitted_estimators()
    for name, estimator in fitted.items():
        try:
            check_storable(served(estimator).pipeline, model="toy")
        except TrainingFailed as error:
            refused[name] = str(error)

    assert len(fitted) > 130
    assert set(refused) == REFUSED
    assert "use another estimator in its place" in refused["Birch"]
