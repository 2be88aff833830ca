"""Three services over one bucket, one PostgreSQL and one Redis, behind a proxy that retries."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app import create_app
from persistence.api_keys import make_key
from persistence.model_persistence import ModelStore
from tests.support.candidates import PARCEL, offline, parcels
from tests.support.exposed import Exposed
from tests.support.postgresql import Postgresql, run_postgresql
from tests.support.redis_server import run_redis
from tests.support.replicas import KEY, Answer, Replicas, run_replicas
from tests.support.s3 import variables
from tests.support.serving import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def database() -> Iterator[Postgresql]:
    """A PostgreSQL that has only what these replicas log."""
    with run_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def replicas(
    two_parcels: ModelStore, s3: int, database: Postgresql,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replicas]:  # fmt: skip
    """Three replicas, in which one test after the other does something."""
    folder = tmp_path_factory.mktemp("replicas")
    with pytest.MonkeyPatch.context() as patch, run_redis() as redis:
        for name, value in variables(s3).items():
            patch.setenv(name, value)
        with run_replicas(folder, two_parcels, s3, database, redis) as found:
            yield found


@pytest.fixture(scope="module")
def key() -> dict[str, str]:
    """The header with the key that every replica knows."""
    return {"x-api-key": KEY}


def new_key(replicas: Replicas) -> dict[str, str]:
    text, key = make_key("ana")
    replicas.keys.add(key)
    header = {"x-api-key": text}
    wait_until(lambda: statuses(replicas, **header) == {200}, "the key is valid")
    return header


def statuses(replicas: Replicas, **headers: str) -> set[int]:
    return {answer.status for answer in replicas.each("/v0/models/parcel", **headers)}


def run(replicas: Replicas, *arguments: str) -> None:
    runner = create_app(replicas.own_settings()).test_cli_runner()
    done = runner.invoke(args=["models", *arguments])
    assert 0 == done.exit_code, done.stderr


def logged(database: Postgresql, answers: Iterable[Answer]) -> list[str]:
    """Wait until these answers are in the log; give the ids and records of all rows."""
    wanted = {answer.headers["X-Prediction-Id"] for answer in answers}
    rows: dict[str, list[str]] = {"all": []}

    def are_there() -> bool:
        with psycopg.connect(database.address) as connection:
            found = connection.execute("SELECT id || record FROM prediction_log").fetchall()
        rows["all"] = [row for (row,) in found]
        return wanted <= {row.partition("{")[0] for row in rows["all"]}

    wait_until(are_there, "the answers in the log")
    return rows["all"]


def test_key_when_made_or_removed_anywhere_is_so_for_every_replica(replicas: Replicas) -> None:
    assert {401} == statuses(replicas)
    header = new_key(replicas)

    replicas.keys.remove(header["x-api-key"].partition(".")[0])

    wait_until(lambda: {401} == statuses(replicas, **header), "the key is gone")


def test_limit_of_a_key_counts_what_all_replicas_answer(
    replicas: Replicas, key: dict[str, str]
) -> None:
    text, limited = make_key("rui", rate_limit="10/900000")
    replicas.keys.add(limited)
    new_key(replicas)  # where this one is known, the other is

    answers = [replicas.send("/v0/predict", PARCEL, **{"x-api-key": text}) for _ in range(12)]

    assert {"0", "1", "2"} == {answer.replica for answer in answers}
    assert [200] * 10 + [429] * 2 == [answer.status for answer in answers]
    assert 200 == replicas.send("/v0/predict", PARCEL, **key).status


def test_request_when_sent_again_to_another_replica_is_answered_once(
    replicas: Replicas, key: dict[str, str], database: Postgresql
) -> None:
    header, record = {**key, "Idempotency-Key": "order-7"}, {**PARCEL, "weight": 77.125}
    with ThreadPoolExecutor(6) as pool:
        at_once = [*pool.map(lambda _: replicas.send("/v0/predict", record, **header), range(6))]

    later = replicas.each("/v0/predict", record, **header)
    other = replicas.send("/v0/predict", PARCEL, **header)

    assert {answer.status for answer in at_once} <= {200, 409}
    first, *others = [answer for answer in [*at_once, *later] if answer.status == 200]
    assert len(others) >= 3
    assert all(first.body == answer.body for answer in others)
    assert all("true" == answer.headers["Idempotency-Replayed"] for answer in later)
    assert {"0", "1", "2"} == {answer.replica for answer in later}
    assert 422 == other.status
    after = replicas.each("/v0/predict", PARCEL, **key)  # what came before them is logged as well
    rows = logged(database, [first, *after])
    assert 1 == sum("77.125" in row for row in rows)


def test_canary_divides_callers_alike_in_every_replica(
    replicas: Replicas, key: dict[str, str]
) -> None:
    old, new = replicas.store.versions("parcel")
    run(replicas, "canary", "parcel", new, "--share", "0.5")
    is_known = "/v0/models/parcel"
    wait_until(
        lambda: all(answer.body["candidate"] for answer in replicas.each(is_known, **key)),
        "the canary in every replica",
    )

    sides = []
    for number in range(30):
        answers = replicas.each("/v0/predict", PARCEL, **{**key, "X-Canary-Key": str(number)})
        (side,) = {answer.body["model"]["version"] for answer in answers}
        sides.append(side)

    assert {old, new} == {*sides}
    run(replicas, "rollback", "parcel")
    wait_until(
        lambda: not any(answer.body["candidate"] for answer in replicas.each(is_known, **key)),
        "the end of the canary",
    )


def test_job_is_submitted_shown_and_fetched_at_different_replicas(
    replicas: Replicas, key: dict[str, str]
) -> None:
    later = replicas.all[0].send("/v0/predict", PARCEL, **{**key, "Prefer": "respond-async"})
    assert 202 == later.status
    links = later.body["links"]

    def is_done(place: int) -> bool:
        return bool(replicas.all[place].send(links["self"], **key).body["status"] == "done")

    wait_until(lambda: is_done(1), "the answer")
    result = replicas.all[2].send(links["result"], **key)

    now = replicas.send("/v0/predict", PARCEL, **key)
    assert (200, now.body["prediction"]) == (result.status, result.body["prediction"])
    assert 204 == replicas.all[1].send(links["self"], method="DELETE", **key).status
    assert 404 == replicas.all[0].send(links["self"], **key).status


class Load:
    """Requests of some threads, one after another, until it ends."""

    def __init__(self, replicas: Replicas, key: dict[str, str]) -> None:
        self.records = parcels(40)
        self.answers: list[tuple[int, Answer]] = []
        self._replicas, self._key, self._is_over = replicas, key, threading.Event()

    def __enter__(self) -> "Load":
        self._pool = ThreadPoolExecutor(3)
        self._sent = [self._pool.submit(self._send, place) for place in range(3)]
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for sent in self._sent:
            sent.result()

    def _send(self, place: int) -> None:
        while not self._is_over.wait(0.02):  # the replicas that start need the cores, too
            place = (place + 3) % len(self.records)
            answer = self._replicas.send("/v0/predict", self.records[place], **self._key)
            self.answers.append((place, answer))

    def wait_for(self, versions: dict[str, str]) -> None:
        """Wait until these replicas, and no other, give their next answers by these versions."""
        start = len(self.answers)

        def are_so() -> bool:
            found = [answer for _, answer in self.answers[start:][-30:]]
            seen = {(answer.replica, answer.body["model"]["version"]) for answer in found}
            return len(found) == 30 and seen == {*versions.items()}

        wait_until(are_so, f"{versions}")


def test_replicas_when_killed_added_and_cut_off_lose_no_request_and_mix_no_versions(
    replicas: Replicas, key: dict[str, str], database: Postgresql
) -> None:
    old, new = replicas.store.versions("parcel")
    with Load(replicas, key) as load:
        load.wait_for(dict.fromkeys("012", old))
        replicas.all[0].kill()
        load.wait_for(dict.fromkeys("12", old))
        replicas.add()
        load.wait_for(dict.fromkeys("123", old))

        replicas.all[1].network.fail("reset")
        run(replicas, "promote", "parcel", new)
        load.wait_for({"1": old, "2": new, "3": new})
        replicas.all[1].network.heal()
        load.wait_for(dict.fromkeys("123", new))

    answers = load.answers
    assert {200} == {answer.status for _, answer in answers}
    expected = {
        version: [each.value for each in offline(replicas.store, version, load.records)]
        for version in (old, new)
    }
    wrong = [
        answer
        for place, answer in answers
        if answer.body["prediction"]["value"] != expected[answer.body["model"]["version"]][place]
    ]
    assert [] == wrong
    rows = Counter(row.partition("{")[0] for row in logged(database, [each for _, each in answers]))
    ids = [answer.headers["X-Prediction-Id"] for _, answer in answers]
    assert {1} == {Counter(ids)[each] * rows[each] for each in ids}
    (counted,) = (
        Exposed(replicas.all[-1].send("/metrics", **key).body.decode())
        .of("model_predictions_total")
        .values()
    )
    assert counted == sum(answer.replica == "3" for _, answer in answers)
