"""Words for scores, shares and classes."""

from typing import Any

import pytest

from engine.cards.sentences import of_hundred, score_title, word
from engine.languages import choose
from engine.pages.answer import percent, shown_answer
from engine.pages.controls import control
from engine.schema import Category, Number
from engine.schema.record_schema import Schema


@pytest.mark.parametrize(
    ("share", "count", "text"),
    [
        (0.0, "0", "0.0%"), (0.0004, "0.1", "less than 0.1%"), (0.5, "50", "50.0%"),
        (0.004, "0.4", "0.4%"), (0.994, "99", "99.4%"), (0.9996, "99.9", "more than 99.9%"),
        (0.99994, "99.9", "more than 99.9%"), (1.0, "100", "100.0%"),
    ],
)  # fmt: skip
def test_share_that_is_not_certain_is_never_rounded_to_certainty(
    share: float, count: str, text: str
) -> None:
    assert (count, text) == (of_hundred(share), percent(share))


def test_words_are_those_of_the_language() -> None:
    card: Any = {}
    choose("pt-BR")
    field = Number(name="income", unit="BRL", example=1.5, minimum=-0.5, maximum=10_000_000)
    try:
        hint = control(field, "1,5", "", card)["hint"]
        assert "verdadeiro" == word(True)
        assert "Um número de -0,5 a 10.000.000." == hint
        assert "Erro absoluto médio" == score_title("mae")
        assert "r2_of_mine" == score_title("r2_of_mine")
    finally:
        choose("en")


def test_reasons_that_would_be_written_as_0_points_are_counted_with_the_others() -> None:
    names = ("a", "b", "c")
    target = Category(name="risk", example="low", categories=("low", "high"))
    schema = Schema(tuple(Number(name=name, example=1.0) for name in names), target)
    changes = zip(names, (0.2, -0.0004, 0.0001), strict=True)
    contributions = [{"field": name, "value": 1.0, "contribution": by} for name, by in changes]
    explanation = {"class": "low", "typical": 0.5, "contributions": contributions}

    reasons = shown_answer(schema, {"value": "low", "explanation": explanation})["reasons"]

    assert ["+20.0 points"] == [row["text"] for row in reasons["rows"]]
    assert 2 == reasons["others"]
