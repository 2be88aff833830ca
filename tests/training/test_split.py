"""Which rows are held out: by a digest, equal rows together, each class learnt."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.schema import Date, ModelDefinition
from engine.schema.fields import Field
from engine.training.split import folds, split_keys, split_rows
from engine.training.table import InvalidTable
from engine.training.train import split_table
from tests.support.toys import loan


def test_split_when_rows_repeat_keeps_equal_rows_on_one_side() -> None:
    draw = np.random.default_rng(0)
    X = pd.DataFrame({"a": draw.integers(0, 30, 500), "b": draw.choice([1.0, np.nan], 500)})
    y = pd.Series(draw.random(500) < 0.3)

    train, held_out, _ = split_rows(X, y, seed=0, is_classification=True)

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

    train, held_out, _ = split_rows(X, y, seed=3, is_classification=True)
    again, _, _ = split_rows(X, y, seed=3, is_classification=True)
    other, _, _ = split_rows(X, y, seed=4, is_classification=True)

    assert 800 == pytest.approx(len(held_out), abs=4 * (4000 * 0.2 * 0.8) ** 0.5)
    assert (train == again).all()
    assert len(np.intersect1d(train, other)) == pytest.approx(0.64 * 4000, rel=0.05)


def test_split_when_the_table_grows_and_moves_holds_out_the_same_rows() -> None:
    X, y = table_of(1000)
    _, held_out, _ = split_rows(X, y, seed=0, is_classification=True)

    more, labels = table_of(1500)
    order = np.random.default_rng(1).permutation(1500)
    moved = more.iloc[order][["b", "a"]].reset_index(drop=True)
    _, later, _ = split_rows(
        moved, labels.iloc[order].reset_index(drop=True), seed=0, is_classification=True
    )

    assert sorted(held_out) == sorted(row for row in order[later] if row < 1000)


@pytest.mark.parametrize("seed", range(8))
def test_split_when_a_class_is_scarce_has_it_on_both_sides(seed: int) -> None:
    X, _ = table_of(200)
    y = pd.Series([row < 2 for row in range(200)])

    train, held_out, _ = split_rows(X, y, seed=seed, is_classification=True)

    assert {True, False} == set(y.iloc[train]) == set(y.iloc[held_out])


def table_with_alike(label: str = "same") -> tuple[pd.DataFrame, pd.Series]:
    """Make two classes of different rows, and a third whose 30 rows are all alike."""
    X = pd.DataFrame({"a": np.r_[np.random.default_rng(0).random(200), np.full(30, 7.0)]})
    return X, pd.Series(["p", "q"] * 100 + [label] * 30)


@pytest.mark.parametrize("seed", range(12))
def test_split_when_the_rows_of_a_class_are_alike_learns_from_all_of_them(seed: int) -> None:
    X, y = table_with_alike()

    train, held_out, way = split_rows(X, y, seed=seed, is_classification=True)

    assert 30 == (y.iloc[train] == "same").sum()
    assert {"p", "q"} == set(y.iloc[held_out])
    alone = split_rows(X.tail(30), y.tail(30), seed=seed, is_classification=True).way
    assert alone == way == ("digest" if way == "digest" else "digest, moved: same")


def test_split_when_rows_change_sides_names_their_class_for_some_seeds_only() -> None:
    X, y = table_with_alike()

    ways = {split_rows(X, y, seed=seed, is_classification=True).way for seed in range(12)}

    assert {"digest", "digest, moved: same"} == ways


@pytest.mark.parametrize("seed", range(12))
def test_split_when_classes_share_rows_learns_from_every_class(seed: int) -> None:
    X = pd.DataFrame({"a": [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]})
    y = pd.Series(["p", "q", "q", "r", "r", "p"])

    train, held_out, _ = split_rows(X, y, seed=seed, is_classification=True)

    assert {"p", "q", "r"} == set(y.iloc[train])
    assert not set(X["a"].iloc[train]) & set(X["a"].iloc[held_out])


@pytest.mark.parametrize("seed", range(12))
def test_split_when_there_are_few_different_rows_holds_out_what_it_can(seed: int) -> None:
    for different, least in ((1, 0), (2, 1)):
        X = pd.DataFrame({"a": [float(row % different) for row in range(40)]})

        train, held_out, _ = split_rows(X, X["a"], seed=seed, is_classification=False)

        assert len(held_out) >= 20 * least
        assert len(train) >= 20


def definition_with(split: str, *fields: Field) -> ModelDefinition:
    return replace(loan.definition, fields=fields or loan.definition.fields, split=split)


def test_split_by_time_holds_out_the_last_rows_and_equal_times_together() -> None:
    days = pd.date_range("2024-01-01", periods=50, freq="D").strftime("%Y-%m-%d")
    table = pd.DataFrame({"when": np.random.default_rng(0).permutation(np.repeat(days, 4))})
    X, y = pd.DataFrame({"a": np.zeros(200)}), pd.Series([True, False] * 100)

    keys = split_keys(definition_with("time:when"), table, X)
    train, held_out, way = split_rows(
        X, y, seed=0, is_classification=True, way="time:when", keys=keys
    )

    assert "time:when" == way and 40 == len(held_out)
    assert table["when"][train].max() < table["when"][held_out].min()
    for fit, judged in folds(keys[train], y.iloc[train], count=4, way=way):
        assert table["when"][train[fit]].max() < table["when"][train[judged]].min()


def test_split_by_group_keeps_groups_whole_also_in_folds_and_later_tables() -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"who": draw.integers(0, 60, 900), "a": draw.random(900)})
    X, y = table[["a"]], pd.Series(draw.random(900) < 0.3)
    definition = definition_with("group:who")

    def held_out_of(table: pd.DataFrame) -> set[int]:
        keys = split_keys(definition, table, X.head(len(table)))
        held_out = split_rows(
            X.head(len(table)), y.head(len(table)), seed=0, is_classification=True,
            way="group:who", keys=keys,
        ).held_out  # fmt: skip
        return {*table["who"].iloc[held_out].astype(int)}

    groups = held_out_of(table)
    assert 3 <= len(groups) <= 21
    assert groups & {*table["who"].head(400)} == held_out_of(table.head(400).astype(float))
    keys = split_keys(definition, table, X)
    train, held_out, way = split_rows(
        X, y, seed=0, is_classification=True, way="group:who", keys=keys
    )
    assert not {*table["who"].iloc[train]} & {*table["who"].iloc[held_out]}
    for fit, judged in folds(keys[train], y.iloc[train], count=5, way=way):
        assert not {*table["who"].iloc[train[fit]]} & {*table["who"].iloc[train[judged]]}


@pytest.mark.parametrize(
    ("split", "cells", "sentence"),
    [
        ("time:when", ["2024-01-02", "03/04/2024"], "row 2, column 'when' of `split`: is '03/04"),
        ("time:when", ["2024-01-02", None], "not a time: let load_data give numbers or ISO dates"),
        ("group:whom", ["a", "b"], "column 'whom' of `split` is missing"),
        ("time:when", ["2024-01-02"] * 2, "all rows have the same time"),
        ("time:when", ["2024-01-02", "2024-01-03"], "all rows of True are among the last"),
    ],
)
def test_split_when_a_column_does_not_do_says_why(
    split: str, cells: list[str], sentence: str
) -> None:
    table, y = pd.DataFrame({"when": cells, "a": [1.0, 2.0]}), pd.Series([False, True])

    with pytest.raises(InvalidTable, match=re.escape(sentence)):
        split_table(definition_with(split), table, table[["a"]], y, lambda text: None)


def test_split_by_time_when_a_field_reads_the_column_uses_its_formats() -> None:
    table = pd.DataFrame({"When": ["03/02/2024", "01/03/2024"]})
    field = Date(name="when", column="When", example="2024-05-17", formats=("%d/%m/%Y",))
    X = pd.DataFrame({"when": [field.read(cell)[0] for cell in table["When"]]})

    keys = split_keys(definition_with("time:When", field), table, X)

    assert keys[0] < keys[1]
