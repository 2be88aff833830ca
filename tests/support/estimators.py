"""The estimators people bring, as small models; also writes their table.

python -m tests.support.estimators > docs/reference/estimators.md
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine.schema import Category, Flag, Number
from engine.schema.fields import Field

ROWS = 200

FIELDS = (
    Number(name="size", unit="m2", example=50.0, minimum=0, out_of_range="accept"),
    Number(name="balance", example=0.5, missing="accept"),
    Number(name="rooms", example=3, integer=True, minimum=0, maximum=20),
    Category(
        name="kind", categories=("x", "y", "z"), example="x", unknown="accept", missing="accept"
    ),
    Flag(name="is_new", example=True),
)
NUMBERS = [one.name for one in FIELDS if one.kind == "number"]

TARGETS: dict[str, Field] = {
    "bool": Flag(name="sold", example=True),
    "int": Category(name="grade", categories=(0, 1), example=1),
    "text": Category(name="band", categories=("low", "middle", "high"), example="low"),
    "number": Number(name="price", example=1.0),
}


def make_table() -> pd.DataFrame:
    """Invent 200 rows with gaps, an unseen word to come, and all four targets."""
    draw = np.random.default_rng(7)
    size = draw.normal(60, 20, ROWS).round(1).clip(5)
    balance = draw.normal(0, 1000, ROWS)
    kind = draw.choice(["x", "y", "z"], ROWS)
    is_new = draw.random(ROWS) < 0.4
    hidden = (size - 60) / 20 + balance / 1000 + (kind == "x") + is_new + draw.normal(0, 1, ROWS)
    table = pd.DataFrame(
        {
            "size": size,
            "balance": np.where(draw.random(ROWS) < 0.1, np.nan, balance),
            "rooms": draw.integers(1, 9, ROWS),
            "kind": pd.Series(kind, dtype=object).mask(draw.random(ROWS) < 0.05, None),
            "is_new": is_new,
        }
    )
    table["sold"] = hidden > 0.5
    table["grade"] = (hidden > 0.5).astype(int)
    table["band"] = np.select([hidden < 0, hidden < 1.2], ["low", "middle"], "high")
    table["price"] = hidden * 100 + 300
    return table


def prepare(encoder: Any = None, *, before: tuple[Any, ...] = ()) -> ColumnTransformer:
    """Give the preparation that analysts write: impute, scale, encode."""
    steps = [*before, SimpleImputer(strategy="median"), StandardScaler()]
    numbers = Pipeline([(type(step).__name__.lower(), step) for step in steps])
    encoder = encoder or OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("words", encoder, ["kind"])], remainder="passthrough"
    )


def ordinal() -> OrdinalEncoder:
    """Give the encoder that numbers words and takes unknown ones."""
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def only_encoded() -> ColumnTransformer:
    """Give a preparation that leaves gaps in numbers as they are."""
    return ColumnTransformer([("words", ordinal(), ["kind"])], remainder="passthrough")


@dataclass(frozen=True)
class Case:
    """An estimator with its preparation, and the targets it is tried on.

    `is_close` says that export and pipeline are about as fast, so that the
    speed rule may decide either way.
    """

    name: str
    estimator: Callable[[], Any]
    targets: tuple[str, ...]
    preparation: Callable[[], Any] = prepare
    is_close: bool = False


CLASSES = ("bool", "int", "text")
NUMBER = ("number",)
_SEED = {"random_state": 0}


#: Tried every day, on one target each; the whole suite tries all on all.
EVERY_DAY = ("RandomForestClassifier", "LogisticRegression", "SVR")


def _mixed(kind: Any, members: tuple[Any, Any], **parameters: Any) -> Any:
    return kind([("linear", members[0]), ("trees", members[1])], **parameters)


def _classifiers() -> tuple[Any, Any]:
    return LogisticRegression(max_iter=500), RandomForestClassifier(10, **_SEED)


def _booster(name: str, **parameters: Any) -> Any:
    """Make an estimator of XGBoost or LightGBM, which not every platform has."""
    package = pytest.importorskip("xgboost" if name.startswith("XGB") else "lightgbm")
    return getattr(package, name)(n_estimators=20, **_SEED, **parameters)


def _regressors() -> tuple[Any, Any]:
    return Ridge(), RandomForestRegressor(10, **_SEED)


CASES = (
    Case("RandomForestClassifier", lambda: RandomForestClassifier(20, **_SEED), CLASSES),
    Case("RandomForestRegressor", lambda: RandomForestRegressor(20, **_SEED), NUMBER),
    Case("ExtraTreesClassifier", lambda: ExtraTreesClassifier(20, **_SEED), CLASSES),
    Case("ExtraTreesRegressor", lambda: ExtraTreesRegressor(20, **_SEED), NUMBER),
    Case("DecisionTreeClassifier", lambda: DecisionTreeClassifier(**_SEED), CLASSES),
    Case("DecisionTreeRegressor", lambda: DecisionTreeRegressor(**_SEED), NUMBER),
    Case("GradientBoostingClassifier", lambda: GradientBoostingClassifier(**_SEED), CLASSES),
    Case("GradientBoostingRegressor", lambda: GradientBoostingRegressor(**_SEED), NUMBER),
    Case(
        "HistGradientBoostingClassifier, gaps in numbers",
        lambda: HistGradientBoostingClassifier(max_iter=20, **_SEED),
        CLASSES,
        only_encoded,
    ),
    Case(
        "HistGradientBoostingRegressor, gaps in numbers",
        lambda: HistGradientBoostingRegressor(max_iter=20, **_SEED),
        NUMBER,
        only_encoded,
    ),
    Case("XGBClassifier, gaps in numbers", lambda: _booster("XGBClassifier"), ("bool",),
         only_encoded),
    Case(
        "VotingClassifier of one XGBClassifier",
        lambda: VotingClassifier([("xgboost", _booster("XGBClassifier"))], voting="soft"),
        CLASSES[2:],
    ),
    Case("XGBRegressor", lambda: _booster("XGBRegressor"), NUMBER),
    Case("XGBRegressor, booster='dart'", lambda: _booster("XGBRegressor", booster="dart"), NUMBER),
    Case("LGBMClassifier", lambda: _booster("LGBMClassifier", verbose=-1), ("bool", "text")),
    Case("LGBMRegressor, gaps in numbers", lambda: _booster("LGBMRegressor", verbose=-1), NUMBER,
         only_encoded),
    Case("AdaBoostClassifier", lambda: AdaBoostClassifier(**_SEED), CLASSES),
    Case("LogisticRegression", lambda: LogisticRegression(max_iter=500), CLASSES),
    Case("LinearRegression", LinearRegression, NUMBER),
    Case("Ridge", Ridge, NUMBER),
    Case(
        "Ridge, words numbered by OrdinalEncoder", Ridge, NUMBER, lambda: prepare(ordinal())
    ),
    Case("SVC", SVC, CLASSES),
    Case("SVR", SVR, NUMBER),
    Case("LinearSVC", LinearSVC, CLASSES),
    Case("KNeighborsClassifier", KNeighborsClassifier, CLASSES),
    Case("KNeighborsRegressor", KNeighborsRegressor, NUMBER),
    Case("MLPClassifier", lambda: MLPClassifier(max_iter=50, **_SEED), CLASSES),
    Case("MLPRegressor", lambda: MLPRegressor(max_iter=50, **_SEED), NUMBER),
    Case("GaussianNB", GaussianNB, CLASSES),
    Case(
        "CalibratedClassifierCV of a forest",
        lambda: CalibratedClassifierCV(RandomForestClassifier(10, **_SEED), cv=3),
        CLASSES,
    ),
    Case("CalibratedClassifierCV of LinearSVC", lambda: CalibratedClassifierCV(LinearSVC(), cv=3),
         CLASSES),
    Case("VotingClassifier, soft", lambda: _mixed(VotingClassifier, _classifiers(), voting="soft"),
         CLASSES),
    Case("VotingClassifier, hard", lambda: _mixed(VotingClassifier, _classifiers()), CLASSES),
    Case("VotingRegressor", lambda: _mixed(VotingRegressor, _regressors()), NUMBER),
    Case("StackingClassifier", lambda: _mixed(StackingClassifier, _classifiers(), cv=3), CLASSES),
    Case("StackingRegressor", lambda: _mixed(StackingRegressor, _regressors(), cv=3), NUMBER),
    Case(
        "Ridge after FunctionTransformer(numpy.arcsinh)",
        Ridge,
        NUMBER,
        lambda: prepare(before=(FunctionTransformer(np.arcsinh),)),
    ),
    Case(
        "Ridge after SplineTransformer",
        Ridge,
        NUMBER,
        lambda: Pipeline(
            [
                ("prepare", prepare()),
                ("spline", SplineTransformer(n_knots=4, extrapolation="linear")),
            ]
        ),
    ),
)  # fmt: skip
