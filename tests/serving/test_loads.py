"""Versions that take long to load: loaded once, whoever waits and however long."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.serving.loads import Loads, StillLoading
from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.serving import running, wait_until


class SlowStore(ModelStore):
    """A store on a disk that gives no file before it may."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.may_read, self.reads = threading.Event(), 0

    def files(self, card: Mapping[str, Any]) -> Path:
        self.reads += 1
        assert self.may_read.wait(60)
        return super().files(card)


@pytest.fixture
def store(toy_store: ModelStore) -> SlowStore:
    return SlowStore(toy_store.root)


def test_version_when_it_loads_slowly_is_loaded_once_and_found_later(store: SlowStore) -> None:
    models = ModelCache(store, "parcel", patience=0.01)
    before = {*threading.enumerate()}

    for _ in range(3):
        with pytest.raises(StillLoading, match="the promoted version of coin is still being"):
            models.get("coin")
    assert 1 == len({*threading.enumerate()} - before)
    assert not models.loads.are_done
    store.may_read.set()
    wait_until(lambda: models.loads.are_done, "the end of the load")

    assert models.loaded("coin") is models.get("coin")
    assert 1 == store.reads


def test_result_when_it_was_given_is_not_given_again() -> None:
    loads, numbers = Loads(60), iter(range(200))

    found = [loads.wait("key", lambda: next(numbers), "a number") for _ in range(200)]

    assert [*range(200)] == found


def test_candidate_when_it_loads_slowly_leaves_the_answer_to_the_promoted_version(
    store: SlowStore,
) -> None:
    models = ModelCache(store, "parcel", patience=0.01)
    candidate = Candidate(store.promoted("rent"), "canary", 1.0, "request", "now")

    assert models.get_candidate("rent", candidate) is None
    store.may_read.set()
    wait_until(lambda: models.loads.are_done, "the end of the load")

    version = models.get_candidate("rent", candidate)
    assert version is not None
    assert candidate.version == version.version


def test_request_when_its_version_loads_slowly_gets_504_and_the_next_one_its_answer(
    store: SlowStore,
) -> None:
    app = serve(store, "parcel", max_answer_seconds=0.02)
    app.extensions["resources"].models.store = store
    client = app.test_client()

    answer = client.post("/v0/models/coin/predict", json=EXAMPLES["coin"])
    assert 504 == answer.status_code
    assert "still being loaded: send the request again" in answer.get_json()["detail"]
    store.may_read.set()
    wait_until(lambda: app.extensions["resources"].models.loads.are_done, "the end of the load")

    assert 200 == client.post("/v0/models/coin/predict", json=EXAMPLES["coin"]).status_code


def test_load_when_it_fails_tells_all_who_wait_and_is_tried_again() -> None:
    loads, may_fail = Loads(60), threading.Event()

    def fail() -> None:
        may_fail.wait(60)
        raise LookupError("broken")

    threading.Timer(0.01, may_fail.set).start()
    with pytest.raises(LookupError, match="broken"):
        loads.wait("a", fail, "a")

    assert "b" == loads.wait("a", lambda: "b", "a")


#: What every native version waits for before it is loaded.
SLOWLY = """
import pathlib, time
import engine.serving.model_cache as model_cache

open_stored = model_cache.open_stored

def open_slowly(store, card):
    if card["model"] == "coin":
        with open({log!r}, "a") as log:
            log.write("x")
        while not pathlib.Path({file!r}).exists():
            time.sleep(0.005)
    return open_stored(store, card)

model_cache.open_stored = open_slowly
"""


@pytest.mark.slow
def test_worker_when_a_version_loads_slowly_lives_and_loads_it_once(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    log, file = tmp_path / "loads", tmp_path / "may load"
    config = SLOWLY.format(log=str(log), file=str(file))
    with running(
        tmp_path, until="/readyz", config=config, model_store=toy_store.root,
        default_model="parcel", web_concurrency=1, max_answer_seconds=0.5,
    ) as server:  # fmt: skip
        workers = server.workers()
        path = "/v0/models/coin/predict"
        assert [504, 504] == [server.ask(path, EXAMPLES["coin"])[0] for _ in range(2)]
        assert 200 == server.ask("/v0/predict", EXAMPLES["parcel"])[0]

        file.touch()

        wait_until(lambda: 200 == server.ask(path, EXAMPLES["coin"])[0], "the version")
        assert workers == server.workers()
        assert "x" == log.read_text()
        assert 0 == server.stop()
