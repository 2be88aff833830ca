"""Reading the table, splitting, scoring: against independent expectations."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from engine.runtime.answers import Prediction
from engine.schema import Category, Flag, Number
from engine.schema.card import Decision
from engine.schema.record_schema import Schema
from engine.training.card import positive_class
from engine.training.evaluation.judged import HeldOutAnswers, judge
from engine.training.evaluation.metrics import class_scores, score
from engine.training.evaluation.reference import reference
from engine.training.split import split_rows
from engine.training.table import InvalidTable, read_table

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


@pytest.mark.parametrize("labels", [["good"] * 40, ["good"] * 38 + ["bad"] * 2])
def test_table_when_a_class_is_missing_or_scarce_is_refused(labels: list[str]) -> None:
    with pytest.raises(InvalidTable, match="at least two classes"):
        read_table(make_table(Status=labels), SCHEMA)


def test_table_when_it_is_empty_is_refused() -> None:
    with pytest.raises(InvalidTable, match="no rows"):
        read_table(make_table().head(0), SCHEMA)


def test_split_when_rows_repeat_keeps_equal_rows_on_one_side() -> None:
    draw = np.random.default_rng(0)
    X = pd.DataFrame({"a": draw.integers(0, 30, 500), "b": draw.choice([1.0, np.nan], 500)})
    y = pd.Series(draw.random(500) < 0.3)

    train, held_out = split_rows(X, y, seed=0, is_classification=True)

    assert list(range(500)) == sorted([*train, *held_out])
    both = set(map(str, X.iloc[train].values.tolist()))
    assert not both & set(map(str, X.iloc[held_out].values.tolist()))


def table_of(n: int) -> tuple[pd.DataFrame, pd.Series]:
    """Give the first rows of a table: a longer one begins with a shorter one's rows."""
    draw = np.random.default_rng(0).random((4000, 2))[:n]
    X = pd.DataFrame({"a": draw[:, 0], "b": np.where(draw[:, 0] < 0.5, "low", "high")})
    return X, pd.Series(draw[:, 1] < 0.1)


def test_split_when_seeded_holds_out_a_fifth_the_same_each_time() -> None:
    X, y = table_of(4000)

    train, held_out = split_rows(X, y, seed=3, is_classification=True)
    again, _ = split_rows(X, y, seed=3, is_classification=True)
    other, _ = split_rows(X, y, seed=4, is_classification=True)

    assert 800 == pytest.approx(len(held_out), abs=4 * (4000 * 0.2 * 0.8) ** 0.5)
    assert (train == again).all()
    assert len(np.intersect1d(train, other)) == pytest.approx(0.64 * 4000, rel=0.05)


def test_split_when_the_table_grows_and_moves_holds_out_the_same_rows() -> None:
    X, y = table_of(1000)
    _, held_out = split_rows(X, y, seed=0, is_classification=True)

    more, labels = table_of(1500)
    order = np.random.default_rng(1).permutation(1500)
    moved = more.iloc[order][["b", "a"]].reset_index(drop=True)
    _, later = split_rows(
        moved, labels.iloc[order].reset_index(drop=True), seed=0, is_classification=True
    )

    assert sorted(held_out) == sorted(row for row in order[later] if row < 1000)


@pytest.mark.parametrize("seed", range(8))
def test_split_when_a_class_is_scarce_has_it_on_both_sides(seed: int) -> None:
    X, _ = table_of(200)
    y = pd.Series([row < 2 for row in range(200)])

    train, held_out = split_rows(X, y, seed=seed, is_classification=True)

    assert {True, False} == set(y.iloc[train]) == set(y.iloc[held_out])


TRUTH = [True, False, True, True, False]
SHARES = [0.9, 0.4, 0.6, 0.3, 0.2]


def judged_binary(shares: list[float]) -> HeldOutAnswers:
    predictions = [Prediction(p >= 0.5, (1 - p, p), max(p, 1 - p)) for p in shares]
    return judge(TRUTH, predictions, {"classes": [False, True], "positive": True, "threshold": 0.5})


def test_scores_when_there_are_two_classes_equal_their_formulas() -> None:
    scores = score(judged_binary(SHARES), judged_binary([0.6] * 5), seed=0)

    pairs = [
        (g, b)
        for g, t in zip(SHARES, TRUTH, strict=True)
        if t
        for b, u in zip(SHARES, TRUTH, strict=True)
        if not u
    ]
    assert sum(g > b for g, b in pairs) / len(pairs) == pytest.approx(scores["roc_auc"]["value"])
    assert 0.8 == scores["accuracy"]["value"]
    assert np.mean([(p - t) ** 2 for p, t in zip(SHARES, TRUTH, strict=True)]) == pytest.approx(
        scores["brier"]["value"]
    )
    assert -np.mean(
        [np.log(p if t else 1 - p) for p, t in zip(SHARES, TRUTH, strict=True)]
    ) == pytest.approx(scores["log_loss"]["value"])
    assert 0.5 == scores["roc_auc"]["baseline"]
    assert 0.6 == scores["accuracy"]["baseline"]


def test_class_scores_when_there_are_two_classes_name_each() -> None:
    found = class_scores(judged_binary(SHARES))

    assert [
        {"class": False, "precision": pytest.approx(2 / 3), "recall": 1.0, "rows": 2},
        {"class": True, "precision": 1.0, "recall": pytest.approx(2 / 3), "rows": 3},
    ] == found


def test_scores_when_numbers_are_predicted_equal_their_formulas() -> None:
    truth, predicted = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
    card: Decision = {"classes": None, "positive": None, "threshold": 0.5}
    judged = judge(truth, [Prediction(value) for value in predicted], card)

    scores = score(judged, judged, seed=0)

    assert 0.5 == scores["mae"]["value"]
    assert (1.25 / 3) ** 0.5 == pytest.approx(scores["rmse"]["value"])
    assert 1 - 1.25 / (14 / 3) == pytest.approx(scores["r2"]["value"])


def test_interval_when_rows_are_many_is_that_of_a_proportion() -> None:
    n = 2000
    truth = np.arange(n) % 2 == 0
    predicted = np.where(np.arange(n) < 1600, truth, ~truth)
    judged = HeldOutAnswers(truth, predicted, None, [False, True], True)

    accuracy = score(judged, judged, seed=0)["accuracy"]

    half = 1.96 * (0.8 * 0.2 / n) ** 0.5
    assert 0.8 == accuracy["value"]
    assert 0.8 - half == pytest.approx(accuracy["low"], abs=0.003)
    assert 0.8 + half == pytest.approx(accuracy["high"], abs=0.003)


def test_roc_auc_when_there_are_three_classes_is_the_mean_of_one_against_rest() -> None:
    draw = np.random.default_rng(0)
    truth = draw.choice(["a", "b", "c"], 300)
    shares = draw.dirichlet([1, 1, 1], 300)
    judged = HeldOutAnswers(truth, truth, shares, ["a", "b", "c"])

    found = score(judged, judged, seed=0)["roc_auc"]["value"]

    each = [metrics.roc_auc_score(truth == c, shares[:, i]) for i, c in enumerate("abc")]
    assert np.mean(each) == pytest.approx(found)


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
