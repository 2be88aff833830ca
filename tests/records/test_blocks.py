"""Tables are read in blocks, fast where all is valid: always as value by value."""

import csv
import io
import json
from contextlib import suppress
from typing import Any, Literal

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.records.blocks import MOST_ROWS, PIECE, Block, read_slowly
from engine.records.csv_reader import _Columns, _cut, read_csv
from engine.records.jsonl_reader import read_lines
from engine.records.problems import BadRequest
from engine.records.strict_json import read_json
from engine.records.upload import Upload
from engine.schema.json_decoder import Decoder
from tests.schema.test_json_decoder import DECODER, GOOD, NAMES, SCHEMA, bodies, numbers, same
from tests.support.inputs import first_daily, many
from tests.support.models import TOYS
from tests.support.table_bodies import ARROW, CSV, JSON, LINES, PARCEL, WRITERS, ask, predictions

ODD_CELLS = [
    "", "a:b", "é", "e", "\\", "true", "false", "yes", "no", "s", "m", "x", " 3", "3 ", "\t3",
    "3\n", "3\r", "1,5", "null", "1e00005", "1E-0001", "-00", "007", "[1]", '"', '"3"', "\n",
    "\u0663", "True", "-0", "-0.0", "3.0", "1e2", "9007199254740993", "9007199254740992.0",
    "1e400", "NaN", "nan", "inf",
]  # fmt: skip
cells = (
    numbers
    | st.integers(-(2**60), 2**60).map(str)
    | st.floats().map(repr)
    | st.sampled_from(ODD_CELLS)
    | st.text(max_size=4)
)
PLAIN_CELLS = {name: text.strip('"') for name, text in GOOD.items()}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Draw a header and rows of cells, in which most is good."""
    header = draw(st.permutations(NAMES))
    if draw(st.integers(0, 3)) == 0:
        header = [*header[1:], draw(st.sampled_from(["approved", "other"]))]
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        row = dict(PLAIN_CELLS)
        for name in draw(st.lists(st.sampled_from(header), max_size=2)):
            row[name] = draw(cells)
        rows.append([row.get(name, "") for name in header])
    return header, rows


def as_read(block: Block) -> list[list[float]] | None:
    """Give the rows of a block that needs no remark."""
    if block.problems or block.warnings:
        return None
    found: list[list[float]] = block.matrix.tolist()
    return found


@settings(max_examples=many(2000))
@given(table=tables())
def test_csv_columns_when_they_are_taken_whole_are_what_the_cells_say(
    table: tuple[list[str], list[list[str]]],
) -> None:
    assert_columns_are_as_cells(*table)


@pytest.mark.parametrize("name", NAMES)
def test_csv_columns_when_a_cell_is_odd_are_what_the_cells_say(name: str) -> None:
    for cell in ODD_CELLS:
        row = PLAIN_CELLS | {name: cell}
        assert_columns_are_as_cells(NAMES, [[*PLAIN_CELLS.values()], [*row.values()]])


def assert_columns_are_as_cells(header: list[str], rows: list[list[str]]) -> None:
    columns = _Columns(header, SCHEMA, DECODER)

    matrix = columns.read([*zip(*rows, strict=True)])

    if matrix is not None:
        slow = as_read(read_slowly(columns.records(rows, 0), SCHEMA, first=0, is_table=True))
        assert slow is not None
        assert same(slow, matrix.tolist())


@settings(max_examples=many(1000))
@given(table=tables(), is_quoted=st.booleans(), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_csv_lines_when_they_are_cut_are_what_the_csv_module_reads(
    table: tuple[list[str], list[list[str]]],
    is_quoted: bool,  # noqa: FBT001
    end: str,
) -> None:
    header, rows = table
    text = io.StringIO()
    how: Literal[0, 1] = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=end, quoting=how).writerows(rows)

    found = _cut(text.getvalue(), len(header))

    # Unquoted, a carriage return at the end of a row is a part of its end.
    rows = [*csv.reader(io.StringIO(text.getvalue(), newline=""))]
    assert found is None or [list(row) for row in zip(*found, strict=True)] == rows


@settings(max_examples=many(1000))
@given(written=st.lists(bodies(), min_size=1, max_size=3), end=st.sampled_from([b"\n", b"\r\n"]))
def test_lines_when_they_are_decoded_are_what_the_values_say(
    written: list[bytes], end: bytes
) -> None:
    text = end.join(written) + end

    decoded = DECODER.read_lines(text)

    if decoded is not None:
        rows = [read_json(line) for line in text.split(b"\n") if line.strip()]
        slow = as_read(read_slowly(rows, SCHEMA, first=0, is_table=False))
        assert slow is not None
        assert same(slow, decoded.matrix.tolist())


@pytest.mark.parametrize(
    "text",
    [b'{"a":1}{"a":2}\n', b'{"a":\n1}\n{"a":1}{"a":2}\n', b'{"a":1}\n\n', b'{"a":1},\n{"a":1}\n'],
)
def test_lines_when_records_do_not_stand_on_lines_are_not_decoded(text: bytes) -> None:
    record = json.dumps({name: json.loads(value) for name, value in GOOD.items()}).encode()

    assert DECODER.read_lines(text.replace(b'{"a":1}', record).replace(b'{"a":2}', record)) is None


def test_readers_when_a_table_is_plain_take_it_whole() -> None:
    # Both ways answer alike, so only this tells that the fast one is used.
    records = [{name: json.loads(value) for name, value in GOOD.items()}] * 3
    records[1] = {**records[1], "class": None, "kind": None, "old": None}
    records[2] = {**records[2], "kind": "e", "is new": "no"}
    rows = [["" if v is None else str(v).lower() for v in one.values()] for one in records]

    columns = _Columns(list(records[0]), SCHEMA, DECODER)
    assert columns.read([*zip(*rows, strict=True)]) is not None
    plain = [{**one, "kind": "é"} for one in records]  # a colon may be a repeated key
    assert DECODER.read_lines(WRITERS[LINES](plain)) is not None


PARCEL_SCHEMA = TOYS["parcel"].schema
PARCEL_DECODER = Decoder(PARCEL_SCHEMA)


def numbered(count: int) -> list[dict[str, Any]]:
    """Give records that all differ."""
    return [{**PARCEL, "weight": row % 1000 / 10} for row in range(count)]


@pytest.mark.parametrize("kind", [CSV, LINES, ARROW])
@pytest.mark.parametrize("count", first_daily(MOST_ROWS + 1, MOST_ROWS, MOST_ROWS - 1))
def test_table_when_it_has_several_blocks_is_answered_row_by_row(
    toy_client: FlaskClient, kind: str, count: int
) -> None:
    records = numbered(count)
    expected = predictions(ask(toy_client, WRITERS[LINES](records[:1000]), LINES), JSON)

    found = predictions(ask(toy_client, WRITERS[kind](records), kind), JSON)

    assert count == len(found)
    assert expected == found[:1000]
    assert expected[count % 1000 - 1] == found[-1]


@pytest.mark.parametrize("kind", [CSV, LINES])
@pytest.mark.parametrize("more", first_daily(-1, -2, 0, 1, 2))
def test_text_when_a_piece_ends_near_a_line_end_is_read_whole(kind: str, more: int) -> None:
    body = WRITERS[kind](numbered(1 + 2 * PIECE // 100))
    cut = body.rindex(b"\n", 0, PIECE) + 1
    read = read_csv if kind == CSV else read_lines
    body = body[:cut] + b"\n" * (PIECE - cut + more) + body[cut:]

    blocks = [*read(Upload.of(body), PARCEL_SCHEMA, PARCEL_DECODER)]

    weights = [value for block in blocks for value in block.matrix[:, 0].tolist()]
    assert [one["weight"] for one in numbered(len(weights))] == weights
    assert 1 + 2 * PIECE // 100 == len(weights)
    assert [block.first for block in blocks] == [
        sum(one.size for one in blocks[:place]) for place in range(len(blocks))
    ]


def long_rows(count: int) -> list[dict[str, Any]]:
    """Give records with quoted lines in a column that the model ignores."""
    return [{**one, "note": 'a line\n, and "another"\r\n' * 5000} for one in numbered(count)]


def test_csv_when_records_reach_over_the_ends_of_pieces_is_read_whole(
    toy_client: FlaskClient,
) -> None:
    records = long_rows(20)
    body = WRITERS[CSV](records)
    assert len(body) > 5 * PIECE

    found = predictions(ask(toy_client, body, CSV), JSON)

    assert predictions(ask(toy_client, WRITERS[LINES](numbered(20)), LINES), JSON) == found


@pytest.mark.parametrize("cell", ["x" * 200_000, '"' + "x\n" * 100_000 + '"'])
@pytest.mark.parametrize("rows", [1, 3000])
def test_csv_when_a_cell_is_too_long_is_refused_wherever_it_stands(cell: str, rows: int) -> None:
    header, *lines = WRITERS[CSV](numbered(rows)).decode().splitlines()
    body = "\n".join([f"{header},note", *(f"{line},{cell}" for line in lines[:1]),
                      *(f"{line}," for line in lines[1:])])  # fmt: skip

    with pytest.raises(BadRequest, match="not CSV"):
        list(read_csv(Upload.of(body.encode()), PARCEL_SCHEMA, PARCEL_DECODER))


@pytest.mark.parametrize("kind", [CSV, LINES])
def test_text_when_a_line_never_ends_is_refused_early(kind: str) -> None:
    class Endless:
        """A body without a line end, and what is taken of it."""

        taken = 0

        def read(self, size: int) -> bytes:
            self.taken += size
            return b"1" * size

    body = Endless()
    upload = Upload(body, length=None, most=2**40)
    read = read_csv if kind == CSV else read_lines

    with pytest.raises(BadRequest) as refused:
        list(read(upload, PARCEL_SCHEMA, PARCEL_DECODER))

    assert 413 == refused.value.status
    assert body.taken < 2**22


def test_csv_when_quotes_never_end_is_refused_early() -> None:
    class Endless:
        """A record with a quoted line end in every cell, without an end."""

        taken = 0

        def read(self, size: int) -> bytes:
            self.taken += size
            return b'"\n",' * (size // 4)

    body = Endless()

    with pytest.raises(BadRequest) as refused:
        list(read_csv(Upload(body, length=None, most=2**40), PARCEL_SCHEMA, DECODER))

    assert 413 == refused.value.status
    assert body.taken < 2**23


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"weight": NaN}\n', "line 1 holds NaN"),
        (b'\n{"weight": 1\n', "line 2 is not JSON"),
        (b"{}\n{}\n[\n", "line 3 is not JSON"),
        (b'{"weight": "\xff"}\n', "line 1 is not UTF-8"),
        (b"\xef\xbb\xbf{}\n{\n", "line 2 is not JSON"),
        (b"\n\r\n \n[\n", "line 4 is not JSON"),
    ],
)
def test_lines_when_one_is_malformed_are_refused_by_its_number(
    toy_client: FlaskClient, text: bytes, words: str
) -> None:
    answer = ask(toy_client, text, LINES)

    assert 400 == answer.status_code
    assert words in answer.json["detail"]


def test_csv_when_it_is_not_utf_8_names_the_byte(toy_client: FlaskClient) -> None:
    body = WRITERS[CSV](numbered(20_000))
    bad = body[:300_000] + b"\xff" + body[300_001:]

    answer = ask(toy_client, b"\xef\xbb\xbf" + bad, CSV)

    assert 400 == answer.status_code
    assert "(byte 300003)" in answer.json["detail"]


@settings(max_examples=many(300))
@given(content=st.binary(max_size=80), kind=st.sampled_from([CSV, LINES]))
def test_text_when_it_is_anything_is_read_or_refused(content: bytes, kind: str) -> None:
    read = read_csv if kind == CSV else read_lines
    with suppress(BadRequest):
        assert all(block.size for block in read(Upload.of(content), SCHEMA, DECODER))
