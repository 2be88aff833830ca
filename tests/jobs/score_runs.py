"""Runs of `python -m jobs.score`, in this process and in others, and what they have written."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from flask.testing import FlaskClient

from jobs.score import main
from tests.support.project import ROOT
from tests.support.serving import wait_until
from tests.support.table_bodies import CSV, LINES, PARCEL, ask, write_lines

NOTES = ["plain", 'a "quote", and a comma', "two\nlines", "\r", ""]

#: Enough for many small parts.
MANY = [{**PARCEL, "weight": at % 100, "note": NOTES[at % 5]} for at in range(4000)]


def score(source: str, target: str, *options: str, size: int = 60_000) -> int:
    """Score parcels in this process, in parts of so many bytes; return the exit code."""
    return main(["parcel", source, target, "--part-bytes", str(size), *options])


def answers_of(client: FlaskClient, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask the service; give its answers as a table has them."""
    body = ask(client, write_lines(records), LINES, CSV).data.decode()
    return [*csv.DictReader(io.StringIO(body, newline=""))]


def read(path: Path) -> list[dict[str, Any]]:
    """Read a result, with the texts of CSV in place of values."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    if path.suffix == ".parquet":
        return [*pq.read_table(path).to_pylist()]
    return [*csv.DictReader(path.open(newline=""))]


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
