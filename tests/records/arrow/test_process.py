"""Arrow and Parquet that are damaged or hostile; a service without pyarrow."""

import os
import random
import signal
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from flask.testing import FlaskClient

from engine.records.arrow.reader import readers
from tests.support.answers import read_problem
from tests.support.project import ROOT
from tests.support.table_bodies import (
    ARROW,
    PARCEL,
    PARCELS,
    PARQUET,
    WRITERS,
    ask,
    write_arrow,
    write_csv,
    write_parquet,
)

BINARY = [ARROW, PARQUET]
WORDS = pa.array(["red", "green", "red", "red"]).dictionary_encode()


def bodies() -> list[tuple[str, bytes]]:
    """Give small tables whose bytes are told in different ways."""
    table = pa.Table.from_pylist(PARCELS)
    coded = table.set_column(table.schema.get_field_index("colour"), "colour", WORDS)
    found = [(ARROW, write_arrow(one, rows=2)) for one in (table, coded)]
    found += [(ARROW, write_arrow(table, compression="lz4"))]
    plain = {"compression": "none", "use_dictionary": False}
    return found + [(PARQUET, write_parquet(table, **options)) for options in (plain, {})]


@pytest.mark.slow
@pytest.mark.parametrize("kind", BINARY)
def test_table_when_it_is_cut_off_anywhere_is_refused(toy_client: FlaskClient, kind: str) -> None:
    for one, body in bodies():
        for end in range(0, len(body) if one == kind else 0, 7):
            read_problem(ask(toy_client, body[:end], kind), 400)


@pytest.mark.parametrize("kind", BINARY)
def test_table_when_bytes_are_changed_is_read_or_refused(
    toy_client: FlaskClient, kind: str
) -> None:
    draw = random.Random(7)  # noqa: S311
    chosen = [body for one, body in bodies() if one == kind]
    for _ in range(400):
        body = bytearray(draw.choice(chosen))
        for _ in range(draw.choice([1, 1, 2, 8])):
            at = draw.randrange(len(body))
            body[at : at + 1] = draw.choice(
                [bytes([body[at] ^ 1 << draw.randrange(8)]), b"\xff", b"\0", b"", b"\xff\x7f\0"]
            )

        answer = ask(toy_client, bytes(body), kind)

        assert answer.status_code in (200, 400, 413, 422), answer.data[:500]


@pytest.mark.parametrize("kind", BINARY)
def test_table_when_it_is_anything_else_is_refused(toy_client: FlaskClient, kind: str) -> None:
    other = WRITERS[PARQUET if kind == ARROW else ARROW](PARCELS)

    for body in (b"x", b"PAR1PAR1", b"\xff" * 100, b"ARROW1\0\0", write_csv(PARCELS), other):
        read_problem(ask(toy_client, body, kind), 400)


def repeated(value: Any, rows: int) -> Any:
    """Give parcels that are all alike, with a colour."""
    columns = {name: pa.repeat(one, rows) for name, one in PARCEL.items()}
    return pa.table(columns | {"colour": value})


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: write_arrow(
                pa.table(dict.fromkeys(PARCEL, pa.nulls(2**31 - 2))),
            ),
            id="two thousand million rows of nothing",
        ),
        pytest.param(
            lambda: write_arrow(repeated(pa.repeat("x" * 100_000, 9000), 9000), compression="zstd"),
            id="900 MB in a batch",
        ),
        pytest.param(
            lambda: write_parquet(
                repeated(pa.array(["x" * 100_000_000] * 5).dictionary_encode(), 5)
            ),
            id="100 MB in a word",
        ),
        pytest.param(
            lambda: write_arrow(repeated(pa.array(["x" * 5_000_000, "y"]), 2)),
            id="5 MB in a row",
        ),
        pytest.param(
            lambda: write_parquet(
                pa.table({name: pa.repeat(value, 400_000) for name, value in PARCEL.items()})
            ),
            id="400,000 equal rows",
        ),
        pytest.param(lambda: write_arrow([PARCEL] * 10_001, rows=1), id="10,001 batches"),
    ],
)
def test_table_when_it_grows_is_refused(toy_client: FlaskClient, make: Any) -> None:
    body = make()
    assert len(body) < 20_000_000

    answer = ask(toy_client, body, ARROW if body[:4] != b"PAR1" else PARQUET)

    assert answer.status_code in (400, 413), answer.data[:500]
    assert 200 == ask(toy_client, write_arrow(PARCELS), ARROW).status_code


