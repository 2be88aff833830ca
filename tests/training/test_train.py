"""Reading the table, splitting, scoring: against independent expectations."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.runtime.loading import load_version
from engine.schema import Category, Flag, Number
from engine.schema.card import Decision
from engine.schema.definition import ModelDefinition
from engine.schema.record_schema import Schema
from engine.scoring.judged import judge
from engine.scoring.metrics import applicable
from engine.training.card import positive_class
from engine.training.evaluation.reference import reference
from engine.training.failures import TrainingFailed
from engine.training.served_pipeline import Threshold
from engine.training.split import split_rows
from engine.training.table import InvalidTable, read_table
from engine.training.train import _threshold, split_table, train
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT
from tests.support.runtimes import needs_exact

SCHEMA = Schema(
    (
        Number(name="age", column="Age", example=30, integer=True, minimum=18, maximum=100),
        Number(name="income", column="Income", example=1.5, missing="accept"),
        Category(name="job", column="Job", example="a", categories=("a", "b"), missing="accept"),
        Category(name="town", example="x", categories=("x", "y"), unknown="accept"),
        Flag(name="late", column="Late", example=True, synonyms={"yes": True, "no": False}),
    ),
    Flag(name="good", column="Status", example=True, synonyms={"good": True, "bad": False}),
)


def make_table(**changes: list[Any]) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {
        "Age": [20, 30] * 20,
        "Income": [1.5, None] * 20,
        "Job": ["a", None, "b", "a"] * 10,
        "town": ["x", "y", "x", "nowhere"] * 10,
        "Late": ["yes", "no"] * 20,
        "Status": ["good", "bad"] * 20,
        "Unused": [object()] * 40,
    }
    return pd.DataFrame({**columns, **changes})


def test_table_when_it_fits_gives_clean_columns_in_the_schemas_order() -> None:
    X, y, remarks = read_table(make_table(), SCHEMA)

    assert ["age", "income", "job", "town", "late"] == list(X.columns)
    assert [20.0, 30.0] == X["age"].tolist()[:2]
    assert X["income"].isna().tolist()[:2] == [False, True]
    assert ["a", "__missing__", "b", "a"] == X["job"].tolist()[:4]
    assert "__unknown__" == X["town"][3]
    assert [1.0, 0.0] == X["late"].tolist()[:2]
    assert [True, False] == y.tolist()[:2]
    assert bool is y.dtype.type or y.dtype == bool
    assert ["rows 4, 8, 12, 16, 20 and 5 more, column 'town'"] == [
        remark.split(" (field")[0] for remark in remarks
    ]


def test_table_when_cells_are_wrong_names_every_row_column_value_and_remedy() -> None:
    table = make_table(Age=[20, 30, 17, 17] + [30.5] * 7 + [40] * 29)
    table.loc[0, "Job"] = "c"
    table.loc[1, "Status"] = None
    table["Late"] = True

    with pytest.raises(InvalidTable) as caught:
        read_table(table.drop(columns="Income"), SCHEMA)

    assert [
        (
            "rows 3, 4, column 'Age' (field 'age'): is 17.0, out of range: "
            "send a whole number from 18 to 100"
        ),
        (
            "rows 5, 6, 7, 8, 9 and 2 more, column 'Age' (field 'age'): is 30.5: "
            "send a whole number from 18 to 100"
        ),
        "column 'Income' of field 'income' is missing",
        "row 1, column 'Job' (field 'job'): is 'c', unknown: send one of 'a', 'b'",
        (
            "row 2, column 'Status' (field 'good'): is required: "
            "send true or false or 'good' or 'bad'"
        ),
    ] == sorted(caught.value.problems, key=lambda line: line.split("column")[1][:5])


def test_table_when_one_cell_makes_a_column_text_names_that_cell_only() -> None:
    table = make_table(Age=["20", "30"] * 19 + ["n/a", "4e1"])

    with pytest.raises(InvalidTable) as caught:
        read_table(table, SCHEMA)

    assert [
        "row 39, column 'Age' (field 'age'): is 'n/a': send a whole number from 18 to 100"
    ] == caught.value.problems


def test_table_when_a_column_is_misspelt_suggests_the_near_one() -> None:
    with pytest.raises(InvalidTable, match="did you mean 'Incme'"):
        read_table(make_table().rename(columns={"Income": "Incme"}), SCHEMA)


def test_table_when_many_values_of_a_column_are_refused_lists_the_first_and_their_number() -> None:
    schema = Schema(
        (Category(name="town", column="Town", categories=("a", "b"), example="a"),),
        Number(name="price", example=1.0),
    )
    table = pd.DataFrame({"Town": [f"id{row}" for row in range(600)], "price": 1.0})

    with pytest.raises(InvalidTable) as caught:
        read_table(table, schema)

    *lines, rest = caught.value.problems
    assert [f"row {row}, " for row in range(1, 11)] == [line.partition("col")[0] for line in lines]
    assert "column 'Town' (field 'town'): 590 more values are refused" == rest


@pytest.mark.parametrize("labels", [["good"] * 40, ["good"] * 38 + ["bad"] * 2])
def test_table_when_a_class_is_missing_or_scarce_is_refused(labels: list[str]) -> None:
    with pytest.raises(InvalidTable, match="at least two classes"):
        read_table(make_table(Status=labels), SCHEMA)


def test_table_when_it_is_empty_is_refused() -> None:
    with pytest.raises(InvalidTable, match="no rows"):
        read_table(make_table().head(0), SCHEMA)


def test_positive_class_when_words_are_declared_is_the_last_declared() -> None:
    target = Category(name="t", example="no", categories=("no", "maybe", "go"))

    assert "go" == positive_class(target, ["go", "no"])
    assert positive_class(target, ["go", "maybe", "no"]) is None
    assert positive_class(Flag(name="t", example=True), [False, True]) is True


def test_reference_when_rows_have_gaps_counts_every_row_once() -> None:
    X, _, _ = read_table(make_table(), SCHEMA)

    found = reference(X, SCHEMA.fields)

    assert {"edges": [20.0, 30.0], "counts": [0, 20, 20], "missing": 0} == found["age"]
    assert 20 == found["income"]["missing"]
    assert {"counts": {"a": 20, "b": 10}, "missing": 10, "unknown": 0} == found["job"]
    assert {"counts": {"x": 20, "y": 10}, "missing": 0, "unknown": 10} == found["town"]


def quiet(text: str) -> None:
    """Take what a step says."""


def definition_of(target: Any, **changes: Any) -> ModelDefinition:
    settings: dict[str, Any] = {
        "score": "r2" if isinstance(target, Number) else "roc_auc",
        "build_pipeline": lambda: make_pipeline(LogisticRegression()),
    }
    return ModelDefinition(
        title="toy", fields=(Number(name="a", example=0.0),), target=target,
        sample=Path("toy.csv"), load_data=pd.read_csv, **settings | changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "a", "y", "reason"),
    [
        (Number(name="y", example=1.0), [1.0], [1.0], "no row can be held out, since there is onl"),
        (Number(name="y", example=1.0), [1.0] * 9, range(9), "since all rows have equal fields"),
        (Flag(name="y", example=True), [0.0, 1.0] * 9, [True, False] * 9, "the rows of each class"),
        (Number(name="y", example=1.0), range(4), [1.0] * 4, "score 'r2' cannot be computed: it"),
        (
            Flag(name="y", example=True), [*range(80), *[99.0] * 20], [False] * 80 + [True] * 20,
            "score 'roc_auc' cannot be computed: none of the",
        ),
    ],
)  # fmt: skip
def test_split_when_it_cannot_be_judged_on_is_refused_with_the_cause(
    target: Any, a: Any, y: Any, reason: str
) -> None:
    X, labels = pd.DataFrame({"a": [float(one) for one in a]}), pd.Series(list(y), name="y")

    with pytest.raises(InvalidTable, match=reason):
        split_table(definition_of(target), X, X, labels, quiet)


@pytest.mark.parametrize(
    ("tuned", "in_the_file", "expected"),
    [
        (None, 0.4, 0.4),
        (Threshold(0.3, positive=True), 0.5, 0.3),
        (Threshold(0.3, positive=False), 0.5, 0.7),
        (Threshold(0.3, positive=True), 0.3, 0.3),
    ],
)
def test_threshold_when_the_pipeline_has_one_is_the_versions(
    tuned: Threshold | None, in_the_file: float, expected: float
) -> None:
    definition = definition_of(Flag(name="y", example=True), threshold=in_the_file)
    decision: Decision = {"classes": [False, True], "positive": True, "threshold": 0.5}

    assert expected == _threshold("toy", definition, tuned, decision)


def test_threshold_when_the_model_file_has_another_is_refused() -> None:
    definition = definition_of(Flag(name="y", example=True), threshold=0.4)
    decision: Decision = {"classes": [False, True], "positive": True, "threshold": 0.5}

    with pytest.raises(TrainingFailed, match=r"from a probability of 0.3, and `threshold` is 0.4"):
        _threshold("toy", definition, Threshold(0.3, positive=True), decision)


@contextmanager
def silent(title: str) -> Iterator[Any]:
    yield quiet


@pytest.mark.slow
def test_version_when_trained_is_scored_by_the_runtime_that_serves(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    a = draw.normal(0, 1, 400)
    path = tmp_path / "toy.csv"
    y = np.where((a > 0) ^ (draw.random(400) < 0.3), "yes", "no")
    pd.DataFrame({"a": a, "y": y}).to_csv(path, index=False)
    definition = definition_of(
        Category(name="y", example="no", categories=("no", "yes", "never")),
        build_pipeline=lambda: make_pipeline(
            FixedThresholdClassifier(LogisticRegression(), threshold=0.4, pos_label="yes")
        ),
    )

    trained = train("toy", definition, path, step=silent)

    store = ModelStore(tmp_path / "store")
    store.promote("toy", store.write(trained.card, trained.files))
    X, labels, _ = read_table(pd.read_csv(path), definition.schema)
    _, held_out, _ = split_rows(X, labels, seed=0, is_classification=True)
    answers = load_version(store, "toy").predict(X.iloc[held_out].to_dict("list"))
    served = judge(labels.iloc[held_out].tolist(), answers, trained.card)
    assert 0.4 == trained.card["threshold"]
    assert {name: one["value"] for name, one in trained.card["scores"].items()} == {
        name: one.estimate(served).value for name, one in applicable(served).items()
    }
    (remark,) = trained.card["remarks"]
    assert "declared class 'never'" in remark
    again = train("toy", definition, path, step=silent, store=store, promote="if-better")
    assert "undecided" == again.card["challenge"]["verdict"]


WATCHED = """
import sys
started = []
sys.addaudithook(lambda event, given: event == "subprocess.Popen" and started.append(given[1]))
from tests.support.models import train_toy
from tests.support.toys import parcel
train_toy("parcel", parcel.definition)
print([command for command in started if command[0] != "git"])
print(sorted({"onnx", "skl2onnx", "onnxruntime"} & sys.modules.keys()))
"""


@needs_exact
@pytest.mark.slow
def test_training_when_the_exact_runtime_serves_needs_nothing_of_onnx() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ["[]", "[]"] == done.stdout.splitlines(), done.stderr


@pytest.mark.slow
def test_version_when_far_numbers_have_no_finite_answer_is_trained(tmp_path: Path) -> None:
    a = np.random.default_rng(0).normal(0, 1, 100)
    path = tmp_path / "toy.csv"
    pd.DataFrame({"a": a, "y": np.exp(a / 2 + 0.2 * a[::-1])}).to_csv(path, index=False)
    definition = definition_of(
        Number(name="y", example=1.0),
        build_pipeline=lambda: make_pipeline(StandardScaler(), GammaRegressor()),
    )

    trained = train("toy", definition, path, step=silent)

    ModelStore(tmp_path / "store").write(trained.card, trained.files)
    assert b"<tr><th>Parity" in trained.files["report.html"]
