"""Tensors that are read by columns are those that are read value by value."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.api.protocols.v2.binary import InvalidTensor, read_buffer
from engine.api.protocols.v2.request import read_request
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.rows import Records
from engine.records.validation import read_records
from engine.schema import Flag, Number
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Coding, Schema
from tests.schema.test_json_decoder import DECODER, SCHEMA
from tests.support.inputs import many
from tests.support.tensors import DTYPES, buffer, in_binary, tensor

LENGTH = "Inference-Header-Content-Length"
GOOD: dict[str, list[Any]] = {
    "petal length (cm)": [1.5, -3.0], "_whole": [3, -5], "class": [1.0, None],
    "kind": ["a:b", "é"], "size": ["s", "m"], "is new": [True, False], "old": [False, True],
    "grade": [3, -5],
}  # fmt: skip
TYPES = {"_whole": "INT64", "grade": "INT8"}

pairs = st.one_of(
    st.tuples(*[st.sampled_from([0, 1, 2, -5, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, None])] * 2),
    st.tuples(*[st.sampled_from([0.0, 1.0, -0.0, 1.5, 3.0, 1e300, float("inf"), 65504.0])] * 2),
    st.tuples(*[st.booleans() | st.none()] * 2),
    st.tuples(*[st.sampled_from(["a:b", "é", "e", "s", "yes", "3", "3.0", "", None])] * 2),
)  # fmt: skip
datatypes = st.sampled_from([*DTYPES, "BYTES", ""])


def write(columns: dict[str, tuple[list[Any], str]], *, is_binary: bool) -> Any:
    """Write a request of columns and their datatypes: the body, and how long its JSON is."""
    inputs = [tensor(name, values, datatype) for name, (values, datatype) in columns.items()]
    if not is_binary:
        return json.dumps({"inputs": inputs}).encode(), None
    body, headers = in_binary({"inputs": inputs})
    return body, headers[LENGTH]


def read(body: bytes, length: Any, decoder: Decoder | None, schema: Schema = SCHEMA) -> Any:
    """Read a request; its records, or what is wrong with it."""
    try:
        return read_request(body, length, schema=schema, offered=["predict"], decoder=decoder)
    except (BadRequest, InvalidRecords) as error:
        return type(error), vars(error)


def compare(fast: Any, slow: Any, schema: Schema = SCHEMA) -> None:
    """Check that both ways found the same wrong, or read the same records."""
    if not isinstance(fast, Records) or fast.matrix is None:
        assert repr(slow) == repr(fast) or slow.rows == fast.rows
        return
    columns, warnings = read_records(slow, schema)
    assert not warnings
    np.testing.assert_array_equal(Coding(schema.fields).pack(columns), fast.matrix)
    assert slow.size == fast.size
    assert slow.pointer(1, "size") == fast.pointer(1, "size")


@given(
    name=st.sampled_from([*GOOD]), pair=pairs, datatype=datatypes, is_binary=st.booleans(),
    without=st.sampled_from(["", "old", "size"]), more=st.sampled_from(["", "approved", "colour"]),
)  # fmt: skip
@example("is new", (0, 2), "INT8", True, "", "")
@example("_whole", (10**400, 1), "FP64", False, "", "")
@example("petal length (cm)", (2**53 - 1, 2**53 + 1), "INT64", True, "", "")
@example("class", (None, None), "FP16", True, "", "")
@example("petal length (cm)", (None, 1.0), "FP64", True, "", "")
@example("old", (True, False), "BOOL", True, "", "colour")
@example("petal length (cm)", (True, False), "BOOL", True, "", "")
@settings(max_examples=many(500), deadline=None)
def test_plain_tensors_are_those_that_are_read_value_by_value(
    name: str, pair: tuple[Any, ...], datatype: str, is_binary: Any, without: str, more: str
) -> None:
    columns = {each: (values, TYPES.get(each, "")) for each, values in GOOD.items()}
    columns[name] = ([*pair], datatype)
    columns |= {more: ([1.0, 2.0], "")} if more else {}
    columns.pop(without, None)
    try:
        body, length = write(columns, is_binary=is_binary)
    except (OverflowError, TypeError, ValueError, AttributeError):
        return  # the values are none of the datatype

    compare(read(body, length, DECODER), read(body, length, None))


@pytest.mark.parametrize("form", ["JSON", "binary"])
@pytest.mark.parametrize("datatype", ["INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"])
def test_valid_tensors_of_any_datatype_are_read_by_columns(datatype: str, form: str) -> None:
    columns = {name: (values, TYPES.get(name, "")) for name, values in GOOD.items()}
    gap = None if datatype.startswith("FP") else 0
    columns["grade"] = ([3, gap], datatype)
    body, length = write(columns | {"_whole": ([3, -5], datatype)}, is_binary=form == "binary")

    request = read(body, length, DECODER)

    assert request.matrix is not None
    compare(request, read(body, length, None))


@pytest.mark.parametrize("form", ["JSON", "binary"])
@pytest.mark.parametrize("values", [[1, 0, 0, 1], [1, None, 0, 2], [2, 0, 0, 1], [None, 1, 0, 1]])
def test_matrix_of_all_fields_is_read_by_columns(values: list[Any], form: str) -> None:
    schema = Schema(
        (Flag(name="on", example=True), Number(name="n", example=1, missing="accept")),
        target=Number(name="y", example=1),
    )
    whole = tensor("whole", values, "FP64") | {"shape": [2, 2]}
    body, headers = in_binary({"inputs": [whole]})
    length: str | None = headers[LENGTH]
    if form == "JSON":
        body, length = json.dumps({"inputs": [whole]}).encode(), None

    fast = read(body, length, Decoder(schema), schema)

    assert (fast.matrix is not None) == (values[0] == 1)
    compare(fast, read(body, length, None, schema), schema)


texts = st.lists(
    st.sampled_from(
        [
            b"",
            b"a",
            b"ab",
            bytes(1),
            bytes(3),
            bytes(4),
            b"\x01\0\0\0a",
            "é".encode(),
            b"x" * 255,
            b"x" * 256,
            b"x" * 300,
        ]
    ),
    max_size=5,
)


@given(texts=texts, cut=st.integers(0, 3), more=st.sampled_from([b"", b"\0", b"\x01\0\0\0"]),
       off=st.integers(-1, 1))  # fmt: skip
@settings(max_examples=many(500), deadline=None)
def test_texts_are_divided_as_their_lengths_say(
    texts: list[bytes], cut: int, more: bytes, off: int
) -> None:
    raw = buffer(texts, "BYTES")
    raw = raw[: len(raw) - cut] + more
    is_whole = raw == buffer(texts, "BYTES") and off == 0

    try:
        values = read_buffer("BYTES", max(0, len(texts) + off), raw)
    except InvalidTensor:
        assert not is_whole
    else:
        assert raw == buffer(values, "BYTES")
        assert len(values) == max(0, len(texts) + off)
