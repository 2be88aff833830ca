"""Rules between the fields of a row: what they say, and what cannot be one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.schema import Category, Flag, Identifier, ModelDefinition, Number
from engine.schema.definition import InvalidDefinition
from engine.schema.rules import InvalidRule, parse_rule

FIELDS = (
    Number(name="low", example=1.0), Number(name="high end", example=2.0),
    Flag(name="late", example=True), Category(name="kind", example="a", categories=("a", "b")),
    Identifier(name="id", example="1"),
)  # fmt: skip
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("low <= high end", [False, False, True, False, False]),
        ("low<high end", [False, True, True, False, False]),
        ("high end >= 2", [False, False, True, False, False]),
        ("low > 1.5", [True, False, False, False, True]),
        ("low == 2", [True, False, False, False, True]),
        ("low != 2e0", [False, True, True, False, False]),
        ("late == 1", [False, True, False, False, True]),
    ],
)
def test_rule_when_rows_are_compared_is_broken_by_those_that_contradict_it(
    text: str, broken: list[bool]
) -> None:
    columns = {
        "low": np.array([1.0, 2.0, 2.0, NAN, 1.0]),
        "high end": np.array([2.0, 2.0, 1.0, 3.0, NAN]),
        "late": np.array([1.0, 0.0, 1.0, NAN, 0.0]),
    }

    assert broken == parse_rule(text, FIELDS).is_broken(columns).tolist()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("low", "rules has 'low': compare two fields, or a field and a number"),
        (3, "rules has 3: compare"),
        ("low <= hgh end", r"has 'hgh end' \(did you mean 'high end'\?\): compare fields of"),
        ("low =< 3", "has 'low ='"),
        ("kind == a", "has 'kind'"),
        ("id < 3", "has 'id'"),
        ("3 < low", "has '3'"),
        ("low < nan", "compares with no number"),
        ("low < 3 < 4", "has '3 < 4'"),
    ],
)
def test_rule_when_it_compares_no_numbers_is_refused_with_the_remedy(
    text: Any, reason: str
) -> None:
    with pytest.raises(InvalidRule, match=reason):
        parse_rule(text, FIELDS)


def test_model_file_when_its_rules_are_wrong_has_each_among_its_problems() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        ModelDefinition(
            title="toy", fields=FIELDS, target=Number(name="y", example=1.0), score="r2",
            sample=Path("toy.csv"), load_data=pd.read_csv, build_pipeline=lambda: None,
            set_aside=1.5, rules=["low <= y", "low <= z"],  # type: ignore[arg-type]
        )  # fmt: skip

    assert [
        "set_aside is 1.5: give a share of rows, from 0 to 1",
        (
            "the rule 'low <= z' has 'z': compare fields of numbers by their names, or such a "
            "field and a number"
        ),
    ] == caught.value.problems
