"""Back up while predictions go on, destroy everything, restore; by docs/how-to/back-up.md."""

import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from models import find
from persistence.api_keys import KeyFile, make_key
from persistence.bucket.client import Bucket
from persistence.bucket.keys import BucketKeys
from tests.deploy.rehearsals import Absent, Proof
from tests.support.pages import blocks
from tests.support.postgresql import run_postgresql
from tests.support.project import ROOT, copy_project
from tests.support.s3 import s3_server, variables
from tests.support.serving import Server, environment, running, wait_until

PAGE = ROOT / "docs/how-to/back-up.md"


class Place(NamedTuple):
    """Where a service keeps things, and what the page calls that.

    Attributes
    ----------
    settings : dict
        Of the service and the commands.
    destroy : callable
        Deletes all that has to come out of the backup.
    logged : callable
        Returns the ids of the predictions in the log.
    """

    name: str
    settings: dict[str, Any]
    keys: KeyFile
    destroy: Callable[[], None]
    logged: Callable[[], set[str]]


class Seen(NamedTuple):
    """What a service has shown before the backup and after the restoring."""

    requests: int
    lost: int
    seconds: float


def rehearse() -> list[Proof]:
    """Rehearse both forms of the page, with the credit sample."""
    for program in ("sqlite3", "pg_dump", "pg_restore", "aws"):
        if not shutil.which(program):
            raise Absent(f"{program} is not here: install sqlite3, postgresql-client and awscli")
    proofs = []
    for form in (one_machine, bucket_and_postgresql):
        with TemporaryDirectory() as folder, ExitStack() as exits:
            project = project_with_commands(Path(folder))
            place = form(project, exits)
            run(project, place, ".venv/bin/python build_model.py credit")
            seen = lose_everything(project, place, find("credit").schema.example())
            what = "backed up under load, all destroyed, restored"
            proofs.append(
                Proof(place.name, what, seen.seconds, requests=seen.requests, lost=seen.lost)
            )
    return proofs


def project_with_commands(folder: Path) -> Path:
    """Copy the project to a folder of its own, where the commands of the page are found."""
    project = copy_project(folder / "project", with_sample=True)
    (project / ".venv").symlink_to(sys.prefix)
    return project


def one_machine(project: Path, _: ExitStack) -> Place:
    """Return a service that keeps all in its folder."""

    def destroy() -> None:
        for name in ("artifacts", "predictions"):
            shutil.rmtree(project / name)
        (project / "keys.json").unlink()

    def logged() -> set[str]:
        with sqlite3.connect(project / "predictions/log.sqlite3") as connection:
            return {found for (found,) in connection.execute("SELECT id FROM prediction_log")}

    settings = {
        "keys_file": "keys.json", "model_store": "artifacts", "prediction_folder": "predictions",
        "prediction_log": "async",
    }  # fmt: skip
    keys = KeyFile(project / "keys.json")
    return Place("one machine", settings, keys, destroy, logged)


def bucket_and_postgresql(project: Path, exits: ExitStack) -> Place:
    """Return a service whose disk has nothing that is missed."""
    import psycopg

    port = exits.enter_context(s3_server())
    address = exits.enter_context(run_postgresql()).address
    os.environ |= variables(port)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", "/bucket")
    assert connection.getresponse().status == 200

    def destroy() -> None:
        bucket = Bucket("s3://bucket")
        for key in bucket.list_keys():
            bucket.remove(key)
        for name in ("predictions", ".model-cache"):
            shutil.rmtree(project / name)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def logged() -> set[str]:
        with psycopg.connect(address) as connection:
            return {found for (found,) in connection.execute("SELECT id FROM prediction_log")}

    settings = {
        "keys_file": "s3://bucket/keys.json", "model_store": "s3://bucket/models",
        "job_store": "s3://bucket/jobs", "database_url": address, "prediction_log": "async",
        "prediction_folder": "predictions", "model_cache": ".model-cache",
    }  # fmt: skip
    keys = BucketKeys("s3://bucket/keys.json", project / "our-keys")
    return Place("a bucket and PostgreSQL", settings, keys, destroy, logged)


