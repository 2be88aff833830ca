"""Files are read to their end, and later only what is new of them."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.support.lakes import Lakeside

FILES = """
[ales]
kind = "files"
path = "{folder}/in/*"
columns = {{ id = "integer", name = "text", abv = "number", brewed = "text" }}
time = "brewed"
"""
ROWS = [
    {"id": 1, "name": "Ale, pale", "abv": 4.5, "brewed": "2020-01-31"},
    {"id": 2, "name": "Bräu", "abv": 12.0, "brewed": "2020-02-01"},
    {"id": 3, "name": "Two\nlines", "abv": 41.0, "brewed": "2020-02-29"},
]
CSV = "id,name,abv,brewed\n" + "".join(
    f'{row["id"]},"{row["name"]}",{row["abv"]},{row["brewed"]}\n' for row in ROWS
)
COLUMNS = ("id", "name", "abv", "brewed")


def clean(side: Lakeside) -> list[dict[str, Any]]:
    return [{name: row[name] for name in COLUMNS} for row in side.cleaned()]


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_bytes(content)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV.encode()),
        ("a.csv.gz", gzip.compress(CSV.encode())),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("a.json", json.dumps(ROWS, indent=2).encode()),
        ("a.jsonl", "\n".join(map(json.dumps, ROWS)).encode()),
        ("a.parquet", parquet(ROWS)),
    ],
    ids=["csv", "gz", "bom", "json", "jsonl", "parquet"],
)
def test_file_when_of_any_kind_gives_the_same_rows(
    lakeside: Lakeside, name: str, content: bytes
) -> None:
    write(lakeside.folder, name, content)

    done = lakeside.ingest(FILES.format(folder=lakeside.folder))

    assert (0, "") == (done.code, done.err)
    assert ROWS == clean(lakeside)
    assert [f"{lakeside.folder}/in/{name}:{n}" for n in (1, 2, 3)] == [
        row["_key"] for row in lakeside.cleaned()
    ]


def test_files_when_others_come_or_grow_are_read_for_what_is_new(lakeside: Lakeside) -> None:
    described = FILES.format(folder=lakeside.folder)
    write(lakeside.folder, "a.csv", CSV.encode())
    lakeside.ingest(described)
    same = lakeside.ingest(described)
    write(lakeside.folder, "a.csv", (CSV + "4,New,5,2020-03-01\n").encode())
    write(lakeside.folder, "b.jsonl", json.dumps(ROWS[0]).encode())

    done = lakeside.ingest(described)

    assert "0 records came" in same.out
    assert "5 records came, 2 of them new or changed" in done.out
    assert [1, 2, 3, 4, 1] == [row["id"] for row in lakeside.cleaned()]


def test_files_when_the_separator_is_mended_are_read_again(lakeside: Lakeside) -> None:
    write(lakeside.folder, "a.csv", CSV.replace(",", ";").encode())
    described = FILES.format(folder=lakeside.folder) + 'separator = ";"\n'
    wrong = lakeside.ingest(FILES.format(folder=lakeside.folder))

    done = lakeside.ingest(described)

    assert ": 0 cleaned" in wrong.out
    assert "3 of them new or changed: 3 cleaned" in done.out
    assert "0 records came" in lakeside.ingest(described).out


def test_line_when_no_json_is_kept_byte_by_byte_and_rejected(lakeside: Lakeside) -> None:
    lines = [b'{"id": 1', b"\xff\xfe", b'{"id": 1.00, "name": "exact", "abv": 4.50}', b"[1]"]
    write(lakeside.folder, "a.jsonl", b"\n".join(lines))

    done = lakeside.ingest(FILES.format(folder=lakeside.folder))

    assert "4 of them new or changed: 1 cleaned, 3 rejected" in done.out
    assert [["it is not a JSON object"]] * 3 == [each["reasons"] for each in lakeside.rejected()]
    assert lines[:2] == [base64.b64decode(each["record"]) for each in lakeside.rejected()[:2]]
    path, *_ = sorted(lakeside.lake.glob("ales/raw/*/*/*/*.jsonl.gz"))
    assert lines[2] in gzip.decompress(path.read_bytes())  # not 1.0, as it would be written anew


def test_cell_when_no_field_takes_it_is_rejected_with_the_reason(lakeside: Lakeside) -> None:
    write(lakeside.folder, "a.csv", (CSV + "4,Odd,strong,2020-03-01\nx,Odd,1,\n").encode())

    done = lakeside.ingest(FILES.format(folder=lakeside.folder))

    assert "3 cleaned, 2 rejected (id: wrong type 1, abv: wrong type 1)" in done.out
    line, other = lakeside.rejected()
    assert ["id is 'x': send a whole number"] == other["reasons"]
    assert ["abv is 'strong': send a number"] == line["reasons"]
    assert {"id": "4", "name": "Odd", "abv": "strong", "brewed": "2020-03-01"} == line["record"]


def test_line_when_longer_than_the_header_is_rejected(lakeside: Lakeside) -> None:
    write(lakeside.folder, "a.csv", b"id,name,abv,brewed\n1,Ale, pale,4.5,2020-01-31\n")

    done = lakeside.ingest(FILES.format(folder=lakeside.folder))

    assert "0 cleaned, 1 rejected" in done.out
    assert ["it has more cells than the header"] == lakeside.rejected()[0]["reasons"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "id,name\n1,Bräu\n".encode("latin-1"), "utf-8"),
        ("a.csv", b"id,id\n1,2\n", "a name stands twice in its first line"),
        ("a.csv.gz", gzip.compress(b"id\n1\n")[:-6], "Compressed file ended"),
        ("a.csv.gz", gzip.compress(b"id\n1\n")[:10] + b"\x07" * 20, "invalid block type"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.json", b"[1, 2", "cannot be read"),
    ],
    ids=["encoding", "header", "cut", "no deflate", "no parquet", "no json"],
)
def test_file_when_damaged_is_named(
    lakeside: Lakeside, name: str, content: bytes, reason: str
) -> None:
    write(lakeside.folder, name, content)

    done = lakeside.ingest(FILES.format(folder=lakeside.folder))

    assert 1 == done.code
    assert f"in/{name} cannot be read" in done.err
    assert reason in done.err


def test_files_when_some_are_damaged_are_named_and_the_others_are_read(
    lakeside: Lakeside,
) -> None:
    described = FILES.format(folder=lakeside.folder)
    write(lakeside.folder, "a.json", b"[1, 2")
    write(lakeside.folder, "b.csv", CSV.encode())
    write(lakeside.folder, "c.parquet", b"PAR1")
    write(lakeside.folder, "d.jsonl", b'{"id": 4}')
    first = lakeside.ingest(described)
    write(lakeside.folder, "a.json", b'[{"id": 5}]')

    done = lakeside.ingest(described)

    assert (1, 1) == (first.code, done.code)
    assert all(f"in/{name} cannot be read" in first.err for name in ("a.json", "c.parquet"))
    assert "a.json" not in done.err and "c.parquet cannot be read" in done.err
    assert "1 records came, 1 of them new" in done.out
    assert [1, 2, 3, 4, 5] == [row["id"] for row in lakeside.cleaned()]


def test_number_when_no_double_holds_it_is_rejected_with_that_reason(lakeside: Lakeside) -> None:
    write(lakeside.folder, "a.jsonl", f'{{"id": {2**53}}}\n{{"id": {2**53 + 1}}}'.encode())

    done = lakeside.ingest(FILES.format(folder=lakeside.folder))

    assert "1 cleaned, 1 rejected (id: not finite or beyond 2**53 1)" in done.out
    (reason,) = lakeside.rejected()[0]["reasons"]
    assert f"id is {2**53 + 1}, beyond {2**53}, up to which a double holds each" in reason


def test_span_when_given_takes_the_records_of_its_time_and_leaves_the_place(
    lakeside: Lakeside,
) -> None:
    described = FILES.format(folder=lakeside.folder)
    write(lakeside.folder, "a.csv", CSV.encode())

    part = lakeside.ingest(described, "--since", "2020-02-01", "--until", "2020-02-29")
    whole = lakeside.ingest(described)
    timeless = lakeside.ingest(described.replace('time = "brewed"', ""), "--since", "2020-02-01")

    assert "1 records came, 1 of them new" in part.out
    assert "3 records came, 2 of them new" in whole.out
    assert [2, 1, 3] == [row["id"] for row in lakeside.cleaned()]
    assert (2, "ingest: ales has no time: name the column that has it\n") == (
        timeless.code, timeless.err,
    )  # fmt: skip
