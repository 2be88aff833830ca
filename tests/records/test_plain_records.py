"""What is read at once is what is read value by value; whatever is odd is left to the latter."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.api.protocols.mlflow_json import read_invocation, read_plain_invocation
from engine.records.json_reader import read_json_body
from engine.records.plain_records import read_plain
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.rows import MAX_RECORDS, Records
from engine.records.rows_reader import read_instances
from engine.records.validation import read_records
from engine.schema.record_schema import Coding
from tests.schema.test_json_decoder import DECODER, NAMES, SCHEMA, tokens
from tests.schema.test_json_decoder import GOOD as WITH_COLON
from tests.support.inputs import many

FORMS = ("", "instances", "inputs", "dataframe_records", "dataframe_split")
#: A colon in a text may be that of a repeated key, so such records are not read at once.
GOOD = WITH_COLON | {"kind": '"e"'}
#: What a record may have more, or lack.
CHANGES = ("", "approved", "colour", "old", "size")

Row = dict[str, str]


def write_object(members: dict[str, str], *, more: str = "") -> str:
    """Write an object of members that are JSON already."""
    return "{" + ",".join(f"{json.dumps(key)}:{text}" for key, text in members.items()) + more + "}"


def write_list(texts: list[str]) -> str:
    return "[" + ", ".join(texts) + "]"


def write_value(shape: str, rows: list[Row], more: str = "") -> str:
    """Write rows as a list of records or of rows, as columns, or as a frame that is split."""
    names = [*rows[0]]
    if shape == "records":
        return write_list([write_object(row, more=more) for row in rows])
    if shape == "columns":
        columns = {name: write_list([row[name] for row in rows]) for name in names}
        return write_object(columns, more=more)
    values = write_list([write_list([*row.values()]) for row in rows])
    if shape == "rows":
        return values
    split = {"columns": json.dumps(names), "data": values, "index": "[1, [2]]"}
    return write_object(split if shape == "split" else {"data": values}, more=more)


def write_body(form: str, value: str, around: str = "") -> bytes:
    return (write_object({form: value}, more=around) if form else value).encode(
        "utf-8", "surrogatepass"
    )


def columns_of(records: Records) -> tuple[Any, int]:
    """Return the matrix of records as the validation gives it, and how many warnings."""
    columns, warnings = read_records(records, SCHEMA)
    return Coding(SCHEMA.fields).pack(columns), len(warnings)


def read_slowly(body: bytes) -> Records | None:
    """Read an invocation value by value; None when it is refused."""
    try:
        return read_invocation(body, SCHEMA)
    except (BadRequest, InvalidRecords):
        return None


def compare(plain: Records | None, slow: Records | None) -> None:
    """Check that what was read at once is read value by value, without a warning."""
    if plain is None:
        return
    assert slow is not None
    matrix, warnings = columns_of(slow)
    assert 0 == warnings
    np.testing.assert_array_equal(matrix, plain.matrix)
    assert slow.size == plain.size
    for name in (None, "size", "is new"):
        assert slow.pointer(1, name) == plain.pointer(1, name)


rows = st.fixed_dictionaries({name: tokens | st.just(GOOD[name]) for name in NAMES})
shapes = st.sampled_from(("records", "rows", "columns", "split", "data"))


@given(
    form=st.sampled_from(FORMS), shape=shapes, odd=rows, good=st.integers(0, 3),
    change=st.sampled_from(CHANGES),
    more=st.sampled_from(["", ',"size":"s"', ',"data":[]', ',"index":1']),
    around=st.sampled_from(["", " ", ',"params":{}', ',"inputs":[]']),
    places=st.sets(st.sampled_from(NAMES), max_size=2),
)  # fmt: skip
@example("dataframe_records", "columns", GOOD, 1, "", "", "", set())
@example("dataframe_split", "split", GOOD, 1, "", ',"index":1', "", set())
@example("inputs", "columns", GOOD, 1, "", ',"size":["s","m"]', "", set())
@settings(max_examples=many(500), deadline=None)
def test_plain_records_are_those_that_are_read_value_by_value(
    form: str, shape: str, odd: Row, good: int, change: str, more: str, around: str,
    places: set[str],
) -> None:  # fmt: skip
    changed = GOOD | {name: odd[name] for name in places}
    if change in GOOD:
        del changed[change]
    elif change:
        changed[change] = odd["size"]
    table = [changed] + [{**changed, **{key: GOOD[key] for key in GOOD if key in changed}}] * good
    body = write_body(form, write_value(shape, table, more), around if form else "")

    plain = read_plain_invocation(body, SCHEMA, DECODER)

    compare(plain, read_slowly(body))


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        *((form, shape) for form in FORMS[:4] for shape in ("records", "rows")),
        ("instances", "columns"), ("inputs", "columns"),
        ("dataframe_split", "split"), ("dataframe_split", "data"),
    ],
)  # fmt: skip
def test_valid_records_are_read_at_once_in_every_form(form: str, shape: str) -> None:
    gaps = GOOD | {"class": "null", "kind": "null", "grade": "null", "old": "false"}
    body = write_body(form, write_value(shape, [GOOD, gaps]))

    plain = read_plain_invocation(body, SCHEMA, DECODER)

    assert plain is not None
    compare(plain, read_slowly(body))


@pytest.mark.parametrize("number", ["0", "1", "2", "1.0", "true", '"yes"'])
def test_flag_in_rows_without_names_may_be_0_or_1(number: str) -> None:
    body = write_body("inputs", write_value("rows", [GOOD | {"is new": number}] * 2))

    plain = read_plain_invocation(body, SCHEMA, DECODER)

    assert (plain is None) == (number == "2")
    compare(plain, read_slowly(body))


def test_columns_are_taken_only_where_the_protocol_takes_them() -> None:
    body = write_body("instances", write_value("columns", [GOOD]))

    assert read_plain(body, "instances", SCHEMA, DECODER) is None
    assert read_plain(body, "instances", SCHEMA, DECODER, takes_columns=True)


def test_records_without_a_key_point_as_a_list_does() -> None:
    body = write_value("records", [GOOD] * 2).encode()

    plain = read_plain(body, "", SCHEMA, DECODER, takes_columns=True)

    assert plain is not None
    compare(plain, read_instances(read_json_body(body), SCHEMA, at=""))


@pytest.mark.parametrize("shape", ["records", "rows"])
@pytest.mark.parametrize("size", [0, MAX_RECORDS, MAX_RECORDS + 1])
def test_none_and_more_records_than_are_allowed_are_read_slowly(shape: str, size: int) -> None:
    value = write_value(shape, [GOOD])[1:-1]
    body = write_body("inputs", write_list([value] * size))

    plain = read_plain_invocation(body, SCHEMA, DECODER)

    assert (size == MAX_RECORDS) == (plain is not None)


def test_body_of_too_many_values_is_not_read_at_once() -> None:
    split = {"data": write_value("rows", [GOOD]), "index": "[" + "1," * 1_600_000 + "1]"}
    body = write_body("dataframe_split", write_object(split))

    assert read_plain_invocation(body, SCHEMA, DECODER) is None
    with pytest.raises(BadRequest, match="more values than are read at once"):
        read_invocation(body, SCHEMA)


@pytest.mark.parametrize(
    "row", [[*GOOD.items(), ("size", '"s"')], (GOOD | {"is new": "1"}).items()]
)
def test_split_frame_with_a_repeated_column_or_a_number_for_a_flag_is_read_slowly(row: Any) -> None:
    names, values = zip(*row, strict=True)
    split = {"columns": json.dumps(names), "data": write_list([write_list([*values])])}
    body = write_body("dataframe_split", write_object(split))

    assert read_plain_invocation(body, SCHEMA, DECODER) is None
    with pytest.raises(InvalidRecords):
        read_records(read_invocation(body, SCHEMA), SCHEMA)
