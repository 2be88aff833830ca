"""The thread that sees what is promoted."""

import threading
import time

import pytest

from engine.serving.hot_swap import Watch, watch
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.exposed import Exposed
from tests.support.models import EXAMPLES
from tests.support.serving import wait_until


class Away(ModelStore):
    """A store that does not answer for a while."""

    is_away = False
    looks = 0

    def pointer_tag(self, name: str) -> str | None:
        self.looks += 1
        if self.is_away:
            raise OSError("no route to the store")
        return super().pointer_tag(name)


def test_watch_when_the_store_is_away_goes_on_and_says_so_once(
    store: ModelStore, versions: list[str], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("engine.serving.hot_swap.LOOK_SECONDS", 0.01)
    away = Away(store.root)
    models, stopping = ModelCache(away, "rent"), threading.Event()
    models.get()
    thread = watch(models, Metrics(models.in_memory, models.refused_versions), stopping)
    away.is_away = True
    before = away.looks
    wait_until(lambda: away.looks > before + 3, "some looks")
    store.promote("rent", versions[1])
    away.is_away = False

    wait_until(lambda: models.get().version == versions[1], "the new version")
    stopping.set()
    thread.join()
    assert 1 == sum("no route to the store" in line.getMessage() for line in caplog.records)


def test_watch_when_told_to_stop_ends(models: ModelCache) -> None:
    stopping = threading.Event()
    thread = Watch(models, Metrics(models.in_memory, models.refused_versions), stopping)
    thread.start()

    stopping.set()
    thread.join(30)

    assert not thread.is_alive() and thread.daemon


def test_swap_when_counted_has_the_model_and_its_seconds(
    store: ModelStore, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.serving.hot_swap.LOOK_SECONDS", 0.01)
    app = serve(store, "rent")
    models, stopping = app.extensions["resources"].models, threading.Event()
    models.get()
    thread = watch(models, app.extensions["resources"].metrics, stopping)
    began = time.monotonic()
    store.promote("rent", versions[1])
    wait_until(lambda: models.get().version == versions[1], "the new version")
    stopping.set()
    thread.join()

    exposed = Exposed(app.test_client().get("/metrics").text)
    assert {("rent",): 1} == exposed.of("model_swaps_total", "model")
    seconds = exposed.of("model_swap_seconds_total", "model")["rent",]
    assert 0 < seconds < time.monotonic() - began
    assert 200 == app.test_client().post("/v0/predict", json=EXAMPLES["rent"]).status_code
