"""The estimators people bring, as small models; also writes their table.

python -m tests.estimators > docs/reference/estimators.md
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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

from models.schema import Category, Flag, ModelDefinition, Number
from persistence.runtime import NativeRuntime
from training.card import describe
from training.choice import choose_runtime
from training.export import RECIPES, convert
from training.table import read_table

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
NUMBERS = [one.name for one in FIELDS if isinstance(one, Number)]

TARGETS = {
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
            "kind": pd.Series(np.where(draw.random(ROWS) < 0.05, None, kind), dtype=object),
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
    """An estimator with its preparation, and the targets it is tried on."""

    name: str
    estimator: Callable[[], Any]
    targets: tuple[str, ...]
    preparation: Callable[[], Any] = prepare


CLASSES = ("bool", "int", "text")
NUMBER = ("number",)
_SEED = {"random_state": 0}


def _mixed(kind: Any, members: tuple[Any, Any], **parameters: Any) -> Any:
    return kind([("linear", members[0]), ("trees", members[1])], **parameters)


def _classifiers() -> tuple[Any, Any]:
    return LogisticRegression(max_iter=500), RandomForestClassifier(10, **_SEED)


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
    Case("KNeighborsClassifier, 200 rows", KNeighborsClassifier, CLASSES),
    Case("KNeighborsRegressor, 200 rows", KNeighborsRegressor, NUMBER),
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
TRIALS = [(case, target) for case in CASES for target in case.targets]


@dataclass(frozen=True)
class Trial:
    """What became of one case: its card, its files, and the fitted pipeline."""

    card: dict[str, Any]
    files: dict[str, bytes]
    pipeline: Any
    X: pd.DataFrame


def define(case: Case, target: str) -> ModelDefinition:
    """Make the model definition of a case."""
    is_number = target == "number"
    return ModelDefinition(
        title=case.name,
        fields=FIELDS,
        target=TARGETS[target],
        sample=Path(__file__),
        load_data=lambda path: make_table(),
        build_pipeline=lambda: Pipeline(
            [("prepare", case.preparation()), ("model", case.estimator())]
        ),
        score="r2" if is_number else "accuracy",
    )


def convert_here(
    skops: bytes, fields: Any, *, model: str
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Convert as `training.export.export` does, but in this process."""
    from persistence.trusted_types import load_pipeline

    exported, reasons = {}, {}
    for recipe in RECIPES:
        try:
            exported[recipe] = convert(load_pipeline(skops, model=model), fields, recipe=recipe)
        except Exception as error:
            reasons[recipe] = f"{type(error).__name__}: {error}"
    return exported, reasons


def run_trial(case: Case, target: str) -> Trial:
    """Fit a case on the invented rows and choose its runtime."""
    definition = define(case, target)
    X, y, _ = read_table(make_table(), definition.schema)
    pipeline = definition.build_pipeline().fit(X, y)
    card = describe("toy", definition, pipeline, data=Path(__file__))
    columns = {str(name): X[name].tolist() for name in X.columns}
    found, files = choose_runtime(definition, pipeline, columns, card, export=convert_here)
    filled = {"scores": {}, "class_scores": [], "impurity_importances": {}}
    card |= found | filled | {"permutation_importances": {}, "reference": {}}
    return Trial(card, files, pipeline, X)


def native_outputs(trial: Trial) -> Any:
    """Answer the invented rows with the fitted pipeline itself."""
    columns = {str(name): trial.X[name].tolist() for name in trial.X.columns}
    return NativeRuntime(trial.pipeline, FIELDS).run(columns)


_HEAD = """# Estimators and their runtimes

Every estimator here is fitted on 200 invented rows with gaps and an unknown word, exported, compared with the fitted
pipeline on those rows and on the [challenge rows](../explanation/parity.md), stored, read back and asked again. The
tests do it at every run and fail when this table is not what they find. Write it anew with
`python -m tests.estimators > docs/reference/estimators.md`.

`onnx` is served by onnxruntime without scikit-learn; `native` is served by the fitted pipeline. Neighbours are
exported while there are few rows: an exported model that is slower than its pipeline is served natively.

| estimator | target | runtime | recipe | largest difference |
|---|---|---|---|---|
"""


def table_row(case: Case, target: str, card: dict[str, Any]) -> str:
    """Write a trial's line of the table."""
    parity = card["parity"] or {}
    if card["runtime"] == "native":
        return f"| {case.name} | {target} | native | - | - |"
    recipe, difference = parity["recipe"], parity["difference"]
    size = "< 1e-9" if difference < 1e-9 else "< 1e-5"
    return f"| {case.name} | {target} | onnx | {recipe} | {size} |"


if __name__ == "__main__":
    print(_HEAD, end="")
    for one, kind in TRIALS:
        print(table_row(one, kind, run_trial(one, kind).card), flush=True)
