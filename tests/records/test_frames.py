"""Frames as pandas, Excel and R write them mean what their records mean, in every form."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES

from engine.records.blocks import read_slowly
from engine.records.csv_reader import read_csv
from engine.records.json_reader import read_body
from engine.records.jsonl_reader import read_lines
from engine.records.media_types import ARROW, PARQUET
from engine.records.problems import InvalidRecords
from engine.records.upload import Upload
from engine.records.validation import read_records
from engine.schema import Category, Flag, Number
from engine.schema.fields import GAP_WORDS
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Coding, Schema
from engine.training.table import read_table
from tests.schema.test_json_decoder import same
from tests.support.inputs import many

FIELDS = (
    Number(name="age", column="Age", example=30, integer=True, minimum=0),
    Number(name="income", column="Income (EUR)", example=1.5, missing="accept"),
    Category(name="home", column="Home", example="rent", categories=("rent", "São João", "None"),
             missing="accept"),
    Category(name="grade", column="Grade", example="1", categories=("1", "2", "3")),
    Flag(name="records", column="Records", example=False, synonyms={"yes": True, "no": False}),
    Flag(name="late", column="Late", example=False, synonyms={"1": True, "0": False}),
)  # fmt: skip
SCHEMA = Schema(
    FIELDS, Flag(name="good", column="Status", example=True), other_columns=("Customer",)
)
DECODER = Decoder(SCHEMA)
ROWS: list[dict[str, Any]] = [
    {"age": 30, "income": 1.5, "home": "rent", "grade": "1", "records": True, "late": True},
    {"age": 0, "income": None, "home": None, "grade": "3", "records": False, "late": False},
    {"age": 41, "income": 1200.0, "home": "São João", "grade": "2", "records": True, "late": False},
]


def expected(rows: list[dict[str, Any]]) -> list[list[float]]:
    """Give the matrix of records as JSON has them."""
    matrix: list[list[float]] = read_slowly(rows, SCHEMA, first=0, is_table=False).matrix.tolist()
    return matrix


def frame_of(rows: list[dict[str, Any]], *, is_source: bool) -> pd.DataFrame:
    """Give a frame with the names of the fields, or the table that a model learnt from."""
    frame = pd.DataFrame(rows)
    if not is_source:
        return frame
    frame = frame.rename(columns={field.name: field.column for field in FIELDS})
    return frame.assign(Customer=range(len(frame)), Status="good")


def from_csv(text: str | bytes, **options: Any) -> list[list[float]]:
    """Read CSV as the service does."""
    body = text.encode() if isinstance(text, str) else text
    blocks = [*read_csv(Upload.of(body), SCHEMA, DECODER, **options)]
    return matrix_of(blocks)


def matrix_of(blocks: Any) -> list[list[float]]:
    """Give the rows of blocks, which have no problem."""
    rows: list[list[float]] = []
    for block in blocks:
        assert not block.problems, block.problems
        rows += block.matrix.tolist()
    return rows


def from_json(text: str) -> list[list[float]]:
    """Read a JSON body as the service does."""
    columns, _ = read_records(read_body(text.encode(), SCHEMA), SCHEMA)
    return Coding(FIELDS).pack(columns).tolist()  # type: ignore[no-any-return]


def from_lines(text: str) -> list[list[float]]:
    """Read JSON lines as the service does."""
    return matrix_of(read_lines(Upload.of(text.encode()), SCHEMA, DECODER))


def from_binary(kind: str, frame: pd.DataFrame) -> list[list[float]]:
    """Write a frame in a binary form, and read it in this process."""
    process = pytest.importorskip("engine.records.arrow.process")
    import pyarrow as pa

    sink = io.BytesIO()
    if kind == PARQUET:
        frame.to_parquet(sink)
    else:
        table = pa.Table.from_pandas(frame)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    schema = json.dumps(SCHEMA.to_json()).encode()
    request = process.TableRequest(kind, 2**20, process.msgspec.Raw(schema), "en")
    return matrix_of(process.read_table(request, sink.getvalue()))


FORMS: dict[str, Callable[[pd.DataFrame], list[list[float]]]] = {
    "csv": lambda frame: from_csv(frame.to_csv(index=False)),
    "csv with its index": lambda frame: from_csv(frame.to_csv()),
    "csv with an index that was read": lambda frame: from_csv(
        pd.read_csv(io.StringIO(frame.to_csv()), dtype=str, keep_default_na=False).to_csv()
    ),
    "csv of R": lambda frame: from_csv(csv_of_r(frame)),
    "csv of Excel": lambda frame: from_csv(with_empty_cells(frame.to_csv(index=False))),
    "csv of German Excel": lambda frame: from_csv(
        "sep=;\r\n" + frame.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    ),
    "tabs": lambda frame: from_csv(frame.to_csv(index=False, sep="\t"), delimiter="\t"),
    "json records": lambda frame: from_json(frame.to_json(orient="records")),
    "json split": lambda frame: from_json(frame.to_json(orient="split")),
    "json columns": lambda frame: from_json(frame.to_json()),
    "json lines": lambda frame: from_lines(frame.to_json(orient="records", lines=True)),
    "parquet": lambda frame: from_binary(PARQUET, frame),
    "parquet of a selection": lambda frame: from_binary(PARQUET, frame.set_axis(
        range(7, 7 + len(frame))[::-1])),
    "parquet with a named index": lambda frame: from_binary(PARQUET, named(frame)),
    "parquet with two indexes": lambda frame: from_binary(PARQUET, frame.set_index(
        [pd.Index(range(len(frame)), name="client"), pd.Index(["x"] * len(frame), name="town")])),
    "parquet with a field as its index": lambda frame: from_binary(
        PARQUET, frame.set_index(frame.columns[0])),
    "arrow": lambda frame: from_binary(ARROW, frame),
    "arrow with a named index": lambda frame: from_binary(ARROW, named(frame)),
    "arrow of categories": lambda frame: from_binary(ARROW, frame.astype({
        name: "category" for name in frame if name.lower() in ("home", "grade")})),
    "arrow of text": lambda frame: from_binary(
        ARROW, pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype=str, keep_default_na=False)
    ),
}  # fmt: skip


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame an index with a name, which is a column in a file."""
    return frame.set_index(pd.Index([f"c{row}" for row in range(len(frame))], name="client"))


