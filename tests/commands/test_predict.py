"""`flask predict`: a file in, the service's answers out."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.inputs import first_daily, many
from tests.support.models import EXAMPLES, unstored
from tests.support.table_bodies import (
    ARROW,
    CSV,
    LINES,
    PARCEL,
    PARCELS,
    PARQUET,
    WRITERS,
    ask,
    write_arrow,
    write_csv,
    write_lines,
    write_parquet,
)  # fmt: skip

SUFFIXES = {CSV: "csv", LINES: "jsonl", ARROW: "arrow", PARQUET: "parquet"}
NOTES = ["plain", 'a "quote", and a comma', "two\nlines", "\r", ""]
#: Enough records for several blocks and parts.
MANY = [{**PARCEL, "weight": at % 100, "note": NOTES[at % 5]} for at in range(20_000)]

Run = Callable[..., Result]


def read(path: Path) -> Any:
    """Read an answer in a binary form as a table."""
    return pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_stream(path).read_all()


@pytest.mark.parametrize("kind", [CSV, LINES])
@pytest.mark.parametrize("records", first_daily(PARCELS, MANY), ids=["few", "many"])
def test_answer_in_text_is_byte_for_byte_that_of_the_service(
    run: Run, toy_client: FlaskClient, tmp_path: Path, kind: str, records: list[dict[str, Any]]
) -> None:
    body = WRITERS[kind](records)
    path = tmp_path / f"in.{SUFFIXES[kind]}"
    path.write_bytes(body)
    expected = ask(toy_client, body, kind, kind).data

    printed = run(path)
    written = run(path, "--output", "out", "--json")

    assert 0 == printed.exit_code, printed.stderr
    assert expected == printed.stdout_bytes == (tmp_path / "out").read_bytes()
    assert len(records) == json.loads(written.stdout)["rows"]
    assert {path, tmp_path / "out"} == {*tmp_path.iterdir()}


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
@pytest.mark.parametrize("records", first_daily(PARCELS, MANY), ids=["few", "many"])
def test_answer_in_binary_is_that_of_the_service_in_the_format_of_the_file(
    run: Run, toy_client: FlaskClient, tmp_path: Path, kind: str, records: list[dict[str, Any]]
) -> None:
    body = WRITERS[kind](records)
    path, out = tmp_path / f"in.{SUFFIXES[kind]}", tmp_path / f"out.{SUFFIXES[kind]}"
    path.write_bytes(body)
    expected = pa.ipc.open_stream(ask(toy_client, body, kind, ARROW).data).read_all()

    done = run(path, "--output", out)
    kept = run(path, "--output", f"kept.{SUFFIXES[kind]}", "--columns", "keep")

    assert (0, 0) == (done.exit_code, kept.exit_code), done.stderr + kept.stderr
    assert expected.to_pylist() == read(out).to_pylist()
    beside = read(tmp_path / f"kept.{SUFFIXES[kind]}")
    given_table = pa.Table.from_pylist(records)
    assert [*given_table.column_names, *expected.column_names] == beside.column_names
    assert given_table.equals(beside.select(given_table.column_names))
    assert expected.to_pylist() == beside.select(expected.column_names).to_pylist()


def test_json_lines_when_kept_are_the_records_with_more_keys(
    run: Run, toy_client: FlaskClient, tmp_path: Path
) -> None:
    body = b"\n  \n".join(write_lines([one]).strip() for one in MANY[:50])
    (tmp_path / "in.ndjson").write_bytes(body)
    expected = ask(toy_client, body, LINES, LINES).data.splitlines()

    lines = run("in.ndjson", "--columns", "keep").stdout_bytes.splitlines()

    assert [{**one, **json.loads(answer)} for one, answer in zip(MANY, expected, strict=False)] == [
        json.loads(line) for line in lines
    ]


@pytest.mark.parametrize("model", ["rent", "coin"])
def test_answer_when_another_model_is_named_is_its_own(
    run: Run, toy_client: FlaskClient, toy_store: ModelStore, tmp_path: Path, model: str
) -> None:
    body = write_lines([EXAMPLES[model]] * 3)
    (tmp_path / "records").write_bytes(body)
    chosen = ("--model", model, "--version", toy_store.promoted(model))

    done = run("records", "--format", "jsonl", *chosen)

    assert ask(toy_client, body, LINES, LINES, model=model).data == done.stdout_bytes


# Whatever a cell of CSV may hold, and above all the characters that quoting is about.
cells = st.text('",\r\n ;a', max_size=6) | st.text(st.characters(codec="utf-8"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=many(150))
@given(
    notes=st.lists(cells, min_size=1, max_size=5),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
@example(notes=["a\rb"], quoting=csv.QUOTE_ALL, end="\n", mark="")
def test_csv_when_kept_reads_back_as_it_was(
    run: Run, notes: list[str], quoting: Any, end: str, mark: str
) -> None:
    text = io.StringIO(newline="")
    # Both characters in the line end make the writer quote them.
    lines = csv.writer(text, lineterminator="\r\n", quoting=quoting)
    values = [str(one).lower() if isinstance(one, bool) else one for one in PARCEL.values()]
    lines.writerows([[*PARCEL, "note"], *([*values, note] for note in notes)])
    given_text = text.getvalue()
    if not any("\r\n" in note for note in notes):
        given_text = given_text.replace("\r\n", end)
    Path("in.csv").write_text(mark + given_text, encoding="utf-8", newline="")

    done = run("in.csv", "--columns", "keep")

    assert 0 == done.exit_code, done.stderr
    found = list(csv.reader(io.StringIO(done.stdout_bytes.decode(), newline=""), strict=True))
    rows = [row for row in csv.reader(io.StringIO(given_text, newline=""), strict=True) if row]
    assert rows == [row[: len(rows[0])] for row in found]
    assert notes == [row[len(PARCEL)] for row in found[1:]]
    assert {len(PARCEL) + 1 + 6} == {*map(len, found)}


@pytest.mark.parametrize(
    ("name", "body", "places"),
    [
        ("in.csv", write_csv(PARCELS[:1]) + b'\n\n"1\n2",x\n', ["line 5, row 2: has 2 cells"]),
        (
            "in.csv",
            write_csv([PARCEL, {**PARCEL, "weight": -1}, {**PARCEL, "colour": "grey"}]),
            ["line 3, row 2, weight: ", "line 4, row 3, colour: "],
        ),
        (
            "in.csv",
            write_csv([{**PARCEL, "note": "two\nlines"}, {**PARCEL, "weight": -1, "note": ""}]),
            ["line 4, row 2, weight: "],
        ),
        ("in.csv", b"weight\n1\n", ["row 1, pieces: is required", "row 1, fragile: is required"]),
        ("in.jsonl", b"\n\n" + write_lines([{**PARCEL, "weight": "x"}]), ["line 3, row 1, weight"]),
        ("in.parquet", write_parquet([PARCEL, {**PARCEL, "weight": 1e9}]), ["row 2, weight: "]),
        ("in.arrow", write_arrow([{**PARCEL, "a/b": 1}]), ["row 1, a/b: is not a field"]),
        ("in.jsonl", b"{", ["line 1 "]),
        ("in.csv", b"", ["in.csv: the body is empty"]),
        ("in.csv", b"a,a\n", ["the header names"]),
        ("in.parquet", b"PAR1", ["not a whole Parquet file"]),
        ("in.arrow", b"ARROW1\0\0", ["it is an Arrow file, write a stream"]),
    ],
)
def test_file_when_invalid_is_refused_with_every_problem_and_nothing_is_written(
    run: Run, tmp_path: Path, name: str, body: bytes, places: list[str]
) -> None:
    (tmp_path / name).write_bytes(body)
    out = tmp_path / f"out{Path(name).suffix}"

    done = run(name, "--output", out)
    told = run(name, "--output", out, "--json")

    assert (1, "") == (done.exit_code, done.stdout)
    for place in places:
        assert place in done.stderr
    assert json.loads(told.stdout)["error"] in done.stderr
    assert [name] == [one.name for one in tmp_path.iterdir()]


def test_problems_when_there_are_too_many_are_listed_up_to_a_limit(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_bytes(write_csv([{**PARCEL, "weight": -1}] * 1500))

    done = run("in.csv")

    assert "has more than 1000 problems" in done.stderr
    assert 1001 == len(done.stderr.splitlines())


@pytest.mark.parametrize("kind", [CSV, LINES, PARQUET])
def test_column_when_the_predictions_have_one_of_that_name_is_refused(
    toy_store: ModelStore, tmp_path: Path, kind: str
) -> None:
    store = ModelStore(tmp_path / "store")
    card = toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    body = unstored(card)
    body["schema"] = {**body["schema"], "extras": "ignore"}
    store.promote("parcel", store.write(body, files))
    path, out = tmp_path / f"in.{SUFFIXES[kind]}", tmp_path / f"out.{SUFFIXES[kind]}"
    path.write_bytes(WRITERS[kind]([{**PARCEL, "probability": 1.0}]))

    runner = serve(store, "parcel").test_cli_runner()
    done = runner.invoke(args=["predict", str(path), "--columns", "keep", "--output", str(out)])

    assert (1, False) == (done.exit_code, out.exists())
    assert "a column 'probability'" in done.stderr


def test_output_when_it_is_there_is_kept_without_force(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(write_csv(PARCELS))
    (tmp_path / "out.csv").write_text("mine")

    done = run("in.csv", "--output", "out.csv")
    assert (1, "mine") == (done.exit_code, (tmp_path / "out.csv").read_text())
    assert "--force" in done.stderr
    assert 0 == run("in.csv", "--output", "in.csv", "--columns", "keep", "--force").exit_code
    assert len(PARCELS) + 1 == len((tmp_path / "in.csv").read_text().splitlines())
    assert 1 == run("in.csv", "--output", "/dev/null", "--force").exit_code
    assert 1 == run("in.csv", "--output", "nowhere/out.csv").exit_code
    assert {"in.csv", "out.csv"} == {one.name for one in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["absent.csv"], ["in.txt"], ["in.csv", "--output", "out.parquet"], ["in.csv", "--json"],
        ["in.parquet"], ["in.csv", "--columns", "all"], ["in.csv", "--format", "xml"], [],
        ["/dev/null", "--format", "csv", "--columns", "keep"],
    ],
)  # fmt: skip
def test_command_when_used_wrongly_ends_with_2(
    run: Run, tmp_path: Path, arguments: list[str]
) -> None:
    for name in ("in.csv", "in.txt", "in.parquet"):
        (tmp_path / name).write_bytes(write_csv(PARCELS))

    done = run(*arguments)

    assert (2, "") == (done.exit_code, done.stdout)


def test_parquet_when_pyarrow_is_absent_names_the_remedy(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.parquet").write_bytes(write_parquet(PARCELS))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    done = run("in.parquet", "--output", "out.parquet")

    assert 1 == done.exit_code
    assert "-m pip install pyarrow" in done.stderr


def test_command_when_no_model_is_stored_says_how_to_train(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(write_csv(PARCELS))
    runner = serve(ModelStore(tmp_path / "nothing"), "parcel").test_cli_runner()

    done = runner.invoke(args=["predict", str(tmp_path / "in.csv")])

    assert 1 == done.exit_code
    assert "python build_model.py parcel" in done.stderr
