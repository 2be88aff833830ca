"""What the report says of the data: what each column tells, what is odd, what is left aside."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.schema import Category, Flag, Number
from engine.schema.fields import Field
from engine.schema.record_schema import Schema
from engine.training.report_columns import MOST_PICTURES, MOST_ROWS, DataLook, look_at
from engine.training.table import read_table
from persistence.model_persistence import ModelStore
from tests.support.toys import parcel

ROWS = 400
DRAW = np.random.default_rng(0)
CHANCE = DRAW.normal(0, 1, ROWS)
GOOD = DRAW.random(ROWS) < 0.3
TARGET = Flag(name="good", example=True)
HOSTILE = '"><script>a()'


def look(columns: dict[str, Any], *fields: Field, target: Field = TARGET) -> DataLook:
    table = pd.DataFrame({"good": GOOD} | columns)
    schema = Schema(fields, target)
    X, y, _ = read_table(table, schema)
    return look_at(X, y, table, schema)


def number(name: str) -> Number:
    return Number(name=name, example=1.0, missing="accept")


def test_columns_when_looked_at_are_ordered_by_what_they_tell_alone() -> None:
    columns = {
        "chance": CHANCE, "copy": GOOD * 2.0, "half": GOOD + DRAW.normal(0, 0.5, ROWS),
        "gaps": np.where(GOOD, CHANCE, np.nan),
        "word": np.where(GOOD, "a", "b"),
    }  # fmt: skip
    word = Category(name="word", categories=("a", "b"), example="a")

    seen = look(columns, *map(number, ("chance", "copy", "half", "gaps")), word)

    alone = {column.name: column.alone for column in seen.columns}
    assert [1, 1, 1] == pytest.approx([alone[name] for name in ("copy", "word", "gaps")], abs=0.03)
    assert alone["chance"] < 0.2 < alone["half"] < 0.9
    assert ["half", "chance"] == [column.name for column in seen.columns][-2:]
    assert {"copy", "word", "gaps"} == {line.partition(" ")[0] for line in seen.suspects}


def test_column_when_its_field_is_private_shows_no_value() -> None:
    field = Number(name="salary", example=1.0, private=True)

    (column,) = look({"salary": 777_000.0 + GOOD}, field).columns

    assert ("private", "") == (column.text, column.picture)
    assert 1 == pytest.approx(column.alone, abs=0.03)


def test_ratio_when_the_target_is_a_number_is_that_of_its_means() -> None:
    shop = np.array(["a", "b", "c", "d"])[np.arange(ROWS) % 4]
    price = np.where(shop == "a", 1.0, 0.0) + CHANCE
    fields = Category(name="shop", categories=("a", "b", "c", "d"), example="a")

    (column,) = look(
        {"shop": shop, "price": price}, fields, target=Number(name="price", example=1.0)
    ).columns

    groups = [price[shop == each] for each in "abcd"]
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (ROWS - 4)
    assert np.sqrt(1 - within / price.var(ddof=1)) == pytest.approx(column.alone)
    assert 4 == column.picture.count("<circle")


def test_columns_when_odd_are_described() -> None:
    far = CHANCE.copy()
    far[:3] = 100, -100, 50
    columns = {"far": far, "flag": GOOD, "again": 2 * far + 1, "empty": np.where(GOOD, 5.0, np.nan)}
    flag = Flag(name="flag", example=True)

    seen = look(columns, *map(number, ("far", "again", "empty")), flag)

    texts = {column.name: column.text for column in seen.columns}
    assert "-100 to 100" in texts["far"]
    assert "3 far off the others" in texts["far"]
    assert f"{100 * (~GOOD).mean():.2g}% missing" in texts["empty"]
    assert f"{100 * GOOD.mean():.3g}% true" == texts["flag"]
    assert ("far", "again", "1.0000") in seen.pairs
    assert all("chance" not in pair for pair in seen.pairs)


def test_columns_without_a_field_are_listed_with_what_tells_most_about_them() -> None:
    columns = {
        "chance": CHANCE, "id": [f"row {n}" for n in range(ROWS)], "same": "x", "none": None,
        "later": np.where(GOOD, "paid", "lost"), "list": [[n % 3] for n in range(ROWS)],
        "name": [f"customer {n // 5}" for n in range(ROWS)],
    }  # fmt: skip

    aside = dict(look(columns, number("chance")).aside)

    assert ["id", "same", "none", "later", "list", "name"] == [*aside]
    assert "nearly every row has its own value" == aside["id"]
    assert ("always x", "no value in any row") == (aside["same"], aside["none"])
    assert "the target nearly by itself" in aside["later"]
    assert aside["list"].startswith("3 values, most often [0]")
    assert aside["name"].startswith(f"{ROWS // 5} values; alone")  # each is of five rows


@pytest.mark.parametrize(("rows", "width"), [(MOST_ROWS + 50, 2), (100, MOST_PICTURES + 40)])
def test_page_when_the_table_is_long_or_wide_stays_small(rows: int, width: int) -> None:
    names = [f"column{place}" for place in range(width)]
    table = pd.DataFrame(DRAW.normal(0, 1, (rows, width)), columns=names)
    table["good"] = DRAW.random(rows) < 0.5

    seen = look_at(table[names], table["good"], table, Schema(tuple(map(number, names)), TARGET))

    assert (min(rows, MOST_ROWS), width) == (seen.rows, len(seen.columns))
    assert sum(len(column.picture) for column in seen.columns[:MOST_PICTURES]) < 400_000


def test_page_shows_pictures_of_the_training_rows_and_what_each_score_means(
    toy_store: ModelStore,
) -> None:
    version = toy_store.promoted("parcel")
    page = (toy_store.root / "parcel" / version / "report.html").read_text()

    assert len(parcel.fields) == page.count('<svg class="bars"')
    assert page.count("<b>") == len(toy_store.read_card("parcel")["scores"])
    assert "How well the probabilities sort the records: 0.5 is chance" in page
    assert "prefers-color-scheme: dark" in page


def test_page_when_words_are_hostile_runs_nothing() -> None:
    column = pd.Series([HOSTILE, "b"] * 200)
    field = Category(name="c", categories=(HOSTILE, "b"), example="b")

    (seen,) = look({"c": column.to_numpy()}, field).columns

    assert HOSTILE in seen.text
    assert HOSTILE not in seen.picture