def csv_of_r(frame: pd.DataFrame) -> str:
    """Write a frame as `write.table(frame, sep = ",")` does."""
    frame = frame.replace({True: "TRUE", False: "FALSE"}).set_axis(
        map(str, range(1, 1 + len(frame)))
    )
    text = frame.to_csv(na_rep="NA", quoting=csv.QUOTE_NONNUMERIC)
    unquoted: str = text.removeprefix('"",').replace('"TRUE"', "TRUE").replace('"NA"', "NA")
    return unquoted


def with_empty_cells(text: str) -> str:
    """Add columns and rows without a value, as spreadsheets do; some rows end early."""
    header, *lines = text.splitlines()
    width = header.count(",") + 1
    wide = [f"{header},,", *(f"{line}{',' * (place % 4)}" for place, line in enumerate(lines))]
    return "\r\n".join([*wide, "," * (width + 1), "," * width, ""])


@pytest.mark.parametrize("is_source", [True, False], ids=["source names", "field names"])
@pytest.mark.parametrize("form", FORMS)
def test_frame_when_written_in_a_form_is_read_as_its_records(
    form: str,
    is_source: bool,  # noqa: FBT001
) -> None:
    assert same(expected(ROWS), FORMS[form](frame_of(ROWS, is_source=is_source)))


@pytest.mark.parametrize("dtype", [str, None], ids=["as text", "as pandas reads it"])
def test_training_table_when_it_is_read_is_what_the_service_reads(dtype: Any) -> None:
    text = frame_of(ROWS * 10, is_source=True).assign(Status=[True, False, True] * 10).to_csv()
    keeps = {"keep_default_na": False} if dtype else {}
    whole = text + ",,,,,,,,\n" * 2
    table = pd.read_csv(io.StringIO(whole), dtype=dtype, **keeps)
    X, _, _ = read_table(table, SCHEMA)

    assert same(from_csv(whole), Coding(FIELDS).pack(X.to_dict("list")).tolist())


cells = st.fixed_dictionaries(
    {
        "age": st.integers(0, 2**53),
        "income": st.none() | st.floats(2**-10, 2**30, width=32),
        "home": st.none() | st.sampled_from(["rent", "São João"]),
        "grade": st.sampled_from(["1", "2", "3"]),
        "records": st.booleans(),
        "late": st.booleans(),
    }
)


