"""A serving worker starts no process: gunicorn's master starts those that read Arrow."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.serving import Server, running, wait_until
from tests.support.table_bodies import ARROW, PARCELS, PARQUET, WRITERS

pytestmark = pytest.mark.slow

#: What a worker starts, or tries to, stands in a file. The test's first line is one such.
WATCHED = """
import os, subprocess, sys

_STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn",
           "os.spawn", "os.system", "pty.spawn")

def post_worker_init(worker):
    def note(event, arguments):
        if event in _STARTS:
            with open({file!r}, "a") as seen:
                print(event, file=seen)
    sys.addaudithook(note)
    subprocess.run(["true"])
"""

BINARY = [ARROW, PARQUET]


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "started"


@pytest.fixture
def server(toy_store: ModelStore, tmp_path: Path, seen: Path) -> Iterator[Server]:
    with running(
        tmp_path, until="/readyz", config=WATCHED.format(file=str(seen)),
        model_store=toy_store.root, default_model="parcel", web_concurrency=1,
    ) as started:  # fmt: skip
        yield started


def ask(server: Server, kind: str) -> tuple[int, Any]:
    return server.ask("/v0/predict", WRITERS[kind](PARCELS), **{"Content-Type": kind})


def children(server: Server) -> list[int]:
    """List the processes of the workers, if they have any."""
    found = ""
    for worker in server.workers():
        found += Path(f"/proc/{worker}/task/{worker}/children").read_text()
    return [int(one) for one in found.split()]


def readers(server: Server) -> list[int]:
    """List the processes that read Arrow."""
    return [
        one
        for one in server.workers()
        if b"engine.records.arrow.process" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def test_worker_when_asked_arrow_and_parquet_starts_no_process(server: Server, seen: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(partial(ask, server), BINARY * 4))

    assert [200] * 8 == [status for status, _ in found]
    expected = server.ask("/v0/predict", PARCELS)[1]["predictions"]
    assert expected == found[0][1]["predictions"] == found[1][1]["predictions"]
    assert ["subprocess.Popen"] == seen.read_text().split()  # the hook's own
    assert [] == children(server)
    assert readers(server)


def test_reader_when_it_is_killed_or_its_worker_ends_is_replaced(server: Server) -> None:
    assert 200 == ask(server, ARROW)[0]
    (first,) = readers(server)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "the end of the reader")
    assert 200 == ask(server, PARQUET)[0]
    (second,) = readers(server)
    (worker,) = {*server.workers()} - {second}

    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{second}").exists(), "the end of its reader")

    assert 200 == ask(server, ARROW)[0]
    (third,) = readers(server)
    assert 0 == server.stop()
    wait_until(lambda: not Path(f"/proc/{third}").exists(), "the end of the last reader")
