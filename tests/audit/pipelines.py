"""The pipelines of the audit: estimators, each with the preparations that people write."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from scipy.stats import randint
from sklearn import (
    calibration,
    compose,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    linear_model,
    model_selection,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
    tree,
)  # fmt: skip
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)  # fmt: skip

from tests.audit.tables import Table, make_tables

_SEED = {"random_state": 0}
#: What takes gaps in numbers as they are.
_TAKE_GAPS = ("Hist", "XGB", "LGBM")
#: The thirty classes and the few positives of the audit cost minutes with these.
_SLOW = {"GaussianProcessClassifier", "GradientBoostingClassifier", "MLPClassifier"}


class Case(NamedTuple):
    """A pipeline and the table it is fitted on."""

    name: str
    task: str
    table: Table
    build: Callable[[], Any]


def _scaled(table: Table, estimator: Any, *steps: Any) -> Any:
    """Impute, scale and one-hot encode; then the steps and the estimator."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), *(steps or (StandardScaler(),)))
    words = OneHotEncoder(handle_unknown="ignore")
    prepare = compose.ColumnTransformer(
        [("numbers", numbers, table.numbers), ("words", words, table.words)],
        remainder="passthrough",
    )
    return Pipeline([("prepare", prepare), ("model", estimator)])


def _coded(table: Table, estimator: Any) -> Any:
    """Number the words, and leave all else as it is."""
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    steps: list[Any] = [("words", words, table.words)]
    if table.has_gaps and not type(estimator).__name__.startswith(_TAKE_GAPS):
        steps.append(("gaps", SimpleImputer(strategy="median"), table.numbers))
    prepare = compose.ColumnTransformer(steps, remainder="passthrough")
    return Pipeline([("prepare", prepare), ("model", estimator)])


def _bare(table: Table, estimator: Any) -> Any:
    """Return the estimator alone, where the table has only numbers."""
    return _coded(table, estimator) if table.words or table.has_gaps else estimator


def _binned(table: Table, estimator: Any) -> Any:
    return _scaled(table, estimator, KBinsDiscretizer(5, encode="ordinal"))


def _polynomial(table: Table, estimator: Any) -> Any:
    return _scaled(table, estimator, StandardScaler(), PolynomialFeatures(2))


def _quantiles(table: Table, estimator: Any) -> Any:
    return _scaled(table, estimator, QuantileTransformer(n_quantiles=50, **_SEED))


def _robust(table: Table, estimator: Any) -> Any:
    return _scaled(table, estimator, RobustScaler())


def _selected(table: Table, estimator: Any) -> Any:
    is_regression = isinstance(estimator, linear_model.Ridge)
    kind = "f_regression" if is_regression else "f_classif"
    best = feature_selection.SelectKBest(getattr(feature_selection, kind), k=2)
    pipeline = _scaled(table, estimator)
    return Pipeline([pipeline.steps[0], ("best", best), pipeline.steps[1]])


def _searched(table: Table, estimator: Any) -> Any:
    return model_selection.RandomizedSearchCV(
        _coded(table, estimator), {"model__max_depth": randint(2, 5)}, n_iter=2, cv=3, **_SEED
    )


def _gridded(table: Table, estimator: Any) -> Any:
    grid = {"alpha" if "Ridge" in type(estimator).__name__ else "C": [0.1, 1.0]}
    return _scaled(table, model_selection.GridSearchCV(estimator, grid, cv=3))


def _booster(name: str) -> Any:
    package, _, kind = name.partition(".")
    return getattr(import_module(package), kind)(n_estimators=30, **_SEED)


CLASSIFIERS: list[tuple[str, Callable[[], Any], tuple[Any, ...]]] = [
    ("RandomForestClassifier", lambda: ensemble.RandomForestClassifier(30, **_SEED),
     (_coded, _scaled, _bare, _searched)),
    ("ExtraTreesClassifier", lambda: ensemble.ExtraTreesClassifier(20, **_SEED), (_coded, _bare)),
    ("DecisionTreeClassifier", lambda: tree.DecisionTreeClassifier(max_depth=6, **_SEED),
     (_coded, _bare, _binned)),
    ("GradientBoostingClassifier",
     lambda: ensemble.GradientBoostingClassifier(n_estimators=30, **_SEED), (_coded, _scaled)),
    ("HistGradientBoostingClassifier",
     lambda: ensemble.HistGradientBoostingClassifier(max_iter=30, **_SEED), (_coded, _bare)),
    ("AdaBoostClassifier", lambda: ensemble.AdaBoostClassifier(n_estimators=20, **_SEED),
     (_coded,)),
    ("BaggingClassifier", lambda: ensemble.BaggingClassifier(n_estimators=5, **_SEED), (_coded,)),
    ("LogisticRegression", lambda: linear_model.LogisticRegression(max_iter=300),
     (_scaled, _robust, _polynomial, _selected, _gridded)),
    ("RidgeClassifier", linear_model.RidgeClassifier, (_scaled, _coded, _bare, _gridded)),
    ("SGDClassifier", lambda: linear_model.SGDClassifier(**_SEED), (_scaled,)),
    ("LinearSVC", svm.LinearSVC, (_scaled, _gridded)),
    ("SVC", svm.SVC, (_scaled,)),
    ("SVC(probability=True)", lambda: svm.SVC(probability=True, **_SEED), (_scaled,)),
    ("GaussianNB", naive_bayes.GaussianNB, (_coded, _quantiles)),
    ("LinearDiscriminantAnalysis", discriminant_analysis.LinearDiscriminantAnalysis, (_coded,)),
    ("KNeighborsClassifier", neighbors.KNeighborsClassifier, (_scaled,)),
    ("MLPClassifier", lambda: neural_network.MLPClassifier((8,), max_iter=100, **_SEED),
     (_scaled,)),
    ("GaussianProcessClassifier", lambda: gaussian_process.GaussianProcessClassifier(**_SEED),
     (_scaled,)),
    ("CalibratedClassifierCV",
     lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=3), (_scaled,)),
    ("VotingClassifier", lambda: ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(**_SEED))],
        voting="soft"), (_scaled,)),
    ("StackingClassifier", lambda: ensemble.StackingClassifier(
        [("a", linear_model.LogisticRegression()),
         ("b", ensemble.RandomForestClassifier(10, **_SEED))], cv=3), (_scaled,)),
    ("XGBClassifier in a vote", lambda: ensemble.VotingClassifier(
        [("a", _booster("xgboost.XGBClassifier"))], voting="soft"), (_coded, _scaled)),
    ("LGBMClassifier", lambda: _booster("lightgbm.LGBMClassifier"), (_coded, _scaled)),
]  # fmt: skip

