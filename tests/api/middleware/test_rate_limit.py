"""Rate limits: counted exactly, over keys, workers, ways in and machines."""

import json
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.api import rate_counts
from engine.api.rate_counts import Rate, SharedCounts
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.forks import count_in_four
from tests.support.inputs import first_daily
from tests.support.models import EXAMPLES
from tests.support.serving import GUNICORN, running, wait_until
from tests.whole.test_start import run

#: Seconds of a window that no test sees the end of.
LONG = 900_000

RECORD = EXAMPLES["parcel"]


def predict(client: FlaskClient, **headers: str) -> TestResponse:
    return client.post("/v0/predict", json=RECORD, headers=headers)


def test_caller_when_within_the_limit_is_told_what_is_left(toy_store: ModelStore) -> None:
    client = serve(toy_store, "parcel", rate_limit=f"3/{LONG}").test_client()

    answers = [predict(client) for _ in range(5)]

    assert [200, 200, 200, 429, 429] == [one.status_code for one in answers]
    assert {f'"default";q=3;w={LONG}'} == {one.headers["RateLimit-Policy"] for one in answers}
    left = [one.headers["RateLimit"].partition(";t=") for one in answers]
    assert [f'"default";r={n}' for n in (2, 1, 0, 0, 0)] == [before for before, _, _ in left]
    seconds = LONG - time.time() % LONG
    assert all(seconds - 5 <= int(after) <= seconds + 5 for _, _, after in left)
    assert [None] * 3 == [one.headers.get("Retry-After") for one in answers[:3]]
    assert left[3][2] == answers[3].headers["Retry-After"]
    assert "application/problem+json" == answers[3].content_type
    assert f"3 requests in {LONG} seconds are allowed" in answers[3].get_json()["detail"]


def test_caller_when_there_is_no_limit_is_told_nothing(toy_client: FlaskClient) -> None:
    assert not {"RateLimit", "RateLimit-Policy"} & set(predict(toy_client).headers.keys())


def test_window_when_it_is_over_lets_the_caller_ask_again(toy_store: ModelStore) -> None:
    client = serve(toy_store, "parcel", rate_limit="1/1").test_client()
    wait_until(lambda: 429 == predict(client).status_code, "one too many")

    wait_until(lambda: 200 == predict(client).status_code, "the next window")


def test_keys_are_counted_each_on_its_own(toy_store: ModelStore, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    texts = []
    for own in (None, None, f"1/{LONG}"):
        text, key = make_key("somebody", rate_limit=own)
        file.add(key)
        texts.append(text)
    client = serve(toy_store, "parcel", keys_file=file.path, rate_limit=f"2/{LONG}").test_client()

    found = [[predict(client, **{"x-api-key": one}).status_code for _ in range(3)] for one in texts]

    assert [[200, 200, 429], [200, 200, 429], [200, 429, 429]] == found
    assert [401, 401, 401] == [predict(client).status_code for _ in range(3)]
    assert [200] * 3 == [client.get("/readyz").status_code for _ in range(3)]


def take(counts: SharedCounts, taken: Any) -> None:
    for _ in range(500):
        if counts.take("somebody", Rate(1234, LONG), 2**40) < 1234:
            with taken.get_lock():
                taken.value += 1


def test_counts_when_processes_take_at_once_are_exact() -> None:
    assert 1234 == count_in_four(take, SharedCounts())


def test_counts_when_several_are_taken_stop_at_the_rate() -> None:
    counts = SharedCounts()
    rate = Rate(10, LONG)

    assert [0, 7, 10] == [counts.take("somebody", rate, 2**40, 7) for _ in range(3)]

    counts.give_back("somebody", rate, 2**40)
    assert [9, 10] == [counts.take("somebody", rate, 2**40) for _ in range(2)]


def hold(counts: SharedCounts, has_it: Any) -> None:
    with counts._memory.locked():
        has_it.set()
        time.sleep(600)


def test_counts_when_a_process_is_killed_at_them_go_on() -> None:
    counts = SharedCounts()
    fork = multiprocessing.get_context("fork")
    has_it = fork.Event()
    child = fork.Process(target=hold, args=(counts, has_it))
    child.start()
    assert has_it.wait(60)

    child.kill()

    assert 0 == counts.take("somebody", Rate(5, 60), 2**40)
    child.join()


def test_counts_when_there_are_many_callers_keep_them_apart() -> None:
    counts = SharedCounts()
    callers = [f"caller {n}" for n in range(8000)]

    for caller in callers:
        assert 0 == counts.take(caller, Rate(2, 60), 2**40)

    assert {1} == {counts.take(caller, Rate(2, 60), 2**40) for caller in callers}


def test_counts_when_there_are_too_many_callers_allow_none_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("_SLOTS", 8), ("_PROBED", 4), ("_SHARED", 8 * rate_counts._SLOT.size)):
        monkeypatch.setattr(rate_counts, name, value)
    counts = SharedCounts()
    allowed: Counter[str] = Counter()

    for caller in [f"caller {n}" for n in range(30)] * 5:
        allowed[caller] += counts.take(caller, Rate(2, 60), 2**40) < 2

    assert 2 == max(allowed.values())
    assert 8 * 2 <= allowed.total() <= 9 * 2


