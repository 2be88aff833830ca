"""What columns are taken for, by tables of which the answer is plain."""

import re
from typing import Any

import pandas as pd
import pytest

from engine.training.infer.cells import Draft, cells_of
from engine.training.infer.columns import describe
from engine.training.infer.headers import free_name, plain_name, unit_of
from engine.training.infer.numbers import PLAIN


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
    ("header", "words", "low", "high"),
    [
        ("x", ["-3.5", "12.25"], -5, 20),
        ("x", ["0.25", "0.75"], 0, 1),
        ("x", ["1987", "2003"], 1800, 2100),
        ("x", ["0.001", "950"], 0, 2000),
        ("humidity [%]", ["20", "89"], 0, 100),
    ],
)
def test_range_when_it_is_widened_keeps_natural_ends(
    header: str, words: list[str], low: float, high: float
) -> None:
    arguments = describe_words(words * 9, header).arguments

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
    draft = describe_words([str(word) for word in words] * 20, header)

    assert kind == draft.kind
    assert kind == "Number" or draft.summary.startswith("3 codes")


@pytest.mark.parametrize(
    ("header", "words", "reason"),
    [
        ("customerID", [f"{n * 7919 % 100}-A" for n in range(100)], "an id"),
        ("n", range(100), "counts the rows"),
        ("x", ["same"] * 100, "always 'same'"),
        ("x", [""] * 97 + ["1", "2", "3"], "97% missing"),
        ("x", [""] * 100, "no value"),
        ("when", [f"2024-{1 + n % 12:02d}" for n in range(100)], "dates or times in a form"),
        ("note", [f"the guest said {n} words" for n in range(100)], "text"),
        ("call", [f"+33{10**8 + n * n * 997}" for n in range(100)], "phone numbers"),
        ("born", [f"01/{1 + n % 12:02d}/{n % 60:02d}" for n in range(100)], "of two centuries"),
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
        ("price (EUR)", "price"), ("Größe", "grosse"), ("Año", "ano"), ("class", "class_"),
        ("__proto__", "proto"), ("MonthlyCharges", "monthly_charges"),
        ("2020", "n2020"), ("def", "def_"), ("💰", ""),
    ],
)  # fmt: skip
def test_name_is_plain(header: str, name: str) -> None:
    assert name == plain_name(header)


def test_name_when_taken_has_a_number() -> None:
    assert "age_2" == free_name("Age", 1, {"age"})
    assert "column_7" == free_name("💰", 7, set())


def test_number_that_may_stand_for_a_gap_is_worth_a_look() -> None:
    ages = [str(age) for age in range(20, 70)]

    assert "-999 may stand for a gap" in describe_words([*ages, "-999", "-999"]).remark
    assert not describe_words([*ages, "-9", "99"]).remark
