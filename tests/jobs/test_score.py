"""`python -m jobs.score`: a table in, the service's answers beside its columns, once each."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from flask.testing import FlaskClient

from engine.schema.card import SetAsideEntry
from jobs.score_part import open_model
from tests.jobs.score_runs import MANY, answers_of, kill, read, score, start
from tests.support.serving import wait_until
from tests.support.table_bodies import (
    ARROW,
    CSV,
    LINES,
    PARCEL,
    PARQUET,
    WRITERS,
    ask,
    write_csv,
    write_lines,
)

SUFFIXES = {CSV: "csv", LINES: "jsonl", PARQUET: "parquet"}

#: Out of range in its first field.
BAD = {**PARCEL, "weight": 230, "note": "bad"}


@pytest.mark.parametrize("kind", [CSV, LINES, PARQUET])
def test_answers_when_cut_into_parts_are_those_of_the_service_in_their_order(
    folder: Path, toy_client: FlaskClient, kind: str
) -> None:
    body = WRITERS[kind](MANY)
    source, target = (folder / f"{name}.{SUFFIXES[kind]}" for name in ("in", "out"))
    source.write_bytes(body)
    form = ARROW if kind == PARQUET else kind
    answered = ask(toy_client, body, kind, form).data

    assert 0 == score(source.name, target.name, "--workers", "1")

    if kind == LINES:
        expected = [
            {**one, **json.loads(line)}
            for one, line in zip(MANY, answered.splitlines(), strict=True)
        ]
    elif kind == CSV:
        given = csv.DictReader(io.StringIO(body.decode(), newline=""))
        told = csv.DictReader(io.StringIO(answered.decode(), newline=""))
        expected = [one | other for one, other in zip(given, told, strict=True)]
    else:
        told = pa.ipc.open_stream(answered).read_all().to_pylist()
        expected = [one | other for one, other in zip(MANY, told, strict=True)]
    assert expected == read(target)
    assert not Path(f"{target}.parts").exists()


@pytest.mark.slow
def test_result_when_made_by_many_processes_is_that_of_one(folder: Path) -> None:
    (folder / "in.csv").write_bytes(write_csv(MANY))

    assert 0 == score("in.csv", "one.csv", "--workers", "1")
    assert 0 == score("in.csv", "two.csv", "--workers", "2")

    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()


def test_rows_that_are_not_valid_within_the_share_are_set_aside_with_number_and_reason(
    folder: Path, toy_client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [BAD if at in (0, 7, 3999) else one for at, one in enumerate(MANY)]
    allow(monkeypatch, 0.05)
    for kind in (CSV, LINES, PARQUET):
        source, target = f"in.{SUFFIXES[kind]}", f"out.{SUFFIXES[kind]}"
        (folder / source).write_bytes(WRITERS[kind](records))

        assert 0 == score(source, target, "--rejected", "bad.jsonl", "--workers", "1")

        good = [one for one in records if one is not BAD]
        expected = [each["probability"] for each in answers_of(toy_client, good)]
        assert [*map(str, expected)] == [str(each["probability"]) for each in read(folder / target)]
        rejected = read(folder / "bad.jsonl")
        assert [1, 8, 4000] == [each["row"] for each in rejected]
        assert all("weight is 230" in each["reason"] for each in rejected)
        assert {"bad"} == {each["record"]["note"] for each in rejected}


def allow(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Let the model set aside a share of the rows, as its file would declare."""
    entry: SetAsideEntry = {"most": share, "rules": [], "rows": 0, "reasons": {}}
    for version in (None, open_model("parcel", None).version):
        card = open_model("parcel", version).card
        monkeypatch.setitem(card, "data", {**card["data"], "set_aside": entry})


def test_table_with_more_invalid_rows_than_declared_gives_no_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in.csv").write_bytes(write_csv([*MANY[:50], BAD]))

    assert 1 == score("in.csv", "out.csv", "--workers", "1")

    assert "1 of 51 rows are not valid" in capsys.readouterr().err
    assert ["in.csv", "out.csv.rejected.jsonl"] == sorted(each.name for each in folder.iterdir())
    (folder / "in.csv").write_bytes(write_csv(MANY[:50]))  # which is mended
    assert 0 == score("in.csv", "out.csv", "--workers", "1")
    assert not (folder / "out.csv.rejected.jsonl").exists()


