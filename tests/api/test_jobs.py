"""`Prefer: respond-async`: accepted at once, answered later as without it, once."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from engine.api.job_runner import MOST_ATTEMPTS, JobRunner, RunningJob, Stopped
from engine.api.resources import Resources
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import ask_loop, serve
from tests.support.logged import drained, logging
from tests.support.models import EXAMPLES

LATER = {"Prefer": "respond-async"}
#: What two answers to the same request differ in.
OWN = ("request_id", "prediction_time")


def shared_of(app: Flask) -> Resources:
    shared: Resources = app.extensions["resources"]
    return shared


def runner(app: Flask) -> JobRunner:
    shared = shared_of(app)
    assert shared.jobs is not None
    return JobRunner(app, shared.jobs, shared.webhooks, shared.stopping)


def ask(client: FlaskClient, body: Any, path: str = "/v0/predict", **headers: str) -> Any:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, data=content, headers={"Content-Type": "application/json", **named})


def without_own(answer: Any) -> Any:
    if answer.mimetype not in ("application/json", "application/problem+json"):
        return answer.data
    return {name: value for name, value in answer.get_json().items() if name not in OWN}


@pytest.fixture
def app(toy_store: ModelStore, tmp_path: Path) -> Flask:
    return logging(toy_store, tmp_path)


def table(rows: int) -> str:
    values = ",".join(f'"{str(value).lower()}"' for value in EXAMPLES["parcel"].values())
    return "\n".join([",".join(EXAMPLES["parcel"]), *[values] * rows]) + "\n"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (EXAMPLES["parcel"], {}, 200),
        ([EXAMPLES["parcel"]] * 3, {"Accept": "text/csv"}, 200),
        (table(70), {"Content_Type": "text/csv"}, 200),
        (table(7), {"Content_Type": "text/csv", "Accept": "application/x-ndjson"}, 200),
        ({"color": 1}, {}, 422),
        ({"color": 1}, {"Accept_Language": "pt-BR"}, 422),
        ("{", {}, 400),
        (table(2) + "1,2,3\n4\n", {"Content_Type": "text/csv"}, None),
    ],
)  # fmt: skip
def test_answer_when_given_later_is_that_given_at_once(
    app: Flask, body: Any, headers: dict[str, str], status: int | None
) -> None:
    client = app.test_client()
    expected = ask(client, body, **headers)
    assert status in (None, expected.status_code)

    accepted = ask(client, body, **headers, **LATER)
    address = accepted.headers["Location"]
    waiting = client.get(f"{address}/result")
    runner(app).run_due()
    answer, told = client.get(f"{address}/result"), read_strictly(client.get(address).data)

    assert (202, "respond-async") == (
        accepted.status_code, accepted.headers["Preference-Applied"]
    )  # fmt: skip
    assert {"id", "status", "rows", "created", "started", "finished", "links"} == {*accepted.json}
    assert ("queued", address) == (accepted.json["status"], accepted.json["links"]["self"])
    assert (409, "1") == (waiting.status_code, waiting.headers["Retry-After"])
    assert ("done" if expected.status_code == 200 else "failed") == told["status"]
    assert (expected.status_code, expected.mimetype) == (answer.status_code, answer.mimetype)
    assert without_own(expected) == without_own(answer)
    assert expected.headers.get("X-Model-Version") == answer.headers.get("X-Model-Version")


def test_rows_of_a_job_are_logged_once_under_its_id(app: Flask, tmp_path: Path) -> None:
    kills: list[type[BaseException]] = []

    @app.after_request
    def kill(response: Response) -> Response:
        """Die once the rows are logged, before the answer is stored."""
        for kind in kills:
            raise kind
        return response

    client = app.test_client()
    accepted = ask(client, table(3), Content_Type="text/csv", **LATER).json
    kills.append(SystemExit)
    with pytest.raises(SystemExit):
        runner(app).run_due()
    kills.clear()
    end_leases(tmp_path)

    runner(app).run_due()

    assert [f"{accepted['id']}-{row}" for row in range(3)] == sorted(drained(tmp_path))
    assert ("done", 3) == of(
        read_strictly(client.get(accepted["links"]["self"]).data), "status", "rows"
    )


def end_leases(folder: Path) -> None:
    """Let a minute pass since the last renewal."""
    with closing(sqlite3.connect(folder / "log.sqlite3")) as connection, connection:
        connection.execute("UPDATE prediction_jobs SET due = 0 WHERE state = 'running'")


def of(values: Any, *names: str) -> tuple[Any, ...]:
    return tuple(values[name] for name in names)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v0/models/absent/predict", {}, 404),
        ("/v0/models/parcel/versions/20200101T000000Z-00000/predict", {}, 404),
        ("/v0/predict", {"Accept": "image/png"}, 406),
        ("/v0/predict", {"Content_Type": "image/png"}, 415),
        ("/v0/predict?threshold=2", {}, 400),
        ("/v0/predict", {"Webhook": "orders"}, 400),
    ],
)
def test_request_when_plainly_wrong_is_refused_at_once(
    app: Flask, path: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(app.test_client(), EXAMPLES["parcel"], path, **headers, **LATER)

    assert status == answer.status_code
    jobs = shared_of(app).jobs
    assert jobs is not None
    assert jobs.claim() is None


def test_event_loop_leaves_a_request_for_later_to_the_application(app: Flask) -> None:
    body = json.dumps(EXAMPLES["parcel"]).encode()

    plain, later = ask_loop(
        app, [("/v0/predict", {}, body), ("/v0/predict", {b"prefer": b"respond-async"}, body)]
    )

    assert plain is not None
    assert later is None


def test_preference_without_a_database_is_passed_over(toy_store: ModelStore) -> None:
    answer = ask(serve(toy_store, "parcel").test_client(), EXAMPLES["parcel"], **LATER)

    assert 200 == answer.status_code
    assert "Preference-Applied" not in answer.headers


def test_job_when_deleted_is_not_answered_and_may_be_deleted_again(
    app: Flask, tmp_path: Path
) -> None:
    client = app.test_client()
    address = ask(client, EXAMPLES["parcel"], **LATER).headers["Location"]

    statuses = [client.delete(address).status_code for _ in range(2)]
    runner(app).run_due()

    assert [204, 204] == statuses
    assert [404, 404] == [client.get(each).status_code for each in (address, f"{address}/result")]
    assert 404 == client.delete("/v0/jobs/none").status_code
    assert [] == [*(tmp_path / "jobs").iterdir()]
    assert {} == drained(tmp_path)


@pytest.mark.parametrize("is_stopping", [True, False])
def test_job_when_it_is_not_to_go_on_stops(app: Flask, is_stopping: bool) -> None:  # noqa: FBT001
    client, shared = app.test_client(), shared_of(app)
    accepted = ask(client, table(2), Content_Type="text/csv", **LATER).json
    jobs = shared.jobs
    assert jobs is not None
    job = jobs.claim()
    assert job is not None
    if is_stopping:
        shared.stopping.set()
    else:
        client.delete(accepted["links"]["self"])

    with pytest.raises(Stopped):
        RunningJob(job, jobs, shared.stopping).note_progress()
    if is_stopping:
        runner(app)._answer(job)
        shared.stopping.clear()

    again = jobs.claim()
    assert is_stopping == (again is not None)
    assert again is None or (job.id, 1) == (again.id, again.attempts)


def test_job_when_it_kills_its_workers_fails(app: Flask) -> None:
    client = app.test_client()
    accepted = ask(client, EXAMPLES["parcel"], X_Request_Id="mine", **LATER)
    jobs = shared_of(app).jobs
    assert jobs is not None
    for _ in range(MOST_ATTEMPTS):
        job = jobs.claim()
        assert job is not None
        jobs.release(job)  # as when its lease has ended

    runner(app).run_due()
    answer = client.get(accepted.json["links"]["result"])

    assert 500 == answer.status_code
    problem = read_strictly(answer.data)
    assert "mine" == problem["request_id"]
    assert f"begun {MOST_ATTEMPTS} times" in problem["detail"]


def test_jobs_when_too_many_are_refused(toy_store: ModelStore, tmp_path: Path) -> None:
    app = logging(toy_store, tmp_path, max_jobs=2)
    client = app.test_client()

    answers = [ask(client, EXAMPLES["parcel"], **LATER) for _ in range(3)]

    assert [202, 202, 503] == [answer.status_code for answer in answers]
    assert "60" == answers[-1].headers["Retry-After"]
    runner(app).run_due()
    assert 202 == ask(client, EXAMPLES["parcel"], **LATER).status_code


def test_job_belongs_to_its_key(toy_store: ModelStore, tmp_path: Path) -> None:
    file, texts = KeyFile(tmp_path / "keys.json"), {}
    for name, models in (("ana", ["rent"]), ("eva", None)):
        texts[name], key = make_key(name, scopes=["predict"], models=models)
        file.add(key)
    app = logging(toy_store, tmp_path, keys_file=file.path, max_jobs=4, rate_limit="5/60")
    client, path = app.test_client(), "/v0/models/rent/predict"

    first = ask(client, EXAMPLES["rent"], path, x_api_key=texts["ana"], **LATER)
    second = ask(client, EXAMPLES["rent"], path, x_api_key=texts["ana"], **LATER)
    runner(app).run_due()
    mine, theirs, nobodys = (
        client.get(first.json["links"]["result"], headers={"x-api-key": text})
        for text in (texts["ana"], texts["eva"], "")
    )

    assert [202, 429] == [first.status_code, second.status_code]
    assert [200, 404, 401] == [answer.status_code for answer in (mine, theirs, nobodys)]
    address = first.json["links"]["self"]
    assert 404 == client.delete(address, headers={"x-api-key": texts["eva"]}).status_code


def test_job_of_a_key_that_is_gone_fails(toy_store: ModelStore, tmp_path: Path) -> None:
    text, key = make_key("ana", scopes=["predict"])
    file = KeyFile(tmp_path / "keys.json")
    file.add(key)
    app = logging(toy_store, tmp_path, keys_file=file.path)
    accepted = ask(app.test_client(), EXAMPLES["parcel"], x_api_key=text, **LATER)
    file.remove(key.id)
    shared_of(app).callers._next_look = 0.0

    runner(app).run_due()
    jobs: Any = shared_of(app).jobs
    job = jobs.find(accepted.json["id"])

    assert ("failed", 401) == (job.state, job.answer["status"])


def test_request_with_an_idempotency_key_makes_one_job(app: Flask) -> None:
    client = app.test_client()

    first, second = (
        ask(client, EXAMPLES["parcel"], Idempotency_Key="7", **LATER) for _ in range(2)
    )
    at_once = ask(client, EXAMPLES["parcel"], Idempotency_Key="7")

    assert first.json == second.json
    assert first.headers["Location"] == second.headers["Location"]
    assert 422 == at_once.status_code
