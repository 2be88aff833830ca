"""The pages that are followed step by step are followed here, in a copy of the project."""

import csv
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import unstored
from tests.support.pages import Block, assert_like, blocks, prose, request_of, words
from tests.support.project import ROOT, copy_project
from tests.support.serving import wait_until

HOW_TO = ROOT / "docs/how-to"


class Workshop:
    """A clone of the project whose packages are installed already, and its service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            self.port = trial.getsockname()[1]
        self.begun: set[str] = set()
        self.service: subprocess.Popen[bytes] | None = None
        copy_project(folder / "origin", with_sample=True)
        author = "git config user.name A && git config user.email a@b"
        for command in (
            f"cd origin && git init -q && {author} && git add -A && git commit -qm All",
            "git -C origin config receive.denyCurrentBranch ignore && git clone -q origin clone",
            f"cp origin/engine/runtime/exact-*.so clone/engine/runtime; cd clone && {author}",
        ):
            subprocess.run(command, cwd=folder, shell=True, check=True)  # noqa: S602
        self._write_script("bin/setup", "true")
        self._write_script(".venv/bin/python", f"exec '{sys.executable}' \"$@\"")

    def follow(self, page: list[Block]) -> None:
        """Do what a page says, from the first block to the last."""
        said: Any = None
        for block in page:
            if block.title:
                self.write(block)
            elif block.kind == "diff":
                self.edit(block.text)
            elif block.kind == "sh":
                said = self.run(block.text)
            elif block.kind == "json":
                assert_like(json.loads(block.text), said)
            elif block.kind == "console":  # a part of what was printed
                lines = without_figures(said)
                assert [] == [line for line in without_figures(block.text) if line not in lines]
            elif block.kind == "text":
                assert without_figures(block.text) == without_figures(said)

    def write(self, block: Block) -> None:
        """Write the file that a block stands for; a second block of it goes on."""
        path = self.folder / block.title
        text = spread(block.text) if block.kind == "csv" else block.text
        path.write_text(path.read_text() + text if block.title in self.begun else text)
        self.begun.add(block.title)

    def edit(self, diff: str) -> None:
        """Apply a difference: one file, one line for another."""
        (path,) = re.findall(r"^\+\+\+ b/(.+)$", diff, re.MULTILINE)
        (old,) = re.findall(r"^-(?!--)(.*)$", diff, re.MULTILINE)
        (new,) = re.findall(r"^\+(?!\+\+)(.*)$", diff, re.MULTILINE)
        text = (self.folder / path).read_text()
        assert text.count(old + "\n") == 1, f"{path} has no such line: {old}"
        (self.folder / path).write_text(text.replace(old, new))

    def run(self, command: str) -> Any:
        """Run commands; give what the last printed, or what the service answered."""
        if command.startswith("curl"):
            return self.ask(words(command))
        *before, last = command.splitlines() if '"\n' not in command else [command]
        for line in [*before, last]:
            if line.startswith("make run"):
                self.serve(line)
            else:
                said = self._run(line + " yes=yes" * line.startswith("make remove"))
                if line.startswith("make model") and self.service:
                    self.wait_for_swap()
        return said if not last.startswith("make run") else None

    def ask(self, curl: list[str]) -> Any:
        """Send what a curl command would send; give the answer, whatever its status."""
        path, headers, body = request_of(curl)
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, None if body is None else body.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def get(self, path: str) -> bytes:
        """Get a page of the service."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return bytes(answer.read())

    def serve(self, command: str) -> None:
        """Start the service, in place of the one that runs."""
        self.stop()
        environment = {**os.environ, "PORT": str(self.port), "HOST": "127.0.0.1"}
        with (self.folder / "log").open("wb") as log:
            self.service = subprocess.Popen(
                words(command), cwd=self.folder, env=environment,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        for _ in range(600):
            time.sleep(0.1)
            assert self.service.poll() is None, (self.folder / "log").read_text()
            try:
                if self.ask(["curl", "http://127.0.0.1:8000/readyz"])["status"] == "ready":
                    return
            except OSError:
                continue
        raise AssertionError((self.folder / "log").read_text())

    def wait_for_swap(self) -> None:
        """Wait until every worker that answers has a version that is promoted."""
        store = ModelStore(self.folder / "artifacts")
        promoted = {store.promoted(name) for name in store.names()}
        ready = ["curl", "http://127.0.0.1:8000/readyz"]
        wait_until(
            lambda: promoted >= {self.ask(ready)["model"]["version"] for _ in range(12)},
            "the new version",
        )

    def stop(self) -> None:
        """Stop the service as Ctrl-C does."""
        if self.service and self.service.poll() is None:
            os.killpg(self.service.pid, signal.SIGINT)
            self.service.wait(timeout=60)

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _write_script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


def without_figures(text: str) -> list[str]:
    """Keep the words of what a command printed, but for steps that a slow machine is still at."""
    lines = [line for line in text.splitlines() if not line.endswith("  still at work")]
    return [" ".join(re.sub(r"\d[\w.-]*", "#", line).split()) for line in lines]


def spread(text: str) -> str:
    """Make a table of 200 rows out of a few: each cell is drawn from its column."""
    header, *rows = csv.reader(text.splitlines())
    draw = random.Random(0)  # noqa: S311
    cells = [[draw.choice(column) for column in zip(*rows, strict=True)] for _ in range(200)]
    return "\n".join(",".join(row) for row in [header, *cells]) + "\n"


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.stop()


@pytest.mark.slow
def test_tutorial_can_be_followed(workshop: Workshop, credit_store: ModelStore) -> None:
    shutil.copytree(credit_store.root / "credit", workshop.folder / "artifacts/credit")

    page = ROOT / "docs/tutorial.md"
    workshop.follow(blocks(page))

    assert ["club"] == [path.stem for path in workshop.folder.glob("models/c*.py")]
    pages = set(re.findall(r"`http://127.0.0.1:8000(/\S+)`", prose(page)))
    assert {"/docs", "/models/club"} == pages
    for address in pages:
        assert b"<!doctype html>" in workshop.get(address)
    head = "git ls-tree -r --name-only HEAD models data"
    assert workshop._run(f"cd ../origin && {head}") == workshop._run(head)


@pytest.mark.slow
def test_model_can_be_added_as_described(workshop: Workshop) -> None:
    workshop.follow(blocks(HOW_TO / "add-a-model.md"))

    assert ["rent"] == ModelStore(workshop.folder / "artifacts").names()


@pytest.mark.slow
def test_model_file_can_be_written_as_described(workshop: Workshop) -> None:
    page = blocks(HOW_TO / "start-from-a-table.md")
    workshop.follow(page[:-1])
    customers = pd.read_csv(workshop.folder / "data/churn.csv")
    with sqlite3.connect(workshop.folder / "shop.db") as database:
        customers.to_sql("customers", database, index=False)
    workshop.follow(page[-1:])

    assert ["buyers", "churn"] == ModelStore(workshop.folder / "artifacts").names()


@pytest.mark.slow
def test_fitted_model_can_be_brought_as_described(workshop: Workshop) -> None:
    workshop.follow(blocks(HOW_TO / "bring-a-fitted-model.md"))

    assert ["brought"] == ModelStore(workshop.folder / "artifacts").names()


def test_version_can_be_taken_back_as_described(credit_store: ModelStore, tmp_path: Path) -> None:
    shutil.copytree(credit_store.root / "credit", tmp_path / "artifacts/credit")
    store = ModelStore(tmp_path / "artifacts")
    old = store.promoted("credit")
    card = store.read_card("credit")
    files = {name: (store.root / "credit" / old / name).read_bytes() for name in card["files"]}
    body = unstored(card)
    new = store.write({**body, "created_at": "2099-01-01T00:00:00+00:00"}, files)
    store.promote("credit", new)
    (block,) = (one for one in blocks(HOW_TO / "run-in-production.md") if one.title == "promote")
    runner = serve(store, "credit").test_cli_runner()

    for line in block.text.splitlines():
        assert new == store.promoted("credit")
        program, *arguments = line.split()
        assert ".venv/bin/flask" == program
        done = runner.invoke(args=arguments)
        assert 0 == done.exit_code, done.stderr

    assert old == store.promoted("credit")