def test_line_that_is_no_json_is_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = write_lines(MANY[:30]).splitlines(keepends=True)
    lines[4] = lines[4][:20] + b"\n"
    (folder / "in.jsonl").write_bytes(b"".join(lines))
    allow(monkeypatch, 0.5)

    assert 0 == score("in.jsonl", "out.jsonl", "--rejected", "bad.jsonl", "--workers", "1")

    assert 29 == len(read(folder / "out.jsonl"))
    (rejected,) = read(folder / "bad.jsonl")
    assert 5 == rejected["row"] and lines[4].decode().strip() == rejected["record"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("weight,pieces,height,colour,shape\n1,2,3,red,box\n", "there is no 'fragile'"),
        ("weight,fragile,colour,pieces,wight\n1,true,red,3,4\n", "'wight' is not a field"),
        ("weight,fragile,colour,pieces,value\n1,true,red,3,4\n", "'value'"),
    ],
)  # fmt: skip
def test_table_of_other_columns_is_refused_whole(
    folder: Path, capsys: pytest.CaptureFixture[str], header: str, said: str
) -> None:
    (folder / "in.csv").write_text(header)

    assert 1 == score("in.csv", "out.csv")

    assert said in capsys.readouterr().err


def test_excel_file_with_decimal_commas_is_read_alike_in_every_part(
    folder: Path, toy_client: FlaskClient
) -> None:
    records = [{**PARCEL, "weight": at % 7 if at < 900 else 0.5} for at in range(1000)]
    body = write_csv([{**one, "colour": "red"} for one in records]).replace(b",", b";")
    body = body.replace(b"40.0", b"40,0").replace(b"0.5", b"0,5")
    (folder / "in.csv").write_bytes(body.decode().encode("utf-16"))
    first = body.decode().replace("\n3;", "\n3,0;", 1)  # only the first lines tell
    (folder / "in.csv").write_bytes(first.encode("utf-16"))

    assert 0 == score("in.csv", "out.csv", "--workers", "1")

    answers = answers_of(toy_client, [{**one, "colour": "red"} for one in records])
    assert [each["probability"] for each in answers] == [
        each["probability"] for each in read(folder / "out.csv")
    ]


def test_job_of_a_changed_table_is_refused_until_it_begins_anew(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in.csv").write_bytes(write_csv(MANY))
    process = start("in.csv", "out.csv")
    wait_until(lambda: (folder / "out.csv.parts" / "job.json").exists(), "the parts")
    kill(process)
    (folder / "in.csv").write_bytes(write_csv(MANY[1:]))

    assert 1 == score("in.csv", "out.csv", "--workers", "1")
    assert "unfinished job of another digest" in capsys.readouterr().err
    assert 0 == score("in.csv", "out.csv", "--workers", "1", "--restart")
    assert len(MANY) - 1 == len(read(folder / "out.csv"))

    assert 0 == score("in.csv", "out.csv", "--workers", "1")
    assert "is done already" in capsys.readouterr().err
    (folder / "in.csv").write_bytes(write_csv(MANY))
    assert 1 == score("in.csv", "out.csv", "--workers", "1")
    assert "is there already" in capsys.readouterr().err


def test_folder_of_parts_keeps_the_files_that_are_no_parts(folder: Path) -> None:
    (folder / "in-march.csv").write_bytes(write_csv(MANY[:3]))
    (folder / "rejected-notes.txt").write_text("kept")

    assert 0 == score("in-march.csv", "out.csv", "--workers", "1", "--parts", ".")

    left = {"in-march.csv", "rejected-notes.txt", "out.csv", "out.csv.job"}
    assert left == {each.name for each in folder.iterdir()}


@pytest.mark.parametrize(
    "options",
    [
        ("in.csv", "out.parquet"),
        ("in.csv", "./in.csv", "--restart"),
        ("in.csv", "out.csv", "--rejected", "in.csv"),
    ],
)
def test_places_when_of_two_formats_or_the_same_are_wrong_usage(
    folder: Path, options: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as end:
        score(*options)

    assert 2 == end.value.code
