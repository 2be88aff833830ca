"""The service over a bucket: a master that starts no threads, workers that see what is promoted."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.fault_proxy import FaultProxy
from tests.support.models import EXAMPLES, unstored
from tests.support.serving import Server, running, wait_until
from tests.support.stores import new_address

pytestmark = pytest.mark.slow

#: Every worker writes down the pointer's tags that it sees.
WATCH = """
import threading, time
_post_fork = post_fork
def post_fork(server, worker):
    _post_fork(server, worker)
    threading.Thread(target=write_tags, args=(worker,), daemon=True).start()
def write_tags(worker):
    store = worker.app.wsgi().extensions["resources"].models.store
    while True:
        with open(f"{os.environ['TAGS']}/{os.getpid()}", "a") as file:
            file.write(f"{store.pointer_tag('parcel')}\\n")
        time.sleep(0.1)
"""


@pytest.fixture
def store(proxy: FaultProxy, toy_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A bucket in which a version of parcel is promoted."""
    store = ModelStore(new_address(), cache=tmp_path / "cache")
    store.promote("parcel", publish(store, toy_store, "First"))
    return store


def publish(store: ModelStore, toy_store: ModelStore, title: str) -> str:
    card = toy_store.read_card("parcel")
    folder = toy_store.place.bring(card)
    files = {file: (folder / file).read_bytes() for file in card["files"]}
    return store.write({**unstored(card), "title": title}, files)


def threads(process: int) -> int:
    return len([*Path(f"/proc/{process}/task").iterdir()])


def has_obstore(process: int) -> bool:
    return "_obstore" in Path(f"/proc/{process}/maps").read_text()


def tags(folder: Path, server: Server) -> list[set[str]]:
    """Give the tags that each worker has seen."""
    files = [folder / str(pid) for pid in server.workers()]
    return [set(file.read_text().split()) if file.exists() else set() for file in files]


def test_service_when_its_versions_are_in_a_bucket_answers_and_sees_promotions(
    store: ModelStore, toy_store: ModelStore, toy_client: FlaskClient, tmp_path: Path
) -> None:
    expected = toy_client.post("/v0/predict", json=EXAMPLES["parcel"]).get_json()["prediction"]
    seen = tmp_path / "tags"
    seen.mkdir()

    with running(
        tmp_path, until="/readyz", config=WATCH, model_store=store.place, default_model="parcel",
        model_cache=tmp_path / "served", tags=seen,
    ) as server:  # fmt: skip
        status, answer = server.ask("/v0/predict", EXAMPLES["parcel"])
        assert (200, expected) == (status, answer["prediction"])
        assert store.promoted("parcel") == answer["model"]["version"]
        wait_until(lambda: all(tags(seen, server)), "a tag from each worker")
        before = tags(seen, server)
        store.promote("parcel", publish(store, toy_store, "Second"))
        wait_until(
            lambda: all(
                len(now - old) == 1 for now, old in zip(tags(seen, server), before, strict=True)
            ),
            "the new tag in each worker",
        )
        assert (1, False) == (threads(server.process.pid), has_obstore(server.process.pid))
        assert any(has_obstore(worker) for worker in server.workers())
        assert 0 == server.stop()
        assert "Traceback" not in server.log.read_text()


def test_service_when_the_bucket_is_away_starts_from_the_cache(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    chosen: dict[str, Any] = {
        "model_store": store.place, "default_model": "parcel", "model_cache": tmp_path / "served"
    }  # fmt: skip
    with running(tmp_path, until="/readyz", **chosen) as server:
        assert 0 == server.stop()
    proxy.fail("reset")

    with running(tmp_path, until="/readyz", **chosen) as server:
        status, answer = server.ask("/v0/predict", EXAMPLES["parcel"])
        said = server.log.read_text()

    assert (200, store.promoted("parcel")) == (status, answer["model"]["version"])
    assert 1 == said.count("the pointer of parcel stays as it was")
    assert "Traceback" not in said


def test_service_when_the_bucket_is_away_and_nothing_is_cached_waits_for_it(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.fail("500")

    with running(
        tmp_path, model_store=store.place, default_model="parcel", model_cache=tmp_path / "served"
    ) as server:
        status, problem = server.ask("/v0/predict", EXAMPLES["parcel"])
        assert (503, 503) == (status, server.ask("/readyz")[0])
        assert "the store of the versions does not answer" in problem["detail"]
        proxy.heal()
        wait_until(lambda: server.answers("/readyz"), "ready when the bucket is back")
        said = server.log.read_text()

    assert "not ready: s3://" in said
    assert "training one" not in said
    assert "Traceback" not in said