@pytest.mark.slow
def test_reader_when_its_process_was_ended_is_replaced(toy_client: FlaskClient) -> None:
    body = write_arrow(PARCELS)
    assert 200 == ask(toy_client, body, ARROW).status_code
    (reader,) = readers.idle
    assert reader.process

    reader.process.send_signal(signal.SIGTERM)  # is meant for the service, which tells it
    assert 200 == ask(toy_client, body, ARROW).status_code
    assert [reader] == readers.idle
    reader.process.kill()
    os.waitid(os.P_PID, reader.process.pid, os.WEXITED | os.WNOWAIT)

    assert 200 == ask(toy_client, body, ARROW).status_code
    assert [reader] != readers.idle


SLOW = """
import socket, sys, time
from engine.records.arrow import process

def blocks():
    while True:
        if len(sys.argv) > 1:
            yield process.Block(0, 1, None, [], [])
        time.sleep(0.001)

process.SILENT_SECONDS = 0.2
here, there = socket.socketpair()
there.settimeout(5)
there.close() if len(sys.argv) > 1 else None
process.send_blocks(here, blocks())
"""


def test_reader_when_it_finds_no_block_in_time_is_ended_by_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", SLOW], cwd=ROOT, timeout=60, check=False)

    assert -signal.SIGALRM == done.returncode


def test_reader_when_nobody_listens_any_more_ends() -> None:
    command = [sys.executable, "-c", SLOW, "nobody"]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=False, stderr=subprocess.PIPE)

    assert 1 == done.returncode
    assert b"BrokenPipeError" in done.stderr


def test_reader_when_a_table_is_refused_half_way_is_not_used_again(
    toy_client: FlaskClient,
) -> None:
    wrong = [PARCEL] * 10 + [{**PARCEL, "weight": -1}] * 20_000

    read_problem(ask(toy_client, write_arrow(wrong), ARROW), 422)

    assert 200 == ask(toy_client, write_arrow(PARCELS), ARROW).status_code


WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from tests.support.application import serve; from tests.support.models import EXAMPLES
from persistence.model_persistence import ModelStore
from pathlib import Path
client = serve(ModelStore(Path(sys.argv[1])), "rent").test_client()
def ask(kind, accept):
    answer = client.post("/v0/predict", data=b"area,rooms,city\\n50,2,Natal\\n", content_type=kind,
                         headers={"Accept": accept})
    print(answer.status_code, answer.mimetype, answer.text.replace("\\n", " "))
for kind in ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"):
    ask(kind, "*/*")
ask("text/csv", "application/vnd.apache.arrow.stream")
ask("text/csv", "application/vnd.apache.arrow.stream, text/csv;q=0.1")
"""


@pytest.mark.slow
def test_service_when_pyarrow_is_not_installed_says_how_to(toy_client: FlaskClient) -> None:
    store = toy_client.application.extensions["resources"].models.store.root

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, store], cwd=ROOT, capture_output=True, text=True, check=True
    )

    arrow, parquet, unwished, other = done.stdout.splitlines()
    for line, status in ((arrow, 415), (parquet, 415), (unwished, 406)):
        assert line.startswith(f"{status} application/problem+json")
        assert "pip install pyarrow" in line
    assert other.startswith("200 text/csv value,interval_low,")
