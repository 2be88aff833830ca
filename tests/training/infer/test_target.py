"""What a target is taken for, which are refused, and which columns give it away."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.training.infer.draft import ModelDraft, draft_model
from engine.training.infer.source import UnreadableTable


def draft(folder: Path, table: pd.DataFrame, target: str = "y") -> ModelDraft:
    table.to_csv(folder / "table.csv", index=False)
    return draft_model(str(folder / "table.csv"), target, name="trial", sample="data/table.csv")


def table(rows: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    y = np.where(x + random.normal(size=rows) > 0, "yes", "no")
    return pd.DataFrame({"x": x, "y": y})


def test_copies_of_a_class_are_set_aside_and_named(tmp_path: Path) -> None:
    honest = table()
    is_yes = honest["y"] == "yes"
    copies = honest.assign(
        left=np.where(is_yes, "gone", "here"),
        size=np.where(is_yes, 3.0, 1.0) + np.arange(200) * 0.001,
        only_then=np.where(is_yes, "", honest["x"].round(3).astype(str)),
    )

    made = draft(tmp_path, copies)

    assert ["x"] == [field.header for field in made.fields]
    assert {"left", "size", "only_then"} == {column.header for column in made.aside}


def test_dates_between_which_the_target_is_known_are_set_aside(tmp_path: Path) -> None:
    delay = np.random.default_rng(0).integers(-20, 90, 200)
    planned = pd.date_range("2017-01-01", periods=200, freq="7h")
    flights = table().assign(
        planned=planned, left=planned + pd.to_timedelta(delay, "min"), y=np.where(delay > 15, 1, 0)
    )

    made = draft(tmp_path, flights)

    assert ["x", "planned"] == [field.header for field in made.fields]
    assert "with 'planned' it tells the target" in made.aside[0].summary


def test_copies_of_a_number_are_set_aside_and_named(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    y = 5 + x + random.normal(size=200)
    near = {"double": 2 * y + 1e-3 * x, "power": np.exp(y), "x": x}

    made = draft(tmp_path, pd.DataFrame({**near, "y": y}))

    assert ["x"] == [field.header for field in made.fields]


@pytest.mark.parametrize(
    ("name", "values", "kind", "classes"),
    [
        ("y", ["a", "b", "c"], "Category", ("a", "b", "c")),
        ("y", ["good", "good", "bad"], "Category", ("good", "bad")),
        ("target", [0, 1, 2], "Category", (0, 1, 2)),
        ("species_class", [1, 2], "Category", (1, 2)),
        ("quality", [3, 4, 5, 6], "Number", None),
        ("target", [3, 5, 9], "Number", None),
        ("y", [0, 1], "Flag", None),
        ("y", ["Sim", "Não"], "Flag", None),
    ],
)
def test_target_is_of_the_kind_that_its_words_say(
    tmp_path: Path, name: str, values: list[Any], kind: str, classes: Any
) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=240), name: (values * 240)[:240]})

    target = draft(tmp_path, frame, name).target

    assert (kind, classes) == (target.kind, target.arguments.get("categories"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["yes"] * 200, "in every row"),
        ([""] * 200, "is empty"),
        (["yes"] * 195 + ["no"] * 5, "two classes with 10 rows each"),
        (["good"] * 195 + ["bad"] * 5, "two classes with 10 rows each"),
        ([f"word {n}" for n in range(200)], "two classes|different words"),
        (["a", "b", *(f"{n:02d} c" for n in range(38))] * 4 + ["a", "b"] * 20, "join its words"),
        ([f"2024-01-{1 + n % 9:02d}" for n in range(200)], "holds dates"),
        ([str(1000 + n) for n in range(200)], "tells the rows apart"),
    ],
)
def test_target_that_cannot_be_learnt_is_refused_in_a_sentence(
    tmp_path: Path, values: list[str], words: str
) -> None:
    with pytest.raises(UnreadableTable, match=words):
        draft(tmp_path, table().assign(y=values))


def test_target_when_misspelt_is_refused_with_the_columns_and_the_likeliest(tmp_path: Path) -> None:
    frame = table().rename(columns={"y": "Churn"})

    with pytest.raises(UnreadableTable, match=r"did you mean 'Churn'.*'x', 'Churn'"):
        draft(tmp_path, frame, "Chrun")
    with pytest.raises(UnreadableTable, match="add --target 'Churn'"):
        draft(tmp_path, frame, "")
    assert "churn" == draft(tmp_path, frame, "churn").target.name


def test_target_when_rows_are_without_it_says_how_many(tmp_path: Path) -> None:
    frame = table().assign(y=["a", "b", "c", ""] * 49 + ["d"] * 4)

    drawn = draft(tmp_path, frame)

    assert "left out: 'd' (4 rows)" in drawn.target.remark
    assert ["49 rows without 'y' are left out"] == drawn.source.notes


def test_target_when_its_header_has_quotes_is_named_without(tmp_path: Path) -> None:
    frame = table().rename(columns={"y": "'Churn'"})

    assert "'Churn'" == draft(tmp_path, frame, "Churn").target.header
