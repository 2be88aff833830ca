"""Arrow and Parquet: which columns are read and how, and what a hostile file gets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.records.arrow.columns import read_columns, values_of
from engine.records.blocks import read_slowly
from tests.records.test_blocks import as_read
from tests.schema.test_json_decoder import DECODER, GOOD, NAMES, SCHEMA, same
from tests.support.answers import found, read_problem
from tests.support.inputs import many
from tests.support.table_bodies import (
    ARROW,
    JSON,
    LINES,
    PARCELS,
    PARQUET,
    WRITERS,
    ask,
    predictions,
    write_arrow,
    write_parquet,
)

kinds = [
    pa.int64(), pa.int8(), pa.uint64(), pa.float64(), pa.float32(), pa.bool_(), pa.string(),
    pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.null(),
]  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "int": [0, 1, 3, -1, 127],
    "int64": [2**53, 2**53 + 1, -(2**53) - 1, 2**62],
    "uint64": [2**53, 2**64 - 1],
    "float": [0.5, -0.0, 3.0, 1e30, float("nan"), float("inf")],
    "bool": [True, False],
    "text": ["a:b", "é", "e", "true", "s", "m", "yes", "no", "x", "", "3", "3.0", "-5"],
}


@st.composite
def batches(draw: st.DrawFn) -> Any:
    """Draw a batch of columns of any kind that is read."""
    size = draw(st.integers(1, 5))
    columns = {}
    for name in draw(st.permutations(NAMES)):
        good = json.loads(GOOD[name])
        kind = draw(st.sampled_from(kinds)) if draw(st.integers(0, 3)) == 0 else None
        if kind is None:
            values = st.just(good) | st.none() if draw(st.integers(0, 3)) == 0 else st.just(good)
            made = pa.array(draw(st.lists(values, min_size=size, max_size=size)))
        else:
            known = VALUES.get(str(kind), []) + VALUES[
                "bool" if kind == pa.bool_() else "float" if pa.types.is_floating(kind)
                else "int" if pa.types.is_integer(kind) else "text"
            ]  # fmt: skip
            if pa.types.is_unsigned_integer(kind):
                known = [value for value in known if value >= 0]
            values = st.none() if kind == pa.null() else st.none() | st.sampled_from(known)
            made = pa.array(draw(st.lists(values, min_size=size, max_size=size)), kind)
        columns[name] = made
    batch = pa.RecordBatch.from_pydict(columns)
    return batch.slice(draw(st.integers(0, size - 1)))


@settings(max_examples=many(500))
@given(batch=batches())
def test_arrow_columns_when_they_are_taken_whole_are_what_the_values_say(batch: Any) -> None:
    matrix = read_columns(batch, SCHEMA, DECODER)

    if matrix is not None:
        columns = [*map(values_of, batch.columns)]
        rows = [
            dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)
        ]
        slow = as_read(read_slowly(rows, SCHEMA, first=0, is_table=True))
        assert slow is not None
        assert same(slow, matrix.tolist())


def test_arrow_columns_when_a_table_is_plain_take_it_whole() -> None:
    records = [{name: json.loads(value) for name, value in GOOD.items()}] * 3
    records[1] = {**records[1], "class": None, "kind": None, "old": None}
    records[2] = {**records[2], "kind": "e"}
    for kind in (pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()):
        table = pa.Table.from_pylist(records)
        place = table.schema.get_field_index("kind")
        table = table.set_column(place, "kind", table.column("kind").cast(kind))
        (batch,) = table.to_batches()
        assert read_columns(batch, SCHEMA, DECODER) is not None


BINARY = [ARROW, PARQUET]


def with_column(name: str, column: Any, records: list[dict[str, Any]] = PARCELS) -> Any:
    """Give a table of parcels in which a column is another."""
    table = pa.Table.from_pylist(records)
    return table.set_column(table.schema.get_field_index(name), name, column)


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("weight", pa.array([1.5, 2.5, 3.5, 4.5], pa.float32())),
        ("weight", pa.array([1, 2, 3, 4], pa.uint8())),
        ("height", pa.nulls(4)),
        ("height", pa.array([None, 7, None, 8], pa.int64())),
        ("colour", pa.array(["red", "green", "red", "vermelho"]).dictionary_encode()),
        ("colour", pa.array(["red", "green", "red", "red"], pa.large_string())),
        ("colour", pa.array(["red", "green", "red", "red"], pa.string_view())),
        ("shape", pa.array(["box", None, "tube", None]).dictionary_encode()),
        ("express", pa.array([None, None, True, False])),
        ("fragile", pa.array(["yes", "no", "yes", "no"])),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_column_when_its_kind_is_read_answers_as_its_values_in_json(
    toy_client: FlaskClient, kind: str, name: str, column: Any
) -> None:
    table = with_column(name, column)
    expected = ask(toy_client, WRITERS[LINES](table.to_pylist()), LINES)

    answer = ask(toy_client, WRITERS[kind](table), kind)

    assert predictions(expected, JSON) == predictions(answer, JSON)
    assert expected.json.get("warnings") == answer.json.get("warnings")


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("weight", [float("nan")], "missing"), ("weight", [float("inf")], "not_finite"),
        ("weight", [None], "missing"), ("weight", ["NA"], "wrong_type"),
        ("pieces", [2**53 + 1], "not_finite"), ("pieces", [1.5], "wrong_type"),
        ("weight", ["heavy"], "wrong_type"), ("weight", [True], "wrong_type"),
        ("fragile", [1], "wrong_type"), ("fragile", ["on"], "wrong_type"),
        ("colour", [3], "wrong_type"), ("colour", ["Red"], "unknown_category"),
    ],
)  # fmt: skip
def test_value_when_it_is_no_valid_one_is_refused_as_in_json(
    toy_client: FlaskClient, kind: str, name: str, values: list[Any], code: str
) -> None:
    table = with_column(name, pa.array(values), PARCELS[:1])

    answer = read_problem(ask(toy_client, WRITERS[kind](table), kind), 422)

    assert {(f"/0/{name}", code)} == found(answer)


@pytest.mark.parametrize("kind", BINARY)
def test_columns_when_their_kind_is_not_read_are_refused_by_name(
    toy_client: FlaskClient, kind: str
) -> None:
    table = with_column("weight", pa.array([datetime(2026, 1, 2, tzinfo=UTC)] * 4))
    table = table.set_column(2, "height", pa.array([[1.0]] * 4))
    table = table.set_column(3, "colour", pa.array([b"red"] * 4))
    table = table.append_column("note", pa.array([{"ignored": [1]}] * 4))

    answer = read_problem(ask(toy_client, WRITERS[kind](table), kind), 422)

    assert {(f"/0/{name}", "wrong_type") for name in ("weight", "height", "colour")} == found(
        answer
    )
    assert "is a column of timestamp" in answer["errors"][0]["detail"]


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    ("name", "column", "plain"),
    [
        ("weight", pa.array([Decimal("12.50")], pa.decimal128(9, 2)), 12.5),
        ("pieces", pa.array([Decimal(3)], pa.decimal256(40, 0)), 3),
        ("weight", pa.array(["12.5"]), 12.5),
        ("weight", pa.array([12, 12]).dictionary_encode()[:1], 12),
        ("height", pa.array([float("nan")]), None),
        ("fragile", pa.array(["TRUE"]), True),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_column_when_its_cells_spell_values_answers_as_the_values(
    toy_client: FlaskClient, kind: str, name: str, column: Any, plain: Any
) -> None:
    expected = ask(toy_client, WRITERS[LINES]([{**PARCELS[0], name: plain}]), LINES)

    table = with_column(name, column, PARCELS[:1])

    answer = ask(toy_client, WRITERS[kind](table), kind)
    assert predictions(expected, JSON) == predictions(answer, JSON)


@pytest.mark.parametrize("kind", BINARY)
def test_table_when_it_names_a_column_twice_is_refused(toy_client: FlaskClient, kind: str) -> None:
    table = pa.Table.from_pylist(PARCELS)
    table = table.append_column("weight", table.column("weight"))

    answer = read_problem(ask(toy_client, WRITERS[kind](table), kind), 400)

    assert "'weight' twice" in answer["detail"]


@pytest.mark.parametrize("kind", BINARY)
def test_column_when_its_extension_is_pickled_is_not_unpickled(
    toy_client: FlaskClient, kind: str, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    payload = f"cposix\nsystem\n(Vtouch {canary}\ntR.".encode()
    metadata = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": payload,
    }
    table = pa.Table.from_pylist(PARCELS)
    changed = table.schema.set(0, pa.field("weight", pa.float64(), metadata=metadata))

    ask(toy_client, WRITERS[kind](table.cast(changed)), kind)

    assert not canary.exists()


def test_dictionary_when_it_holds_a_gap_is_read_as_one(toy_client: FlaskClient) -> None:
    words = pa.DictionaryArray.from_arrays([0, 1, None, 0], ["box", None, "tube"])
    expected = with_column("shape", pa.array(["box", None, None, "box"]))

    answer = ask(toy_client, write_arrow(with_column("shape", words)), ARROW)

    plain = ask(toy_client, write_arrow(expected), ARROW)
    assert predictions(plain, JSON) == predictions(answer, JSON)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda body: body[:-8], id="no end"),
        pytest.param(lambda body: body + body, id="twice"),
        pytest.param(lambda body: body[:-8] + b"\0" * 8, id="another end"),
    ],
)
def test_stream_when_it_may_be_cut_off_is_refused(
    toy_client: FlaskClient, harm: Callable[[bytes], bytes]
) -> None:
    body = WRITERS[ARROW](PARCELS)

    assert "Arrow stream" in read_problem(ask(toy_client, harm(body), ARROW), 400)["detail"]


def test_stream_when_it_is_compressed_is_read(toy_client: FlaskClient) -> None:
    plain = ask(toy_client, write_arrow(PARCELS), ARROW)

    answer = ask(toy_client, write_arrow(PARCELS, compression="zstd", rows=2), ARROW)

    assert predictions(plain, JSON) == predictions(answer, JSON)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zstd"},
        {"row_group_size": 2},
        {"data_page_version": "2.0"},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"colour": "DELTA_BYTE_ARRAY"}},
    ],
)
def test_parquet_when_written_otherwise_is_read(
    toy_client: FlaskClient, options: dict[str, Any]
) -> None:
    plain = ask(toy_client, write_parquet(PARCELS), PARQUET)

    answer = ask(toy_client, write_parquet(PARCELS, **options), PARQUET)

    assert predictions(plain, JSON) == predictions(answer, JSON)
