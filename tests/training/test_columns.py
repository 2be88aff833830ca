"""What is said of a table's columns, and the columns from which nothing can be learnt."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.schema import Category, Flag, Number
from engine.schema.record_schema import Schema
from engine.training.columns import LINES, summarise
from engine.training.table import InvalidTable, read_table

FIELDS = (
    Number(name="age", example=1, missing="accept"),
    Category(
        name="work", column="Work class", categories=("Private", "State"), example="State",
        unknown="accept", missing="accept",
    ),
    Flag(name="late", example=True, missing="accept"),
)  # fmt: skip
SCHEMA = Schema(FIELDS, Number(name="price", example=1))


def make_table(**changes: list[Any]) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "age": [1.0, 2.5, None, 40.0],
        "Work class": ["Private", None, "Private", "Sea"],
        "late": [True, True, True, False],
        "price": [1, 2, 3, 4],
    }
    return pd.DataFrame(columns | changes)


def test_columns_when_summarised_have_kind_range_gaps_and_unknown_words() -> None:
    X, _, _ = read_table(make_table(), SCHEMA)

    assert [
        "age: number, 1 to 40, 25% missing",
        "work: category, 1 word, most often 'Private', 25% missing, 25% unknown",
        "late: flag, 75% true",
    ] == summarise(X, FIELDS)


def test_columns_when_many_have_a_line_only_where_something_is_missing() -> None:
    fields = [Number(name=f"n{place}", example=1) for place in range(300)]
    X = pd.DataFrame(np.ones((4, 300)), columns=[field.name for field in fields])
    X.loc[0, ["n7", "n200"]] = np.nan

    lines = summarise(X, fields)
    X.loc[0] = np.nan
    all_with_gaps = summarise(X, fields)

    assert ["n7: number, 1 to 1, 25% missing", "n200: number, 1 to 1, 25% missing"] == lines[:-1]
    assert "and 298 more columns" == lines[-1]
    assert LINES + 1 == len(all_with_gaps)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Work class": [" Private", " State", None, " State"]},
         "has no known word in any row, such as ' Private': its words begin or end with a space; "),
        ({"Work class": ["sea", "air", "sea", "land"]},
         "has no known word in any row, such as 'sea': list its words as the field's categories"),
        ({"Work class": [None] * 4}, "column 'Work class' (field 'work') has no value in any row"),
        ({"age": [None] * 4}, "column 'age' (field 'age') has no value in any row: correct"),
        ({"late": [None] * 4}, "column 'late' (field 'late') has no value in any row: correct"),
    ],
)  # fmt: skip
def test_column_when_nothing_can_be_learnt_from_it_stops_the_training(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidTable) as caught:
        read_table(make_table(**changes), SCHEMA)

    assert message in str(caught.value)
    read_table(make_table(**changes), SCHEMA, is_to_learn_from=False)
