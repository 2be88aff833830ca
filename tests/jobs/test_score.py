"""`python -m jobs.score`: a table in, the service's answers beside its columns, once each."""

import csv
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from flask.testing import FlaskClient

from jobs.score import main
from jobs.score_part import open_model
from persistence.model_persistence import ModelStore
from tests.support.postgresql import Postgresql
from tests.support.project import ROOT
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
NOTES = ["plain", 'a "quote", and a comma', "two\nlines", "\r", ""]

#: Enough for many small parts.
MANY = [{**PARCEL, "weight": at % 100, "note": NOTES[at % 5]} for at in range(4000)]

#: Each in a part of its own kind: out of range, no number, too few cells where it is text.
BAD = {**PARCEL, "weight": 230, "note": "bad"}

#: How often a job is killed: a few times every day, more where that is asked for.
KILLS = int(os.environ.get("SCORE_KILLS", "8"))


@pytest.fixture
def folder(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder of its own, in which jobs know the toys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_STORE", str(toy_store.root))
    open_model.cache_clear()
    yield tmp_path
    open_model.cache_clear()


def score(source: str, target: str, *options: str, size: int = 60_000) -> int:
    return main(["parcel", source, target, "--part-bytes", str(size), *options])


def answers_of(client: FlaskClient, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask the service; give its answers as a table has them."""
    body = ask(client, WRITERS[LINES](records), LINES, CSV).data.decode()
    return [*csv.DictReader(io.StringIO(body, newline=""))]


def read(path: Path) -> list[dict[str, Any]]:
    """Read a result, with the texts of CSV in place of values."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    if path.suffix == ".parquet":
        return [*pq.read_table(path).to_pylist()]
    return [*csv.DictReader(path.open(newline=""))]


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
    monkeypatch.setitem(open_model("parcel", None).card, "set_aside", share)  # type: ignore[arg-type]
    version = open_model("parcel", None).version
    monkeypatch.setitem(open_model("parcel", version).card, "set_aside", share)  # type: ignore[arg-type]


def test_table_with_more_invalid_rows_than_declared_gives_no_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in.csv").write_bytes(write_csv([*MANY[:50], BAD]))

    assert 1 == score("in.csv", "out.csv", "--workers", "1")

    assert "1 of 51 rows are not valid" in capsys.readouterr().err
    assert ["in.csv", "out.csv.rejected.jsonl"] == sorted(each.name for each in folder.iterdir())
    (folder / "in.csv").write_bytes(write_csv(MANY[:50]))  # which is mended
    assert 0 == score("in.csv", "out.csv", "--workers", "1")


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


def start(source: str, target: str, *options: str) -> "subprocess.Popen[bytes]":
    """Start a job in a process of its own, with those that it starts in its group."""
    command = [sys.executable, "-m", "jobs.score", "parcel", source, target]
    return subprocess.Popen(
        [*command, "--part-bytes", "20000", *options],
        start_new_session=True, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process alone; those that it has started have to end by themselves."""
    process.kill()
    process.wait()
    wait_until(lambda: not has_group(process.pid), "the end of its processes")


def has_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.csv", "env:SCORES/scores"])
def test_job_when_killed_at_any_moment_ends_with_every_row_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    database = folder / "scores.sqlite3"
    sqlite3.connect(database).close()
    monkeypatch.setenv("SCORES", f"sqlite:///{database}")
    (folder / "in.csv").write_bytes(write_csv(MANY))
    begun = time.monotonic()
    assert 0 == start("in.csv", "whole.csv").wait()
    whole_seconds, draw = time.monotonic() - begun, random.Random(KILLS)  # noqa: S311
    for _ in range(KILLS // 2):
        process = start("in.csv", target, "--restart" if target == "out.csv" else "--workers=2")
        try:
            process.wait(draw.uniform(0, whole_seconds))
        except subprocess.TimeoutExpired:
            kill(process)

        assert 0 == start("in.csv", target).wait()

        if target == "out.csv":
            assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
            assert not (folder / "out.csv.parts").exists()
            continue
        with sqlite3.connect(database) as connection:
            found = connection.execute(
                "SELECT row_number, weight, note, value FROM scores ORDER BY 1"
            )
            expected = [
                (number, float(each["weight"]), each["note"] or None, each["value"])
                for number, each in enumerate(read(folder / "whole.csv"), 1)
            ]
            assert expected == found.fetchall()
            connection.execute("DELETE FROM scores")
            connection.execute("DELETE FROM scores_parts")


def check_database(folder: Path, client: FlaskClient, address: str) -> None:
    """Score one table of a database into another, by its key and by a query."""
    engine = sqlalchemy.create_engine(address.replace("postgres://", "postgresql+psycopg://"))
    metadata = sqlalchemy.MetaData()
    kinds: dict[str, Any] = {
        "weight": sqlalchemy.Float, "pieces": sqlalchemy.Integer, "height": sqlalchemy.Float,
        "colour": sqlalchemy.Text, "shape": sqlalchemy.Text, "fragile": sqlalchemy.Boolean,
        "express": sqlalchemy.Boolean,
    }  # fmt: skip
    columns = [sqlalchemy.Column(name, kind) for name, kind in kinds.items()]
    key = sqlalchemy.Column("note", sqlalchemy.Integer, primary_key=True)
    table = sqlalchemy.Table("parcels", metadata, *columns, key)
    records = [{**PARCEL, "weight": at % 100, "height": None, "note": at} for at in range(700)]
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [*reversed(records)])

    assert 0 == score("env:WAREHOUSE/parcels", "env:WAREHOUSE/scores", "--workers", "1")
    query = "SELECT * FROM parcels WHERE note < 10 ORDER BY note DESC"
    assert 0 == score(f"env:WAREHOUSE/{query}", "ten.csv", "--workers", "1")

    expected = answers_of(client, records)
    with engine.begin() as connection:
        query = (
            "SELECT row_number, note, height, value, probability FROM scores ORDER BY row_number"
        )
        found = connection.execute(sqlalchemy.text(query)).all()
    assert [
        (at + 1, at, None, one["value"], float(one["probability"]))
        for at, one in enumerate(expected)
    ] == [*map(tuple, found)]
    ten = read(folder / "ten.csv")
    assert [str(at) for at in range(9, -1, -1)] == [each["note"] for each in ten]
    assert [each["value"] for each in reversed(expected[:10])] == [each["value"] for each in ten]
    engine.dispose()


def test_table_of_sqlite_is_scored_into_another(
    folder: Path, toy_client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{folder}/warehouse.db"
    sqlite3.connect(folder / "warehouse.db").close()
    monkeypatch.setenv("WAREHOUSE", address)
    check_database(folder, toy_client, address)


@pytest.mark.slow
def test_table_of_postgresql_is_scored_into_another(
    folder: Path, toy_client: FlaskClient, monkeypatch: pytest.MonkeyPatch,
    postgresql: Postgresql,
) -> None:  # fmt: skip
    monkeypatch.setenv("WAREHOUSE", postgresql.address)
    check_database(folder, toy_client, postgresql.address)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("env:NOWHERE/parcels", "NOWHERE is not set"),
        ("env:WAREHOUSE/SELECT 1 AS weight", "add ORDER BY"),
        ("env:WAREHOUSE/loose", "has no primary key"),
        ("env:WAREHOUSE/none", "has no table 'none'"),
    ],
)
def test_database_when_it_cannot_be_read_in_an_order_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    source: str, said: str,
) -> None:  # fmt: skip
    with sqlite3.connect(folder / "warehouse.db") as connection:
        connection.execute("CREATE TABLE loose (weight REAL)")
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{folder}/warehouse.db")

    assert 1 == score(source, "out.csv")

    assert said in capsys.readouterr().err


def test_formats_when_they_differ_are_wrong_usage(folder: Path) -> None:
    with pytest.raises(SystemExit) as end:
        score("in.csv", "out.parquet")

    assert 2 == end.value.code


@pytest.mark.slow
def test_cluster_whose_workers_are_killed_scores_every_row_once(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (folder / "in.csv").write_bytes(write_csv(MANY * 3))
    assert 0 == start("in.csv", "whole.csv").wait()
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    command = [*program, "--host", "tcp://127.0.0.1", "--port", "0", "--no-dashboard",
               "--scheduler-file", "scheduler.json"]  # fmt: skip
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file",
              "scheduler.json", "--nthreads", "1", "--no-nanny", "--no-dashboard"]  # fmt: skip
    try:
        wait_until((folder / "scheduler.json").exists, "the scheduler")
        processes += [
            subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        address = json.loads((folder / "scheduler.json").read_text())["address"]
        job = start("in.csv", "out.csv", "--scheduler", address)
        parts = folder / "out.csv.parts"
        wait_until(lambda: any(parts.glob("done-*")), "the first part")
        processes[1].kill()
        processes.append(subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL))
        assert 0 == job.wait()
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()

    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