@settings(max_examples=many(100))
@given(rows=st.lists(cells, min_size=1, max_size=4), form=st.sampled_from([*FORMS]),
       is_source=st.booleans())  # fmt: skip
def test_frame_when_it_is_any_is_read_as_its_records(
    rows: list[dict[str, Any]],
    form: str,
    is_source: bool,  # noqa: FBT001
) -> None:
    found = FORMS[form](frame_of(rows, is_source=is_source))

    digits = 10 if form.startswith("json") else 17  # pandas writes ten digits of a number in JSON
    assert len(rows) == len(found)
    for left, right in zip(expected(rows), found, strict=True):
        assert right == pytest.approx(left, rel=10.0**-digits, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("records", "True", 1.0), ("records", "FALSE", 0.0), ("records", "T", 1.0),
        ("records", "yes", 1.0), ("late", "1", 1.0), ("late", "0.0", 0.0),
        ("grade", "2.0", 1.0), ("home", "None", 2.0), ("home", "NA", 3.0), ("home", "nan", 3.0),
        ("age", "30.0", 30.0), ("income", "#N/A", float("nan")), ("income", "1e3", 1000.0),
    ],
)  # fmt: skip
def test_cell_when_tools_write_it_is_a_value(name: str, cell: str, value: float) -> None:
    plain = dict(zip(ROWS[0], ("30", "1.5", "rent", "1", "yes", "1"), strict=True))
    text = ",".join(plain) + "\n" + ",".join((plain | {name: cell}).values())

    (row,) = from_csv(text)

    assert same([[value]], [[row[[*plain].index(name)]]])


def test_gap_words_are_those_of_pandas() -> None:
    assert {*STR_NA_VALUES} == GAP_WORDS


def problems_of(body: str) -> list[str]:
    """Give the pointers of the problems of a table."""
    blocks = read_csv(Upload.of(body.encode()), SCHEMA, DECODER)
    return [problem.pointer for block in blocks for problem in block.problems]


@pytest.mark.parametrize(
    "notes", [b"{", b"[" * 9000, b"7", b'{"index_columns": 1}', b'{"index_columns": [{}, 7, "b"]}']
)
def test_index_when_the_notes_of_pandas_are_damaged_is_passed_over(notes: bytes) -> None:
    columns = pytest.importorskip("engine.records.arrow.columns")
    import pyarrow as pa

    schema = pa.schema([("b", "int8")], metadata={b"pandas": notes})

    assert columns.index_columns(schema) == ({"b"} if b'"b"' in notes else set())


def test_table_when_a_field_has_both_its_names_is_refused() -> None:
    frame = frame_of(ROWS, is_source=True).assign(age=1)
    with pytest.raises(InvalidRecords) as refused:
        read_records(read_body(frame.to_json(orient="records").encode(), SCHEMA), SCHEMA)

    assert ["/0/age"] == problems_of(frame.to_csv(index=False))
    assert "is the same field as 'Age'" in refused.value.problems[0].detail


def test_rows_without_a_value_are_refused_where_others_follow() -> None:
    text = frame_of(ROWS, is_source=False).to_csv(index=False)
    lines = text.splitlines()

    assert same(expected(ROWS), from_csv("\n".join([*lines, "," * 5, "", "," * 5])))
    assert {"/1/age", "/1/grade", "/1/records", "/1/late"} == {
        *problems_of("\n".join([*lines[:2], "," * 5, *lines[2:]]))
    }


def test_definition_when_a_column_is_the_name_of_another_field_is_refused() -> None:
    from engine.schema.definition import InvalidDefinition
    from tests.support.toys import rent

    town = Category(name="town", column="area", example="a", categories=("a",))
    fields = (*rent.fields[:2], town)

    with pytest.raises(InvalidDefinition, match="the column 'area' of 'town' is the name of"):
        replace(rent.definition, fields=fields)


def test_number_when_a_german_spreadsheet_writes_an_exponent_is_read() -> None:
    row = {"age": 3, "income": 1.5e16, "home": "rent", "grade": "1", "records": True, "late": True}

    assert expected([row]) == FORMS["csv of German Excel"](frame_of([row], is_source=False))


def test_categories_when_all_are_gaps_are_read_from_a_dictionary() -> None:
    row = {"age": 3, "income": 1.5, "home": None, "grade": "1", "records": True, "late": True}

    assert expected([row]) == FORMS["arrow of categories"](frame_of([row], is_source=False))
