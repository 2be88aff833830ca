"""Reading the table, splitting, scoring: against independent expectations."""

from typing import Any

import pandas as pd
import pytest

from engine.schema import Category, Flag, Number
from engine.schema.record_schema import Schema
from engine.training.card import positive_class
from engine.training.evaluation.reference import reference
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
