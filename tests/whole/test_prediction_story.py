"""A service on PostgreSQL, from its first prediction to the report that the rows have moved.

5,000 applicants are answered while workers and the drain are killed. All that was acknowledged
is in the log once; drift and quality are what a computation without the log says.
"""

import csv
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from models import find
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import Selection
from tests.support.postgresql import Postgresql
from tests.support.project import ROOT
from tests.support.serving import Server, environment, running, wait_until

pytestmark = pytest.mark.slow

#: How many are answered, in two halves, and after how many a process is killed.
APPLICANTS, BETWEEN_KILLS = 5000, 800

CLIENTS = 4


class Acknowledged(NamedTuple):
    """What a client was told, and what it had asked."""

    id: str
    record: dict[str, Any]
    truth: bool
    value: bool
    probability: float  # of the positive class


class Clients:
    """Ask for applicants until all are answered, on connections that may be cut at any time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: list[Acknowledged] = []
        self._lock = threading.Lock()

    def ask(self, applicants: list[tuple[dict[str, Any], bool]]) -> None:
        """Ask for each applicant until there is an answer; kill a process now and then."""
        waiting = iter(applicants)
        draw = random.Random(3)  # noqa: S311
        end = len(self.acknowledged) + len(applicants)
        threads = [threading.Thread(target=self._ask_some, args=(waiting,)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for threshold in range(len(self.acknowledged) + BETWEEN_KILLS, end, BETWEEN_KILLS):
            wait_until(lambda: len(self.acknowledged) >= threshold, "answers")  # noqa: B023
            processes = self.server.workers()
            if processes:
                os.kill(draw.choice(processes), signal.SIGKILL)
        for thread in threads:
            thread.join()
        assert end == len(self.acknowledged)

    def _ask_some(self, waiting: Iterator[tuple[dict[str, Any], bool]]) -> None:
        connection = self.server.connect()
        while True:
            with self._lock:
                record, truth = next(waiting, (None, False))
            if record is None:
                connection.close()
                return
            while (answer := self._post(connection, record)) is None:
                connection.close()
            body, identifier = answer
            said = body["prediction"]
            self.acknowledged.append(
                Acknowledged(
                    identifier, record, truth, said["value"], said["probabilities"]["true"]
                )
            )

    @staticmethod
    def _post(connection: Any, record: dict[str, Any]) -> tuple[Any, str] | None:
        """Return an answer and its id; None where the connection was cut."""
        kind = {"Content-Type": "application/json"}
        try:
            connection.request("POST", "/v0/predict", json.dumps(record), kind)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException):
            return None
        assert 200 == answer.status, body
        return json.loads(body), answer.getheader("X-Prediction-Id")


def applicants(draw: random.Random, count: int) -> list[tuple[dict[str, Any], bool]]:
    """Invent applicants as those of the sample, as JSON records, and who is a good payer."""
    fields = find("credit").fields
    make_applicant = runpy.run_path(str(ROOT / "data/make_credit_sample.py"))["make_applicant"]
    found = []
    for _ in range(count):
        row = make_applicant(draw)
        record = {field.name: row[field.column] for field in fields}
        record = {name: None if value == "" else value for name, value in record.items()}
        found.append((record | {"records": row["Records"] == "yes"}, row["Status"] == "good"))
    return found


def moved(draw: random.Random, record: dict[str, Any]) -> dict[str, Any]:
    """Let prices rise, and owners become tenants."""
    home = "rent" if record["home"] == "owner" and draw.random() < 0.5 else record["home"]
    return record | {"price": round(record["price"] * 1.4), "home": home}


@pytest.fixture
def address(postgresql: Postgresql) -> Iterator[str]:
    """A database of the story's own."""
    with psycopg.connect(postgresql.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE story")
        yield postgresql.address.removesuffix("postgres") + "story"
        connection.execute("DROP DATABASE story WITH (FORCE)")


def command(*arguments: str, settings: dict[str, Any]) -> tuple[int, Any]:
    """Run a command of `flask`; return its exit code and what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *arguments, "--json"], cwd=ROOT,
        env=environment(**settings), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_story_from_the_first_prediction_to_the_report(
    credit_store: ModelStore, address: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "model_store": credit_store.root, "default_model": "credit", "prediction_log": "async",
        "prediction_folder": tmp_path / "predictions", "database_url": address,
    }  # fmt: skip
    draw = random.Random(11)  # noqa: S311
    first = applicants(draw, APPLICANTS // 2)
    second = [(moved(draw, record), truth) for record, truth in applicants(draw, APPLICANTS // 2)]

    with running(tmp_path, **settings) as server:
        clients = Clients(server)
        clients.ask(first)
        boundary = datetime.now(UTC).isoformat()
        clients.ask(second)
        wait_until(lambda: server.answers("/livez"), "a worker after the last kill")
        told = [{"id": each.id, "value": each.truth} for each in clients.acknowledged]
        for start in range(0, len(first), 500):
            feedback = told[start : start + 500]
            assert 202 == server.ask("/v0/models/credit/feedback", feedback)[0]
            assert 202 == server.ask("/v0/models/credit/feedback", feedback)[0]  # it comes again
        server.stop()
    late = tmp_path / "late.csv"
    with late.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "value"), *((each["id"], each["value"]) for each in told[len(first) :])]
        )

    assert 0 == command("log", "drain", settings=settings)[0]
    assert 0 == command("feedback", str(late), "--model", "credit", settings=settings)[0]
    assert_logged_once(clients.acknowledged, address)
    assert_moved(boundary, settings)
    assert_quality(clients.acknowledged, settings)


def assert_logged_once(acknowledged: list[Acknowledged], address: str) -> None:
    database = PredictionDatabase(address)
    rows = [row for block in database.select(Selection(model="credit")) for row in block]
    database.close()
    stored = {row.id: row for row in rows}

    times = Counter(row.id for row in rows)
    assert 1 == max(times.values())
    assert APPLICANTS == len({each.id for each in acknowledged})
    for each in acknowledged:
        row = stored[each.id]
        assert (each.record, each.value) == (row.record, row.value)
        assert each.probability == row.probability
    # What was answered to nobody may be there, too: a request for each connection that was cut.
    assert len(rows) - APPLICANTS <= CLIENTS * 2 * (APPLICANTS // BETWEEN_KILLS)


def assert_moved(boundary: str, settings: dict[str, Any]) -> None:
    before = command("check-drift", "credit", "--until", boundary, settings=settings)
    after = command("check-drift", "credit", "--since", boundary, settings=settings)

    assert (0, []) == (before[0], before[1]["shifted"])
    assert 1 == after[0]
    own = {name for name in after[1]["shifted"] if not name.startswith("(")}
    assert {"price", "home"} == own


def assert_quality(acknowledged: list[Acknowledged], settings: dict[str, Any]) -> None:
    _, measured = command("quality", "credit", settings=settings)
    (group,) = measured["groups"]

    truth = [each.truth for each in acknowledged]
    values = [each.value for each in acknowledged]
    probabilities = [each.probability for each in acknowledged]
    assert (APPLICANTS, 0) == (group["n"], measured["contradicted"])
    scores = {name: score["value"] for name, score in group["scores"].items()}
    assert pytest.approx(accuracy_score(truth, values), abs=1e-12) == scores["accuracy"]
    assert pytest.approx(roc_auc_score(truth, probabilities), abs=1e-12) == scores["roc_auc"]