REGRESSORS: list[tuple[str, Callable[[], Any], tuple[Any, ...]]] = [
    ("RandomForestRegressor", lambda: ensemble.RandomForestRegressor(30, **_SEED),
     (_coded, _scaled, _bare, _searched)),
    ("ExtraTreesRegressor", lambda: ensemble.ExtraTreesRegressor(20, **_SEED), (_coded, _bare)),
    ("DecisionTreeRegressor", lambda: tree.DecisionTreeRegressor(max_depth=6, **_SEED),
     (_coded, _bare)),
    ("GradientBoostingRegressor",
     lambda: ensemble.GradientBoostingRegressor(n_estimators=30, **_SEED), (_coded, _scaled)),
    ("HistGradientBoostingRegressor",
     lambda: ensemble.HistGradientBoostingRegressor(max_iter=30, **_SEED), (_coded, _bare)),
    ("AdaBoostRegressor", lambda: ensemble.AdaBoostRegressor(n_estimators=10, **_SEED),
     (_coded,)),
    ("LinearRegression", linear_model.LinearRegression, (_scaled, _coded, _polynomial)),
    ("Ridge", linear_model.Ridge, (_scaled, _robust, _gridded, _selected, _bare)),
    ("ElasticNet", lambda: linear_model.ElasticNet(alpha=0.01), (_scaled,)),
    ("HuberRegressor", linear_model.HuberRegressor, (_quantiles,)),
    ("BayesianRidge", linear_model.BayesianRidge, (_scaled,)),
    ("SVR", svm.SVR, (_scaled,)),
    ("KNeighborsRegressor", neighbors.KNeighborsRegressor, (_scaled,)),
    ("MLPRegressor",
     lambda: neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=100, **_SEED),
     (_scaled,)),
    ("GaussianProcessRegressor",
     lambda: gaussian_process.GaussianProcessRegressor(alpha=1.0, normalize_y=True), (_scaled,)),
    ("TransformedTargetRegressor", lambda: compose.TransformedTargetRegressor(
        ensemble.RandomForestRegressor(10, **_SEED), transformer=StandardScaler()), (_coded,)),
    ("VotingRegressor", lambda: ensemble.VotingRegressor(
        [("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(**_SEED))]), (_scaled,)),
    ("XGBRegressor", lambda: _booster("xgboost.XGBRegressor"), (_coded, _bare)),
    ("LGBMRegressor", lambda: _booster("lightgbm.LGBMRegressor"), (_coded, _bare)),
]  # fmt: skip


def _build(table: Table, prepare: Callable[..., Any], make: Callable[[], Any]) -> Any:
    return prepare(table, make())


def cases() -> list[Case]:
    """List all cases: each estimator and preparation on three or more tables in turn."""
    tables = list(make_tables().values())
    is_usual = Table.number  # what a table does not choose for its targets
    by_task = {
        "classification": (CLASSIFIERS, [table for table in tables if table.number is is_usual]),
        "regression": (REGRESSORS, [table for table in tables if table.share == Table.share
                                    and table.classes == Table.classes]),
    }  # fmt: skip
    listed: list[Case] = []
    for task, (estimators, rows) in by_task.items():
        place = 0
        for name, make, preparations in estimators:
            for prepare in preparations:
                for _ in range(3):
                    table = rows[place % len(rows)]
                    place += 1
                    if name in _SLOW and len(table.frame) > 1_000:
                        table = rows[0]
                    title = f"{name} {prepare.__name__.strip('_')}"
                    listed.append(Case(title, task, table, partial(_build, table, prepare, make)))
                place += 1
    return listed
