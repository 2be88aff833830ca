"""Who is besieged: this service, or a peer that serves the same model."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support import models
from tests.support.project import ROOT
from tests.support.serving import DEADLINE, environment, free_port, running

#: Open files of a process at most: sockets, pipes, tables set aside.
FILES = 1_024
MODEL = "parcel"


class Target(NamedTuple):
    """A running server, and how a good client asks it; `key` is the one of an attacker."""

    name: str
    port: int
    master: int
    path: str
    record: bytes
    headers: dict[str, str]
    key: str = ""

    def ask(self, *, timeout: float = 60) -> int:
        """Post a record on a connection of its own; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", self.path, self.record, self.headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


def limited(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command with few open files."""
    return ("prlimit", f"--nofile={FILES}:{FILES}", *command)


@contextmanager
def ours(store: ModelStore, folder: Path) -> Iterator[Target]:
    """Start this service with two workers and a key that every route needs."""
    keys = folder / "keys.json"
    texts = {}
    for owner in ("good", "attacker"):
        texts[owner], key = make_key(owner)
        KeyFile(keys).add(key)
    command = limited((sys.executable, "-m", "gunicorn", "app:app"))
    with running(
        folder, command=command, model_store=store.root, default_model=MODEL, keys_file=keys
    ) as server:
        record = json.dumps(models.EXAMPLES[MODEL]).encode()
        headers = {"Content-Type": "application/json", "x-api-key": texts["good"]}
        yield Target(
            "this service", server.port, server.process.pid, "/v0/predict", record, headers,
            texts["attacker"],
        )  # fmt: skip


@contextmanager
def peer(name: str, command: tuple[str, ...], record: bytes, folder: Path) -> Iterator[Target]:
    """Start a contender of the benchmark, which knows no keys, and wait until it answers."""
    port = free_port()
    log = folder / f"{port}.log"
    words = tuple(word.format(port=port) for word in command)
    with log.open("wb") as out:
        process = subprocess.Popen(
            limited(words), cwd=ROOT, env=environment(PORT=port), stdout=out,
            stderr=subprocess.STDOUT, process_group=0,
        )  # fmt: skip
    target = Target(
        name, port, process.pid, "/predict", record, {"Content-Type": "application/json"}
    )
    try:
        end = time.monotonic() + DEADLINE
        while not _answers(target):
            assert time.monotonic() < end and process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.1)
        yield target
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def _answers(target: Target) -> bool:
    try:
        return target.ask(timeout=5) == 200
    except OSError:
        return False
