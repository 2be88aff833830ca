"""Categories that are whole numbers: declared as numbers or as text, sent either way."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from engine.api.openapi.model import record_schema
from engine.api.protocols.mlflow_json import read_invocation
from engine.api.protocols.v2.request import read_request
from engine.records.arrow.columns import read_columns, values_of
from engine.records.csv_reader import read_csv
from engine.records.json_reader import read_body
from engine.records.jsonl_reader import read_lines
from engine.records.npy_reader import read_npy
from engine.records.rows_reader import read_instances
from engine.records.upload import Upload
from engine.records.validation import read_records
from engine.schema import Category, Number, Schema
from engine.schema.json_decoder import Decoder
from engine.training.table import read_table

DECLARED: list[tuple[Any, ...]] = [(1, 2, 3), ("1", "2", "3")]


def graded(categories: tuple[Any, ...], **more: Any) -> Schema:
    """A schema of one field that has these categories."""
    grade = Category(name="grade", categories=categories, example=categories[0], **more)
    return Schema((grade,), Number(name="y", example=1))


def column(records: Any, schema: Schema) -> list[str]:
    return read_records(records, schema)[0]["grade"]


@pytest.mark.parametrize("categories", DECLARED)
@pytest.mark.parametrize("written", ["2", "2.0", '"2"', '"2.0"', "2e0", "20e-1"])
def test_code_in_json_is_read_by_the_fast_path_and_by_the_slow_one(
    categories: tuple[Any, ...], written: str
) -> None:
    schema = graded(categories)
    body = f'{{"grade": {written}}}'.encode()
    plain = Decoder(schema).read(body)

    assert plain is not None
    assert [[1.0]] == plain.matrix.tolist()
    assert ["2"] == column(read_body(body, schema), schema)


@pytest.mark.parametrize("categories", DECLARED)
def test_code_in_every_other_way_in_is_the_declared_one(categories: tuple[Any, ...]) -> None:
    schema = graded(categories)
    decoder, offered = Decoder(schema), ["predict"]

    def tensor(datatype: str, values: list[Any], shape: list[int]) -> bytes:
        entry = {"name": "grade", "datatype": datatype, "shape": shape, "data": values}
        return json.dumps({"inputs": [entry]}).encode()

    for cell in ("2", "2.0", '"2"', '"2.0"'):
        (block,) = read_csv(Upload.of(f"grade\n{cell}\n".encode()), schema, decoder)
        assert [[1.0]] == block.matrix.tolist()
    lines = b'{"grade":2}\n{"grade":"2"}\n{"grade":2.0}\n'
    (block,) = read_lines(Upload.of(lines), schema, decoder)
    assert [[1.0]] * 3 == block.matrix.tolist()
    words = pa.array(["2.0"]).dictionary_encode()
    for values in ([2], [2.0], ["2"], ["2.0"], words, [np.float16(2)]):
        batch = pa.RecordBatch.from_pydict({"grade": pa.array(values)})
        assert [[1.0]] == read_columns(batch, schema, decoder).tolist()
        assert "2" == schema.fields[0].read(values_of(batch["grade"])[0])[0]
    for datatype, values in (("INT64", [2]), ("FP32", [2.0]), ("BYTES", ["2"])):
        read = read_request(tensor(datatype, values, [1]), None, schema=schema, offered=offered)
        assert ["2"] == column(read, schema)
    whole = read_request(tensor("FP64", [2.0], [1, 1]), None, schema=schema, offered=offered)
    assert ["2"] == column(whole, schema)
    split = b'{"dataframe_split": {"columns": ["grade"], "data": [[2], [2.0], ["2"]]}}'
    assert ["2"] * 3 == column(read_invocation(split, schema), schema)
    assert ["2"] * 3 == column(read_instances([[2], [2.0], ["2"]], schema, at=""), schema)
    array = b"\x93NUMPY\x01\x00\x76\x00" + (
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }".ljust(117) + b"\n"
    )
    assert ["2"] == column(read_npy(array + np.float64(2).tobytes(), schema), schema)


@pytest.mark.parametrize("categories", DECLARED)
@pytest.mark.parametrize("cells", [[1, 2] * 10, [1.0, 2.0] * 10, ["1", "2"] * 10, [1, "2.0"] * 10])
def test_code_in_a_training_table_is_text_to_the_pipeline_and_as_declared_to_the_target(
    categories: tuple[Any, ...], cells: list[Any]
) -> None:
    fields = graded(categories).fields
    target = Category(name="label", categories=categories, example=categories[0])
    table = pd.DataFrame({"grade": cells, "label": cells})

    X, y, remarks = read_table(table, Schema(fields, target))

    assert (["1", "2"] * 10, []) == (X["grade"].tolist(), remarks)
    assert [categories[0], categories[1]] * 10 == y.tolist()


@pytest.mark.parametrize(
    ("value", "code", "detail"),
    [
        (7, "unknown_category", "is 7, unknown: send one of '1', '2', '3'"),
        ("7", "unknown_category", "is '7', unknown: send one of '1', '2', '3'"),
        (1.5, "unknown_category", "is 1.5, unknown: send one of '1', '2', '3'"),
        (
            "01",
            "unknown_category",
            "is '01', unknown (did you mean '1'?): send one of '1', '2', '3'",
        ),
        (2**53 + 1, "unknown_category", "is 9007199254740993, unknown: send one of '1', '2', '3'"),
        (True, "wrong_type", "is true: send one of '1', '2', '3'"),
        (math.inf, "wrong_type", "is inf: send one of '1', '2', '3'"),
        ([1], "wrong_type", "is a list: send one of '1', '2', '3'"),
    ],
)
def test_value_that_is_no_code_is_refused_and_the_codes_are_quoted(
    value: Any, code: str, detail: str
) -> None:
    (grade,) = graded((1, 2, 3)).fields

    assert (None, (code, detail, True)) == grade.read(value)
    assert None is Decoder(graded((1, 2, 3))).read(json.dumps({"grade": value}).encode())


def test_number_among_words_is_a_code_only_where_it_is_listed() -> None:
    schema = graded(("1", "01", "none"), synonyms={"2": "none"}, unknown="accept")
    (grade,) = schema.fields

    clean = [grade.read(value)[0] for value in (1, "01", 2, "2.0", "none", 5)]

    assert ["1", "01", "none", "none", "none", "__unknown__"] == clean
    (words,) = graded(("rent", "owner"), unknown="accept").fields
    assert words.read(1)[1].code == "wrong_type"  # type: ignore[union-attr]


def test_codes_in_the_description_are_those_that_are_taken() -> None:
    described = record_schema(graded((1, 2)))["properties"]["grade"]
    opened = record_schema(graded((1, 2), unknown="accept"))["properties"]["grade"]

    assert [
        {"type": "integer", "enum": [1, 2]},
        {"type": "string", "enum": ["1", "2", "1.0", "2.0"]},
    ] == described["anyOf"]
    assert [{"type": "number"}, {"type": "string"}] == opened["anyOf"]


@pytest.mark.parametrize("number", [10**309, -(10**400)])
def test_number_when_no_double_holds_it_is_an_unknown_code(number: int) -> None:
    (field,) = graded((1, 2, 3)).fields

    _, finding = field.read(number)

    assert finding is not None
    assert finding.is_refused
