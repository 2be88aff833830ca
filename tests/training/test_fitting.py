"""Fitting a model file's pipeline: what stops it is a sentence, and storing is tried first."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder
from sklearn.svm import LinearSVC

from engine.schema import Category, Flag, ModelDefinition, Number
from engine.training.failures import TrainingFailed, cause, explained
from engine.training.fitting import TRIAL_ROWS, few_rows, fit

FIELDS = (
    Number(name="size", example=1.0),
    Category(name="word", categories=("x", "y"), example="x"),
)
ROWS = 10 * TRIAL_ROWS
_DRAW = np.random.default_rng(0)
X = pd.DataFrame({"size": _DRAW.normal(size=ROWS), "word": _DRAW.choice(["x", "y"], ROWS)})
X["word"] = X["word"].astype(object)
NUMBER = pd.Series((X["size"] * 1e6).round(), name="price")
CLASS = pd.Series(X["size"] > 0, name="sold")


def define(build: Callable[[], Any], target: Any = None) -> ModelDefinition:
    target = target or Number(name="price", example=1.0)
    return ModelDefinition(
        title="Toy", fields=FIELDS, target=target, sample=Path("none"), load_data=lambda path: X,
        build_pipeline=build, score="accuracy" if target.classes else "mae",
    )  # fmt: skip


def numbers(*steps: Any) -> Pipeline:
    parts = [("size", ColumnTransformer([("size", "passthrough", ["size"])]))]
    return Pipeline(parts + [(type(step).__name__.lower(), step) for step in steps])


class Counting(Ridge):  # type: ignore[misc]
    """Counts the rows of every fit."""

    rows: list[int] = []  # noqa: RUF012 - shared on purpose by all copies

    def fit(self, X: Any, y: Any) -> Any:
        """Fit."""
        self.rows.append(len(X))
        return super().fit(X, y)


def test_pipeline_when_it_cannot_be_stored_is_refused_before_the_fit_is_paid_for() -> None:
    Counting.rows.clear()

    with pytest.raises(TrainingFailed, match=r"cannot be stored.*lambda"):
        fit("toy", define(lambda: numbers(FunctionTransformer(lambda X: X), Counting())), X, NUMBER)

    assert [TRIAL_ROWS] == Counting.rows


def broken(*_: Any) -> Any:
    raise MemoryError


def at_fault(**changes: Any) -> Any:
    """Return a line that cannot be fitted with these values of its attributes."""
    return type("Faulty", (LinearRegression,), changes)()


FLAG = Flag(name="sold", example=True)


@pytest.mark.parametrize(
    ("build", "target", "message"),
    [
        (lambda: numbers(IsolationForest()), FLAG,
         "IsolationForest does not predict the classes of the target 'sold': end the pipeline"),
        (lambda: numbers(KMeans(2)), None,
         "with a regressor, or make the target a Flag or a Category"),
        (lambda: numbers(LogisticRegression()), None, "LogisticRegression does not predict"),
        (lambda: numbers(LinearRegression()), FLAG, "LinearRegression does not predict"),
        (lambda: None, None, "build_pipeline returns NoneType: return an unfitted pipeline"),
        (lambda: 1 / 0, None, "build_pipeline ends with ZeroDivisionError: division by zero"),
        (lambda: Pipeline([("words", TargetEncoder()), ("line", Ridge())]), None,
         "in step 'words' (TargetEncoder) with ValueError: n_splits=5 cannot be greater"),
        (lambda: Pipeline([("words", TargetEncoder()), ("line", Ridge())]), None,
         "write TargetEncoder(target_type='continuous')"),
        (lambda: HistGradientBoostingRegressor(), None,
         "with ValueError: could not convert string to float: 'y': it takes numbers only"),
        (lambda: numbers(GridSearchCV(PoissonRegressor(alpha=-1), {"tol": [1, 2]})), None,
         "in step 'gridsearchcv' (GridSearchCV) with sklearn.utils._param_validation.Invalid"),
        (lambda: numbers(at_fault(fit=broken)), None,
         "with MemoryError: there is too little memory: use fewer rows"),
        (lambda: ColumnTransformer([("none", StandardScaler(), ["sise"])]), None,
         "the columns that a pipeline sees have the names of the fields"),
        (lambda: numbers(GridSearchCV(Ridge(), {"alpha": [1]}, refit=False)), None,
         "models/toy.py: GridSearchCV has refit=False and so no estimator to serve: leave refit"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_pipeline_when_it_cannot_be_fitted_names_the_file_the_step_the_cause_and_the_remedy(
    build: Callable[[], Any], target: Any, message: str
) -> None:
    definition = define(build, target)

    with pytest.raises(TrainingFailed) as caught:
        fit("toy", definition, X, CLASS if target else NUMBER)

    assert message in str(caught.value)
    assert str(caught.value).startswith("models/toy.py: ")
    assert "\n" not in str(caught.value)


class Chooser(Ridge):  # type: ignore[misc]
    """Answers with the search itself, which what serves no longer has."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit."""
        self.search_ = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2).fit(X, y)
        return super().fit(X, y)

    def predict(self, X: Any) -> Any:
        """Predict."""
        return super().predict(X) + isinstance(self.search_, GridSearchCV)


def test_pipeline_when_what_serves_answers_otherwise_is_refused() -> None:
    with pytest.raises(TrainingFailed, match="answers otherwise than the estimators that it chose"):
        fit("toy", define(lambda: numbers(Chooser())), X, NUMBER)


def test_threshold_when_it_is_one_of_margins_names_the_estimator_without_probabilities() -> None:
    classifier = FixedThresholdClassifier(LinearSVC(), threshold=0.4)
    message = (
        "FixedThresholdClassifier is one of margins.*: wrap LinearSVC in CalibratedClassifierCV"
    )

    with pytest.raises(TrainingFailed, match=message):
        fit("toy", define(lambda: numbers(classifier), Flag(name="sold", example=True)), X, CLASS)


def test_rows_when_few_are_chosen_have_some_of_each_class() -> None:
    y = pd.Series([row < 12 for row in range(2000)])
    definition = define(lambda: None, FLAG)

    few = few_rows(y, 50, definition)

    assert 50 <= len(few) <= 60
    assert 10 <= y.iloc[few].sum() <= 12
    assert (few == few_rows(y, 50, replace(definition))).all()


def test_code_when_it_ends_the_program_is_a_sentence() -> None:
    with pytest.raises(TrainingFailed) as caught, explained("load_data", "toy"):
        raise SystemExit(3)

    assert (
        "models/toy.py: load_data ends with SystemExit: a model file must not end the program "
        in (str(caught.value))
    )


def test_code_when_it_reads_the_table_has_no_remedy_for_a_pipeline() -> None:
    with pytest.raises(TrainingFailed) as caught, explained("load_data", "toy"):
        raise KeyError("['size'] not in index")

    assert str(caught.value).endswith("""KeyError: "['size'] not in index\"""")


def test_code_when_it_is_no_python_names_the_line_once() -> None:
    with pytest.raises(TrainingFailed) as caught, explained("", "toy"):
        compile("x = 1\n  y = 2\n", "models/toy.py", "exec")

    assert "models/toy.py, line 2: IndentationError: unexpected indent" == str(caught.value)


def test_cause_when_a_package_is_missing_says_how_to_install_it() -> None:
    with pytest.raises(TrainingFailed) as caught, explained("", "toy"):
        import_module("no_such_package")

    assert (
        "models/toy.py: no_such_package is not installed: add it to Pipfile, run make lock, "
        in (str(caught.value))
    )
    assert "KeyError: 'a'" == cause(KeyError("a"))
