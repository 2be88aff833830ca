"""Outcomes are read as the target's field reads its values, and every problem is named."""

import json
import time
from typing import Any

import pytest

from engine.records.outcomes import Outcome, read_outcomes, seconds_of
from engine.records.problems import BadRequest, InvalidRecords
from engine.schema.fields import Category, Field, Flag, Identifier, Number
from engine.schema.record_schema import Schema

ID = "0" * 32
FIELDS: tuple[Field, ...] = (
    Number(name="age", example=30),
    Identifier(name="order", column="Order no", example=7),
    Identifier(name="secret", example="x", private=True),
)
SCHEMA = Schema(FIELDS, Flag(name="paid", column="Status", example=True, synonyms={"yes": True}))


def read(told: Any, schema: Schema = SCHEMA) -> list[Outcome]:
    return read_outcomes(json.dumps(told).encode(), "application/json", schema)


def test_outcome_when_valid_has_the_value_that_the_service_answers() -> None:
    told = [
        {"id": ID, "value": "yes"},
        {"id": f"{ID}-12", "value": False, "at": "2026-01-31T12:00:00+01:00"},
        {"identifiers": {"order": 7.0}, "value": True, "at": 5e8},
    ]

    assert [
        Outcome(ID, True, None), Outcome(f"{ID}-12", False, 1769857200.0),
        Outcome({"order": "7"}, True, 5e8),
    ] == read(told)  # fmt: skip
    numbers = Schema(FIELDS, Category(name="rank", example=1, categories=(0, 1)))
    assert 1 == read([{"id": ID, "value": "1"}], numbers)[0].value


def test_outcomes_when_invalid_are_refused_with_every_problem() -> None:
    told = [
        {"value": True}, {"id": ID, "identifiers": {"order": 1}, "value": True},
        {"id": "../x", "value": 3, "at": "soon", "why": 1}, 5,
        {"identifiers": {"age": 1, "order": None, "secret": "x"}, "value": True},
        {"id": ID, "value": True, "at": time.time() + 2 * 86_400},
    ]  # fmt: skip

    with pytest.raises(InvalidRecords) as refused:
        read(told)

    assert {
        "/0", "/1", "/2/id", "/2/value", "/2/at", "/2/why", "/3", "/3/value",
        "/4/identifiers/age", "/4/identifiers/order", "/4/identifiers/secret",
        "/5/at",
    } == {problem.pointer for problem in refused.value.problems}  # fmt: skip
    with pytest.raises(InvalidRecords, match="1 problem"):
        read([])


def table(text: str | bytes, schema: Schema = SCHEMA, **options: Any) -> list[Outcome]:
    content = text.encode() if isinstance(text, str) else text
    return read_outcomes(content, "text/csv", schema, **options)


def test_table_when_read_has_the_outcomes_of_its_rows() -> None:
    assert [Outcome(ID, True, None), Outcome({"order": "A1"}, False, 0.0)] == table(
        f"id,Order no,value,at\n{ID},9,yes,\n,A1,false,1970-01-01\n"
    )
    theirs = "order;Status;note\n7;true;x\n"
    assert [Outcome({"order": "7"}, True, None)] == table(theirs)
    assert table(f"id,value\n{ID},true\n") == table(f"id,Z\n{ID},true\n", column="Z")


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16"])
def test_table_when_excel_has_written_it_has_its_numbers(charset: str) -> None:
    text = f"sep=;\r\nid;value;at\r\n{ID};1234,5;2026-01-31 12:00\r\n{ID};2,0;\r\n;;\r\n"
    schema = Schema(FIELDS, Number(name="price", example=1.5))

    assert [Outcome(ID, 1234.5, 1769860800.0), Outcome(ID, 2.0, None)] == table(
        text.encode(charset), schema, charset=charset.removesuffix("-sig")
    )


@pytest.mark.parametrize(
    "text", ["id,worth\n", "id,value\nx,true,1\n", "id,id,value\n", "", 'id,value\n"x']
)
def test_table_when_its_header_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises((BadRequest, InvalidRecords)):
        table(text)


@pytest.mark.parametrize(
    "when", [True, "x", None, [], float("inf"), 10**400, "9" * 30, 46022, "1,5"]
)
def test_time_when_none_is_none(when: Any) -> None:
    assert seconds_of(when) is None
