"""The command line as a whole: help that runs, sentences for every failure, a real process."""

import csv
import inspect
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from engine.commands import COMMANDS
from engine.runtime.loading import sign_version
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.inputs import first_daily
from tests.support.models import unstored
from tests.support.project import ROOT
from tests.support.serving import DEADLINE, environment
from tests.support.table_bodies import CSV, PARCEL, PARCELS, ask, write_csv

SIGNING_KEY = "a-secret-of-the-tests-0123456789"
FLASK = [sys.executable, "-m", "flask"]


def every(*commands: click.Command, path: str = "flask") -> Iterator[tuple[str, click.Command]]:
    for one in commands:
        if isinstance(one, click.Group):
            yield from every(*one.commands.values(), path=f"{path} {one.name}")
        else:
            yield f"{path} {one.name}", one


def flask(*arguments: str, **settings: object) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*FLASK, *arguments], cwd=ROOT, env=environment(**settings), capture_output=True,
        timeout=DEADLINE, check=False,
    )  # fmt: skip


#: The commands that find predictions by an identifier.
LOG_VERBS = ("tail", "export", "delete")


@pytest.mark.parametrize("entry", first_daily(*every(*COMMANDS)), ids=lambda entry: entry[0])
def test_help_of_every_command_has_examples_and_each_runs(
    entry: tuple[str, click.Command], credit_store: ModelStore, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path, command = entry
    _, _, text = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    examples = [shlex.split(line) for line in text.splitlines()]
    store = ModelStore(tmp_path / "store", signing_key=SIGNING_KEY)
    shutil.copytree(credit_store.root, store.root)
    new = store.promoted("credit")
    assert sign_version(store, "credit", new) is None
    card = store.read_card("credit")
    files = {name: (store.root / "credit" / new / name).read_bytes() for name in card["files"]}
    body = unstored(card)
    old = store.write({**body, "created_at": "2020-01-02T03:04:05+00:00"}, files)
    store.promote("credit", old)
    store.promote("credit", new)
    if path != "flask models deploy":  # which would look for a bucket
        store.give_name("credit", old, "v3")
    KeyFile(tmp_path / "keys.json").add(replace(make_key("somebody")[1], id="1a2b3c4d"))
    monkeypatch.chdir(tmp_path)
    records = re.sub("^[^,]*,", "", (ROOT / "data/credit_sample.csv").read_text(), flags=re.M)
    Path("applicants.csv").write_text(records.lower())
    table = pyarrow.csv.read_csv("applicants.csv", convert_options=texts())
    pq.write_table(table, "applicants.parquet")
    Path("repaid.csv").write_text(f"id,value\n{'0' * 32},true\n")
    Path("orders.csv").write_text(f"id,Status\n{'0' * 32},good\n")
    # No prediction is logged here, so drift cannot be told, nothing has an identifier, and there
    # are no jobs. No version is newer than the promoted one and better.
    failing = ("work", "models promote", "models deploy", *(f"log {verb}" for verb in LOG_VERBS))
    others = {"flask check-drift": {1, 2}} | {f"flask {words}": {1} for words in failing}
    codes = {0, *others.get(path, ())}

    assert examples
    for words in examples:
        assert path.split() == words[: len(path.split())]
        asked = [old if re.fullmatch(r"\d{8}T\d{6}Z-\w{5}", one) else one for one in words[1:]]
        keys = {"keys_file": tmp_path / "keys.json", "signing_key": SIGNING_KEY}
        app = serve(store, "credit", **keys)
        done = app.test_cli_runner().invoke(args=asked, input="y\n")
        assert done.exit_code in codes, (words, done.stderr)
        assert "Usage:" not in done.stderr, words
        assert "--json" not in words or json.loads(done.stdout)


def texts() -> pyarrow.csv.ConvertOptions:
    """Let empty cells be gaps, also in columns of text."""
    return pyarrow.csv.ConvertOptions(strings_can_be_null=True)


@pytest.mark.parametrize(("path", "command"), [*every(*COMMANDS)], ids=lambda one: str(one)[:40])
def test_every_command_can_answer_in_json(path: str, command: click.Command) -> None:
    assert "--json" in [word for one in command.params for word in one.opts]


@pytest.mark.slow
def test_process_when_asked_answers_as_the_service(toy_store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(write_csv(PARCELS))
    client = serve(toy_store, "parcel").test_client()
    chosen = {"model_store": toy_store.root, "default_model": "parcel"}

    listed = flask("models", "list", "--json", **chosen)
    done = flask("predict", str(tmp_path / "in.csv"), **chosen)

    assert [(0, b"")] * 2 == [(one.returncode, one.stderr) for one in (listed, done)]
    assert {"parcel", "rent", "coin"} == {
        one["model"] for one in json.loads(listed.stdout)["versions"]
    }
    assert ask(client, write_csv(PARCELS), CSV, CSV).data == done.stdout


@pytest.mark.slow
def test_process_when_nobody_reads_on_ends_in_silence(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_bytes(write_csv([PARCEL] * 20_000))
    command = [*FLASK, "predict", str(tmp_path / "in.csv")]
    chosen = environment(model_store=toy_store.root, default_model="parcel")

    with subprocess.Popen(
        command, cwd=ROOT, env=chosen, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"value,")
        process.stdout.close()
        assert b"" == process.stderr.read()


def test_process_when_a_setting_is_wrong_says_so_in_a_sentence() -> None:
    done = flask("models", "list", port="many", threads="0")

    assert (2, b"") == (done.returncode, done.stdout)
    assert b"Traceback" not in done.stderr
    for word in (b"PORT is 'many': give ", b"THREADS is '0': give "):
        assert word in done.stderr


@pytest.mark.slow
def test_process_when_nothing_is_stored_says_how_to_train(tmp_path: Path) -> None:
    chosen = {"model_store": tmp_path / "nothing", "default_model": "rent"}

    listed = flask("models", "list", **chosen)
    shown = flask("models", "show", "rent", **chosen)

    assert (0, 1) == (listed.returncode, shown.returncode)
    for said in (listed.stdout, shown.stderr):
        assert b"python build_model.py rent" in said
        assert b"Traceback" not in said


def test_csv_when_a_class_holds_line_ends_reads_back(toy_store: ModelStore, tmp_path: Path) -> None:
    card = toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    body = unstored(card)
    store = ModelStore(tmp_path / "store")
    labels = ["one\nline", "another\r", 'a "third", last']
    example = {**card["example"], "value": labels[card["classes"].index(card["example"]["value"])]}
    body |= {"classes": labels, "example": example, "golden": []}
    store.promote("parcel", store.write(body, files))
    (tmp_path / "in.csv").write_bytes(write_csv(PARCELS))
    client = serve(store, "parcel").test_client()
    plain = ask(client, write_csv(PARCELS), CSV).get_json()["predictions"]

    runner = serve(store, "parcel").test_cli_runner()
    for columns, before in (("predictions", 0), ("keep", len(PARCEL))):
        done = runner.invoke(args=["predict", str(tmp_path / "in.csv"), "--columns", columns])
        rows = list(csv.reader(io.StringIO(done.stdout_bytes.decode(), newline="")))
        assert [one["value"] for one in plain] == [row[before] for row in rows[1:]]
        assert [f"probability_{label}" for label in labels] == rows[0][before + 2 : -1]