def test_counts_when_a_slot_becomes_free_let_nobody_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("_SLOTS", 1), ("_PROBED", 1), ("_SHARED", rate_counts._SLOT.size)):
        monkeypatch.setattr(rate_counts, name, value)
    counts = SharedCounts()
    soon = int(time.time()) + 1
    counts.take("first", Rate(2, 60), soon)
    assert [0, 1, 2] == [counts.take("second", Rate(2, 60), 2**40) for _ in range(3)]

    wait_until(lambda: time.time() > soon, "the end of the first window")

    assert 2 == counts.take("second", Rate(2, 60), 2**40)


def test_counts_when_windows_are_over_give_their_places_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("_SLOTS", 8), ("_PROBED", 8), ("_SHARED", 8 * rate_counts._SLOT.size)):
        monkeypatch.setattr(rate_counts, name, value)
    counts = SharedCounts()

    for n in range(100):
        assert 0 == counts.take(f"caller {n}", Rate(1, 60), 1)

    assert 0 == counts.take("another", Rate(1, 60), 2**40)
    assert 1 == counts.take("another", Rate(1, 60), 2**40)


@pytest.mark.slow
@pytest.mark.parametrize("fast_path", first_daily("true", "false"))
def test_server_when_many_ask_at_once_lets_exactly_so_many_through(
    toy_store: ModelStore, tmp_path: Path, fast_path: str
) -> None:
    bad = {**RECORD, "weight": "heavy"}
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        rate_limit=f"60/{LONG}", fast_path=fast_path,
    ) as server, ThreadPoolExecutor(16) as pool:  # fmt: skip
        asked = [bad if n % 4 == 0 else RECORD for n in range(120)]

        found = Counter(pool.map(lambda one: server.ask("/v0/predict", one)[0], asked))

        assert 60 == found[429]
        assert 60 == found[200] + found[422]
        assert found[422] > 0
        assert 200 == server.ask("/livez")[0]


@pytest.mark.slow
@pytest.mark.parametrize("headers", [{}, {"X-Request-Id": "mine"}])
def test_server_when_limits_are_set_answers_alike_both_ways(
    toy_store: ModelStore, tmp_path: Path, headers: dict[str, str]
) -> None:
    found = []
    for fast_path in ("true", "false"):
        with running(
            tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
            rate_limit=f"60/{LONG}", fast_path=fast_path,
        ) as server:  # fmt: skip
            connection = server.connect()
            headers = {"Content-Type": "application/json", **headers}
            connection.request("POST", "/v0/predict", json.dumps(RECORD), headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            found.append([name for name, _ in answer.getheaders()])
            assert '"default";r=59' == answer.getheader("RateLimit", "").partition(";t=")[0]

    assert found[0] == found[1]


@pytest.mark.slow
def test_redis_when_it_counts_does_so_for_several_machines(
    toy_store: ModelStore, redis_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = redis.Redis.from_url(redis_address)
    limit = {"rate_limit": f"4/{LONG}", "rate_limit_redis": redis_address}
    machines = [serve(toy_store, "parcel", **limit).test_client() for _ in range(2)]

    found = [predict(machines[n % 2]).status_code for n in range(6)]

    assert [200] * 4 + [429] * 2 == found
    (name,) = server.keys()
    assert 0 < server.ttl(name) <= LONG + 1
    server.shutdown(nosave=True)
    assert [200] * 4 + [429] == [predict(machines[0]).status_code for _ in range(5)]
    assert "Redis does not answer, so this machine counts" in caplog.text
    obstacles = machines[0].application.extensions["application"].fast_path.obstacles()
    assert ["RATE_LIMIT_REDIS counts requests"] == obstacles


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rate_limit": "many"}, "RATE_LIMIT is 'many': give requests/seconds"),
        pytest.param({"rate_limit": "0/5"}, "RATE_LIMIT is '0/5'", marks=pytest.mark.slow),
        pytest.param(
            {"rate_limit_redis": "redis://:hush/hush@host:6379/0"},
            "RATE_LIMIT_REDIS cannot be used: give an address such as redis://:password@host",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_start_when_a_limit_cannot_be_read_says_so(settings: dict[str, str], said: str) -> None:
    done = run(*GUNICORN, **settings)

    assert 1 == done.returncode
    assert said in done.stderr
    assert "Traceback" not in done.stderr and "hush" not in done.stderr
