"""Who is besieged: this service, or a peer that serves the same model."""

import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import benchmarks.running
from benchmarks import environments, questions
from benchmarks.contender import Contender
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support import models
from tests.support.serving import running

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
def peer(contender: Contender) -> Iterator[Target]:
    """Start a server of the benchmark, which knows no keys, in an environment of its own."""
    asked = questions.prepare()
    environment = environments.make(contender.environment, contender.requirements)
    few_files = replace(contender, command=limited(contender.command))
    question = benchmarks.running.Question([asked.record], [asked.probability])
    with benchmarks.running.running(few_files, environment, question) as server:
        way = contender.one
        yield Target(
            contender.title, server.port, server.pids()[0], way.path, way.write([asked.record]),
            way.headers(),
        )  # fmt: skip
