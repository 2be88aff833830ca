"""Jobs whose workers are killed are answered once, and webhooks are told of them."""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from engine.api.job_runner import PAUSES
from persistence import prediction_jobs
from persistence.bucket.client import Bucket
from persistence.model_persistence import ModelStore
from tests.api.test_jobs import LATER, ask, of, runner, shared_of, table
from tests.monitoring.test_drain import forked, kill
from tests.monitoring.test_drift_reports import receiver
from tests.support.logged import drained, logging
from tests.support.models import EXAMPLES
from tests.support.s3 import BUCKET

KEY = b"0123456789abcdefghijklmn"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def answer_for_ever(make: Callable[[], Flask]) -> None:
    work = runner(make())
    while True:
        work.run_due()


@pytest.mark.parametrize(
    ("kind", "rounds"),
    [
        ("sqlite", 2), pytest.param("sqlite", 10, marks=pytest.mark.slow),
        pytest.param("postgresql", 10, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_jobs_when_all_workers_are_killed_are_answered_once(
    toy_store: ModelStore, tmp_path: Path, request: pytest.FixtureRequest, kind: str, rounds: int
) -> None:
    folder, moment = tmp_path / "log", random.SystemRandom()
    is_sqlite = kind == "sqlite"
    address = "" if is_sqlite else request.getfixturevalue("postgresql").address

    def make() -> Flask:
        return logging(toy_store, folder, database_url=address)

    app = make()
    client, jobs = app.test_client(), []
    expected = ask(client, table(40), Content_Type="text/csv", Accept="text/csv").data
    url = f"sqlite:///{folder}/log.sqlite3" if is_sqlite else address
    engine = create_engine(url.replace("postgres://", "postgresql+psycopg://"))
    for _ in range(rounds):
        jobs += [
            ask(client, table(40), Content_Type="text/csv", Accept="text/csv", **LATER).json
            for _ in range(4)
        ]
        children = [forked(lambda: answer_for_ever(make)) for _ in range(2)]
        time.sleep(moment.uniform(0.05, 0.3))
        kill(children)
        with engine.begin() as connection:  # a minute passes
            query = "UPDATE prediction_jobs SET due = 0, attempts = 0 WHERE due IS NOT NULL"
            connection.execute(text(query))
    engine.dispose()
    runner(app).run_due()

    logged = drained(folder, address)
    for job in jobs:
        assert ("done", 40) == of(client.get(job["links"]["self"]).json, "status", "rows")
        assert expected == client.get(job["links"]["result"]).data
        assert 40 == sum(each.startswith(job["id"]) for each in logged)
    assert len(jobs) == len([*folder.glob("jobs/*/*")])  # each has its answer, and nothing else


def test_webhook_is_told_signed_until_it_says_yes(toy_store: ModelStore, tmp_path: Path) -> None:
    with receiver(500) as (refusing, got):
        app = logging(
            toy_store, tmp_path, webhooks=f"orders={refusing}/done", webhook_secret=SECRET
        )
        accepted = ask(app.test_client(), EXAMPLES["parcel"], Webhook="orders", **LATER).json
        runner(app).run_due()
    jobs = shared_of(app).jobs
    assert jobs is not None
    first = jobs.find(accepted["id"])
    assert first is not None
    assert first.finished is not None
    assert first.due is not None
    assert abs(first.due - first.finished - PAUSES[0]) < 2
    with receiver() as (taking, again):
        shared_of(app).webhooks.addresses = {"orders": f"{taking}/done"}
        jobs.release(first)
        runner(app).run_due()

    ((path, headers, body),), ((_, headers_again, body_again),) = got, again
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert ("/done", f"v1,{signature}") == (path, headers["webhook-signature"])
    assert accepted["id"] == headers["webhook-id"] == headers_again["webhook-id"]
    assert body == body_again
    told = json.loads(body)
    assert ("job.done", accepted["id"]) == (told["type"], told["data"]["id"])
    last = jobs.find(accepted["id"])
    assert last is not None
    assert last.due is None


def test_webhook_that_did_not_answer_is_told_again_after_what_waits(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with receiver() as (nobody, _):
        pass
    app = logging(toy_store, tmp_path, webhooks=f"orders={nobody}", webhook_secret=SECRET)
    jobs: Any = shared_of(app).jobs
    client = app.test_client()
    first = ask(client, EXAMPLES["parcel"], Webhook="orders", **LATER).json["id"]
    runner(app).run_due()
    jobs.release(jobs.find(first))
    second = ask(client, EXAMPLES["parcel"], **LATER).json["id"]

    assert [second, first] == [jobs.claim().id, jobs.claim().id]


def test_webhook_is_told_the_addresses_that_the_client_knows(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with receiver() as (taking, got):
        app = logging(
            toy_store, tmp_path, webhooks=f"orders={taking}", webhook_secret=SECRET,
            forwarded_prefix=True,
        )  # fmt: skip
        given = {"Webhook": "orders", "X_Forwarded_Prefix": "/below"}
        accepted: Any = ask(app.test_client(), EXAMPLES["parcel"], **given, **LATER)
        runner(app).run_due()

    assert accepted.headers["Location"].startswith("/below/v0/jobs/")
    assert accepted.json["links"] == json.loads(got[0][2])["data"]["links"]


def test_webhook_that_never_answers_is_given_up(toy_store: ModelStore, tmp_path: Path) -> None:
    with receiver() as (nobody, _):
        pass
    app = logging(toy_store, tmp_path, webhooks=f"orders={nobody}", webhook_secret=SECRET)
    accepted = ask(app.test_client(), EXAMPLES["parcel"], Webhook="orders", **LATER).json
    jobs: Any = shared_of(app).jobs

    pauses = []
    while (job := jobs.find(accepted["id"])).due is not None:
        pauses.append(job.due)
        jobs.release(job, attempts=job.attempts)
        runner(app).run_due()

    assert 1 + len(PAUSES) == len(pauses)  # the first time it was also answered
    assert "done" == job.state


@pytest.mark.slow
@pytest.mark.usefixtures("proxy")
def test_answer_from_a_bucket_is_fetched_by_another_application(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_jobs, "PART_BYTES", 1000)
    receiving, working, telling = (
        logging(toy_store, tmp_path, job_store=f"s3://{BUCKET}/jobs") for _ in range(3)
    )
    kinds = {"Content_Type": "text/csv", "Accept": "text/csv"}
    expected = ask(receiving.test_client(), table(500), **kinds).data

    links = ask(receiving.test_client(), table(500), **kinds, **LATER).json["links"]
    runner(working).run_due()
    answer = telling.test_client().get(links["result"])

    assert len(expected) == answer.content_length > 10_000
    assert expected == answer.data
    assert 204 == telling.test_client().delete(links["self"]).status_code
    assert [] == Bucket(f"s3://{BUCKET}/jobs").list_keys()


def test_jobs_when_their_days_are_over_are_gone(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = logging(toy_store, tmp_path)
    client = app.test_client()
    address = ask(client, EXAMPLES["parcel"], **LATER).headers["Location"]
    runner(app).run_due()
    now: Callable[[], float] = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 8 * 86_400)

    runner(app).run_due()

    assert 404 == client.get(address).status_code
    assert [] == [*(tmp_path / "jobs").iterdir()]


def test_body_whose_process_was_killed_takes_no_place_and_goes(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = logging(toy_store, tmp_path, max_jobs=1)
    jobs, client = shared_of(app).jobs, app.test_client()
    assert jobs is not None

    def die() -> Iterator[bytes]:
        yield b"x"
        raise SystemExit

    with monkeypatch.context() as killed:
        killed.setattr(jobs, "remove", lambda job: None)  # nothing is tidied up
        with pytest.raises(SystemExit):
            jobs.receive("*", {}, "", die())
    statuses = [ask(client, EXAMPLES["parcel"], **LATER).status_code]
    now: Callable[[], float] = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 61)
    statuses.append(ask(client, EXAMPLES["parcel"], **LATER).status_code)
    runner(app).run_due()
    monkeypatch.setattr(time, "time", lambda: now() + 3700)
    jobs.prune()

    assert [503, 202] == statuses
    assert 1 == len([*(tmp_path / "jobs").iterdir()])


def test_body_while_it_arrives_keeps_its_place(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = logging(toy_store, tmp_path, max_jobs=1)
    client, statuses = app.test_client(), []
    jobs: Any = shared_of(app).jobs
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    def slow() -> Iterator[bytes]:
        for minute in range(4):
            past = 50 * minute
            monkeypatch.setattr(time, "monotonic", lambda past=past: monotonic() + past)
            monkeypatch.setattr(time, "time", lambda past=past: now() + past)
            yield b"x"
            assert jobs.claim() is None
            statuses.append(ask(client, EXAMPLES["parcel"], **LATER).status_code)

    job = jobs.receive("*", {}, "", slow())

    assert [503] * 4 == statuses
    assert (job.id, 4) == (jobs.claim().id, job.request["size"])


def test_job_of_a_command_has_nothing_of_the_one_before(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path)
    client: Any = app.test_client()
    good, bad = (
        ask(client, content, Content_Type="text/csv", **LATER).json["links"]
        for content in (table(3), table(3) + "1,2\n")
    )

    with app.app_context():  # as in `flask work`
        runner(app).run_due()

    assert [3, 4] == [client.get(links["self"]).json["rows"] for links in (good, bad)]
    assert "X-Prediction-Id" in client.get(good["result"]).headers
    assert "X-Prediction-Id" not in client.get(bad["result"]).headers


def test_answer_for_which_there_is_no_room_leaves_nothing(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_jobs, "PART_BYTES", 10)
    app = logging(toy_store, tmp_path)
    jobs: Any = shared_of(app).jobs
    ask(app.test_client(), EXAMPLES["parcel"], **LATER)
    job = jobs.claim()

    def fill() -> Iterator[bytes]:
        yield b"x" * 25
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        jobs.finish(job, 200, {}, fill())

    assert ["body"] == [path.name for path in tmp_path.glob("jobs/*/*")]
