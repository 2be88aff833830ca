"""What columns are taken for, by tables of which the answer is plain."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.training.infer.cells import Draft, cells_of
from engine.training.infer.columns import describe
from engine.training.infer.draft import ModelDraft, draft_model
from engine.training.infer.headers import free_name, plain_name, unit_of
from engine.training.infer.numbers import PLAIN
from engine.training.infer.source import UnreadableTable


def describe_words(words: list[str], header: str = "x") -> Draft:
    return describe(cells_of(header, pd.Series(words, dtype=object)), PLAIN, 50)


@pytest.mark.parametrize(
    ("words", "meanings"),
    [
        (["yes", "no"], {"yes": True, "no": False}),
        (["Sim", "Não"], {"Sim": True, "Não": False}),
        (["sí", "no"], {"sí": True, "no": False}),
        (["Sí", "si", "NO"], {"Sí": True, "si": True, "NO": False}),
        (["Y", "N"], {"Y": True, "N": False}),
        (["1", "0"], {"1": True, "0": False}),
        (["1.0", "0.0"], {"1": True, "0": False}),
        (["True", "False"], None),
    ],
)
def test_two_words_for_yes_and_no_are_a_flag(
    words: list[str], meanings: dict[str, bool] | None
) -> None:
    draft = describe_words(words * 20)

    assert "Flag" == draft.kind
    assert meanings == draft.arguments.get("synonyms")


def test_numbers_have_a_range_with_room_and_a_unit() -> None:
    draft = describe_words([str(number) for number in range(3, 60)] * 2 + ["?", "-"], "age (years)")

    assert "Number" == draft.kind
    assert {
        "unit": "years", "example": 31, "integer": True, "minimum": 0, "maximum": 100,
        "missing": "accept",
    } == draft.arguments  # fmt: skip


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        (["-3.5", "12.25"], -5, 20),
        (["0.25", "0.75"], 0, 1),
        (["1987", "2003"], 1800, 2100),
        (["0.001", "950"], 0, 2000),
    ],
)
def test_range_when_it_is_widened_keeps_natural_ends(
    words: list[str], low: float, high: float
) -> None:
    arguments = describe_words(words * 9).arguments

    assert (low, high) == (arguments["minimum"], arguments["maximum"])


def test_words_are_a_category_whose_spellings_are_joined() -> None:
    draft = describe_words(["red"] * 9 + ["RED"] * 2 + ["light  blue"] + ["light blue"] * 5)

    assert ("light blue", "red") == draft.arguments["categories"]
    assert {"RED": "red", "light  blue": "light blue"} == draft.arguments["synonyms"]
    assert "refuse" == draft.arguments["unknown"]


def test_rare_words_are_unknown_and_new_ones_accepted() -> None:
    draft = describe_words([f"w{n}" for n in range(12) for _ in range(20)] + ["once"])

    assert "once" not in draft.arguments["categories"]
    assert "accept" == draft.arguments["unknown"]


@pytest.mark.parametrize(
    ("header", "words", "kind"),
    [
        ("store_type", [1, 2, 3], "Category"),
        ("Pclass", [1, 2, 3], "Category"),
        ("rooms", [1, 2, 3], "Number"),
        ("zip", ["01000", "01001", "02000"], "Category"),
    ],
)
def test_whole_numbers_are_codes_where_the_header_or_a_zero_says_so(
    header: str, words: list[Any], kind: str
) -> None:
    assert kind == describe_words([str(word) for word in words] * 20, header).kind


@pytest.mark.parametrize(
    ("header", "words", "reason"),
    [
        ("customerID", [f"{n * 7919 % 100}-A" for n in range(100)], "an id"),
        ("n", range(100), "counts the rows"),
        ("x", ["same"] * 100, "always 'same'"),
        ("x", [""] * 97 + ["1", "2", "3"], "97 % missing"),
        ("x", [""] * 100, "no value"),
        ("when", [f"2024-{1 + n % 12:02d}" for n in range(100)], "dates or times in a form"),
        ("note", [f"the guest said {n} words" for n in range(100)], "text"),
        ("born", [f"01/{1 + n % 12:02d}/{n % 60:02d}" for n in range(100)], "of either century"),
        ("mix", [f"{n}%" if n % 2 else f"{n / 100}" for n in range(100)], "hardly repeat"),
        ("key", [str(2**60 + n * n) for n in range(100)], r"beyond 2\*\*53"),
    ],
)
def test_column_of_which_nothing_is_learnt_is_set_aside_with_the_reason(
    header: str, words: Any, reason: str
) -> None:
    draft = describe_words([str(word) for word in words], header)

    assert "" == draft.kind
    assert re.search(reason, draft.summary)


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["$697.000", "$1.250.500"], 1_250_500),
        (["$697.000", "$12.500"], 697_000),
        (["1.459 €", "1.509 €"], 1.509),  # of a litre
        (["0.697", "12.500"], 12.5),
    ],
)
def test_price_when_three_figures_follow_its_point_has_thousands(
    words: list[str], most: float
) -> None:
    draft = describe_words(words * 10)

    assert "Number" == draft.kind and draft.values is not None
    assert most == max(draft.values)


@pytest.mark.parametrize(
    ("header", "unit"),
    [("price (EUR)", "EUR"), ("height_cm", "cm"), ("weight [kg]", "kg"), ("days", ""), ("a_b", "")],
)
def test_unit_is_that_of_the_header(header: str, unit: str) -> None:
    assert unit == unit_of(header)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("price (EUR)", "price"), ("Año", "ano"), ("class", "class_"), ("__proto__", "proto"),
        ("MonthlyCharges", "monthly_charges"), ("2020", "n2020"), ("def", "def_"), ("💰", ""),
    ],
)  # fmt: skip
def test_name_is_plain(header: str, name: str) -> None:
    assert name == plain_name(header)


def test_name_when_taken_has_a_number() -> None:
    assert "age_2" == free_name("Age", 1, {"age"})
    assert "column_7" == free_name("💰", 7, set())


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


def test_number_that_may_stand_for_a_gap_is_worth_a_look() -> None:
    ages = [str(age) for age in range(20, 70)]

    assert "-999 may stand for a gap" in describe_words([*ages, "-999", "-999"]).remark
    assert not describe_words([*ages, "-9", "99"]).remark
