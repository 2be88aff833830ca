"""What each kind of field makes of a value."""

import json
import math
from typing import Any

import pytest

from engine.schema.fields import MISSING, UNKNOWN, Category, Field, Flag, Number
from engine.schema.messages import did_you_mean
from engine.schema.record_schema import Schema

AGE = Number(name="age", unit="years", example=30, integer=True, minimum=18, maximum=100)
INCOME = Number(name="income", example=1.5, minimum=0, missing="accept", out_of_range="accept")
HOME = Category(
    name="home",
    example="rent",
    categories=("rent", "owner"),
    synonyms={"aluguel": "rent"},
    missing="accept",
)
JOB = Category(name="job", example="fixed", categories=("fixed",), unknown="accept")
RECORDS = Flag(name="records", example=False, synonyms={"yes": True, "no": False})


@pytest.mark.parametrize(
    ("field", "value", "clean"),
    [
        (AGE, 18, 18.0),
        (AGE, 100, 100.0),
        (AGE, 30.0, 30.0),
        (INCOME, 0.25, 0.25),
        (INCOME, -0.0, 0.0),
        (INCOME, 2**53, 2.0**53),
        (HOME, "owner", "owner"),
        (HOME, "aluguel", "rent"),
        (HOME, None, MISSING),
        (RECORDS, True, 1.0),
        (RECORDS, False, 0.0),
        (RECORDS, "yes", 1.0),
    ],
)
def test_field_when_the_value_is_valid_reads_it_without_remark(
    field: Field, value: Any, clean: Any
) -> None:
    assert (clean, None) == field.read(value)


@pytest.mark.parametrize(
    ("field", "value", "code", "words"),
    [
        (AGE, None, "missing", "is required: send a whole number from 18 to 100 (years)"),
        (AGE, 17, "out_of_range", "is 17, out of range: send a whole number from 18 to 100"),
        (AGE, 101, "out_of_range", "is 101"),
        (AGE, 30.5, "wrong_type", "is 30.5"),
        (AGE, "30", "wrong_type", "is '30'"),
        (AGE, True, "wrong_type", "is true"),
        (AGE, [30], "wrong_type", "is a list"),
        (INCOME, math.inf, "not_finite", "not a finite double"),
        (INCOME, math.nan, "not_finite", "not a finite double"),
        (INCOME, 10**400, "not_finite", "a very large whole number"),
        (INCOME, 2**53 + 1, "not_finite", "3, beyond 9007199254740992, up to which a double"),
        (HOME, "rentt", "unknown_category", "(did you mean 'rent'?): send one of 'rent', 'owner'"),
        (HOME, "Rent", "unknown_category", "is 'Rent', unknown"),
        (HOME, " rent", "unknown_category", "is ' rent', unknown"),
        (HOME, 1, "wrong_type", "is 1"),
        (HOME, True, "wrong_type", "is true"),
        (HOME, {}, "wrong_type", "is an object"),
        (RECORDS, 1, "wrong_type", "is 1: send true or false or 'yes' or 'no'"),
        (RECORDS, "YES", "wrong_type", "is 'YES'"),
        (RECORDS, None, "missing", "is required"),
    ],
)
def test_field_when_the_value_is_not_valid_refuses_it_with_a_remedy(
    field: Field, value: Any, code: str, words: str
) -> None:
    clean, finding = field.read(value)

    assert clean is None
    assert finding is not None
    assert (code, True) == (finding.code, finding.is_refused)
    assert words in finding.detail


def test_field_when_its_policy_accepts_reads_the_value_with_a_remark() -> None:
    assert UNKNOWN == JOB.read("pirate")[0]
    assert -5.0 == INCOME.read(-5)[0]
    for field, value, code in ((JOB, "pirate", "unknown_category"), (INCOME, -5, "out_of_range")):
        finding = field.read(value)[1]
        assert finding is not None
        assert (code, False) == (finding.code, finding.is_refused)


def test_number_when_a_gap_is_accepted_reads_nan() -> None:
    clean, finding = INCOME.read(None)

    assert math.isnan(clean)
    assert finding is None


def test_field_when_a_value_is_long_shows_its_beginning() -> None:
    finding = HOME.read("é\n" * 500)[1]

    assert finding is not None
    assert "'é\\né\\n" in finding.detail
    assert len(finding.detail) < 120


@pytest.mark.parametrize(("word", "nearest"), [("w0500x", "w0500"), ("w", ""), ("zzz", "")])
def test_category_when_it_has_many_words_names_a_few_and_the_nearest(
    word: str, nearest: str
) -> None:
    words = tuple(f"w{number:04}" for number in range(1000))
    field = Category(name="word", example="w0000", categories=words)

    finding = field.read(word)[1]

    assert finding is not None
    listed = ", ".join(map(repr, words[:50]))
    assert finding.detail.endswith(f"send one of {listed} and 950 more")
    assert (f"did you mean '{nearest}'?" in finding.detail) == bool(nearest)


def test_schema_when_written_and_read_is_equal() -> None:
    schema = Schema((AGE, INCOME, HOME, JOB, RECORDS), Flag(name="ok", example=True), ("note",))

    assert schema == Schema.from_json(json.loads(json.dumps(schema.to_json())))


def test_schema_when_a_name_is_misspelt_suggests_the_name_of_a_field_not_its_column() -> None:
    fields = (
        Number(name="price", column="Price", example=1),
        Number(name="before", column="PRICE", example=1),
        Flag(name="paid", column="Payment made", example=True),
    )
    schema = Schema(fields, Flag(name="ok", example=True))

    hints = [did_you_mean(word, schema.vocabulary) for word in ("prise", "Payment_made", "zzz")]

    assert [" (did you mean 'price'?)", " (did you mean 'paid'?)", ""] == hints