def lose_everything(project: Path, place: Place, record: dict[str, Any]) -> Seen:
    """Back up while predictions go on, destroy, restore; see that all is as it was."""
    begun = time.monotonic()
    (valid, key), (removed, gone) = make_key("ana"), make_key("rui")
    for each in (key, gone):
        place.keys.add(each)
    place.keys.remove(gone.id)
    settings = {**place.settings, "train_if_absent": False}

    def statuses(server: Server) -> list[int]:
        return [server.ask("/v0/models", **{"x-api-key": text})[0] for text in (valid, removed)]

    later: dict[str, Any] = {**settings, "jobs_in_web": False}
    with running(project, project=project, until="/readyz", **later) as server:
        wait_until(lambda: statuses(server) == [200, 401], "the keys")
        job = begin_job(server, valid, record)
        with Requests(server, valid, record) as sent:
            sent.wait_for(50)
            before = [answer.identifier for answer in sent.answers]
            run(project, place, script(f"back up {place.name}"))
            sent.wait_for(len(sent.answers) + 10)
        assert 0 == server.stop()
    place.destroy()
    run(project, place, script(f"restore {place.name}"))
    assert {*before} <= place.logged() <= {answer.identifier for answer in sent.answers}
    with running(project, project=project, until="/readyz", **settings) as server:
        wait_until(lambda: statuses(server)[0] == 200, "the keys")
        assert 401 == statuses(server)[1]
        with Requests(server, valid, record) as again:
            again.wait_for(10)
        status, told = wait_for_job(server, valid, job)
        assert (200, sent.answers[0].text) == (status, text_of(told)), told
    answers = [*sent.answers, *again.answers]
    assert 1 == len({answer.text for answer in answers if answer.status == 200})
    lost = sum(answer.status != 200 for answer in answers)
    return Seen(len(answers), lost, time.monotonic() - begun)


def begin_job(server: Server, key: str, record: dict[str, Any]) -> str:
    """Send a request that is to be answered later; return the path of its job."""
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    status, job = server.ask("/v0/predict", json.dumps(record), **headers, **{"x-api-key": key})
    assert status == 202, job
    return f"/v0/jobs/{job['id']}"


def wait_for_job(server: Server, key: str, path: str) -> tuple[int, Any]:
    """Wait for the end of a job; return its result."""
    header = {"x-api-key": key}
    over = ("done", "failed")
    wait_until(lambda: server.ask(path, **header)[1]["status"] in over, f"the end of {path}")
    return server.ask(f"{path}/result", **header)


def text_of(answer: dict[str, Any]) -> str:
    """Return what is the same in all answers to a record by a version."""
    return json.dumps([answer.get("model"), answer.get("prediction")])


def run(project: Path, place: Place, commands: str) -> None:
    """Run commands in the project as a person does; the first that fails ends all."""
    subprocess.run(
        ["bash", "-e", "-c", commands], cwd=project, env=environment(**place.settings), check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def script(title: str) -> str:
    """Return the commands of the page under a title."""
    (text,) = (block.text for block in blocks(PAGE) if block.title == title)
    return text


class Answer(NamedTuple):
    """What a request got: the id in the log, the version and the prediction as text."""

    status: int
    identifier: str
    text: str


class Requests(threading.Thread):
    """Predictions of one record, one after the other, until the block ends."""

    def __init__(self, server: Server, key: str, record: dict[str, Any]) -> None:
        super().__init__()
        self._server, self._body, self._is_over = server, json.dumps(record), threading.Event()
        self._headers = {"x-api-key": key, "Content-Type": "application/json"}
        self.answers: list[Answer] = []

    def __enter__(self) -> "Requests":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.join()

    def run(self) -> None:
        """Send requests; what gets no answer is an answer with status 0."""
        connection = self._server.connect()
        while not self._is_over.is_set():
            try:
                connection.request("POST", "/v0/predict", self._body, self._headers)
                found = connection.getresponse()
                answer = json.loads(found.read())
                identifier = found.headers["X-Prediction-Id"] or ""
                self.answers.append(Answer(found.status, identifier, text_of(answer)))
            except (OSError, http.client.HTTPException):
                self.answers.append(Answer(0, "", ""))
                connection.close()
            time.sleep(0.005)  # more would only fill the log

    def wait_for(self, number: int) -> None:
        """Wait for so many answers."""
        wait_until(lambda: len(self.answers) >= number, f"{number} answers")
