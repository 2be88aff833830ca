"""Arrow and Parquet: which columns are read and how, and what a hostile file gets."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from api.arrow_columns import read_columns, values_of
from api.blocks import read_slowly
from tests.test_api_table_reading import as_read
from tests.test_decoder import DECODER, GOOD, NAMES, SCHEMA, same

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
    "text": ["a:b", "é", "e", "true", "s", "m", "yes", "no", "x", ""],
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


@settings(max_examples=2000)
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
        table = pa.Table.from_pylist(
            [{**one, "is new": bool(one["is new"] != "no")} for one in records]
        )
        place = table.schema.get_field_index("kind")
        table = table.set_column(place, "kind", table.column("kind").cast(kind))
        (batch,) = table.to_batches()
        assert read_columns(batch, SCHEMA, DECODER) is not None
