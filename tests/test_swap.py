"""Another version is promoted: this process serves it, and lets the old one go."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api import served
from api.loaded import LoadedModels
from api.metrics import Metrics
from api.watch import Watch, watch
from persistence.model_persistence import ModelStore, UntrustedArtifact
from persistence.version import StoredVersion
from tests.conftest import EXAMPLES, serve
from tests.exposed import Exposed
from tests.plain_versions import RENT, damage, write_plain
from tests.serving import wait_until


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store of its own, still empty."""
    return ModelStore(tmp_path / "store")


@pytest.fixture
def versions(store: ModelStore, toy_store: ModelStore) -> list[str]:
    """Three versions, which answer the area once, twice and three times; the first is promoted."""
    found = [write_plain(store, toy_store, factor) for factor in (1, 2, 3)]
    store.promote("rent", found[0])
    return found


@pytest.fixture
def models(store: ModelStore, versions: list[str]) -> LoadedModels:
    """What a worker has in memory: the first version."""
    found = LoadedModels(store, "rent")
    found.get()
    return found


def answer(version: StoredVersion) -> Any:
    return version.predict(version.schema.columns([RENT]))[0].value


def test_version_when_promoted_is_served_and_who_has_the_old_one_keeps_it(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    assert not models.is_behind("rent")
    old = models.get()
    store.promote("rent", versions[1])

    assert models.is_behind("rent") and models.get() is old
    assert models.catch_up("rent")

    assert (versions[1], 111.0) == (models.get().version, answer(models.get()))
    assert 55.5 == answer(old)
    assert not models.is_behind("rent")


def test_version_when_rolled_back_is_served_no_more(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    for version, is_rollback in ((versions[2], False), (versions[0], True)):
        store.promote("rent", version, is_rollback=is_rollback)
        assert models.is_behind("rent") and models.catch_up("rent")
        assert version == models.get().version


def test_model_when_it_is_not_in_memory_is_never_behind(
    store: ModelStore, versions: list[str]
) -> None:
    models = LoadedModels(store, "rent")

    assert not models.is_behind("rent") and [] == models.names()
    store.promote("rent", versions[1])

    assert versions[1] == models.get().version and not models.is_behind("rent")


def test_pointer_when_written_again_with_the_same_version_swaps_nothing(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    held = models.get()
    store.change("rent", lambda known: known._replace(pinned=(versions[0],)))  # type: ignore[union-attr]

    assert models.is_behind("rent") and not models.catch_up("rent")
    assert held is models.get() and not models.is_behind("rent")


def resources() -> tuple[int, int]:
    """Count open files and threads."""
    files, tasks = (Path("/proc/self") / one for one in ("fd", "task"))
    return len([*files.iterdir()]), len([*tasks.iterdir()])


def test_versions_when_swapped_often_leave_nothing_behind(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    left = []
    for turn in range(40):
        left += [weakref.ref(models.get()), weakref.ref(models.get()._runtime._session)]  # type: ignore[attr-defined]
        store.promote("rent", versions[turn % 2 + 1])
        assert models.catch_up("rent")
        answer(models.get())
        if turn == 5:
            before = resources()
    gc.collect()

    assert [None] * 80 == [one() for one in left]
    assert 1 == len(models.in_memory())
    assert before == resources()


def test_version_when_asked_by_its_name_stays_in_memory_after_a_swap(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    old = models.get("rent", versions[0])
    store.promote("rent", versions[1])
    models.catch_up("rent")
    store.promote("rent", versions[2])
    models.catch_up("rent")

    assert old is models.loaded("rent", versions[0])
    assert [versions[0], versions[2]] == sorted(one.version for one in models.in_memory())


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused may be tried again at once."""
    monkeypatch.setattr(served, "FIRST_PAUSE", 0.0)


def spoil(store: ModelStore, version: str, source: ModelStore) -> tuple[str, str]:
    damage(store, version)
    return version, "differs from the digest in its card"


def mislead(store: ModelStore, version: str, source: ModelStore) -> tuple[str, str]:
    return write_plain(store, source, 9, example=4.0), "the worked example answers"


def lose(store: ModelStore, version: str, source: ModelStore) -> tuple[str, str]:
    return "20200101T000000Z-00000", "has no version"


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("break_it", [spoil, mislead, lose])
def test_version_when_refused_is_not_served_and_the_old_one_stays(
    store: ModelStore, versions: list[str], toy_store: ModelStore,
    caplog: pytest.LogCaptureFixture, break_it: Any,
) -> None:  # fmt: skip
    app = serve(store, "rent")
    client, models = app.test_client(), app.extensions["models"]
    held = models.get()
    broken, reason = break_it(store, versions[1], toy_store)
    store.change("rent", lambda known: known.promote(broken))  # type: ignore[union-attr]

    for _ in range(3):
        assert models.is_behind("rent") and not models.catch_up("rent")

    assert held is models.get()
    told = client.get("/v0/models/rent").get_json()
    assert (versions[0], broken) == (told["version"], told["refused"]["version"])
    assert reason in told["refused"]["reason"]
    health = client.get("/health").get_json()
    assert "degraded" == health["status"] and f"version {broken} of rent" in health["reason"]
    assert 200 == client.get("/readyz").status_code
    exposed = Exposed(client.get("/metrics").text)
    assert {("rent", broken): 1} == exposed.of("model_refused", "model", "version")
    assert 1 == sum(reason in one.getMessage() for one in caplog.records)
    store.promote("rent", versions[2])
    assert models.catch_up("rent")
    assert "refused" not in client.get("/v0/models/rent").get_json()
    assert "ok" == client.get("/health").get_json()["status"]
    exposed = Exposed(client.get("/metrics").text)
    assert {} == exposed.of("model_refused", "model", "version")


@pytest.mark.usefixtures("no_pauses")
def test_version_when_refused_is_tried_again_and_served_once_it_is_whole(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    path = store.root / "rent" / versions[1] / "model.onnx"
    content = path.read_bytes()
    damage(store, versions[1])
    store.promote("rent", versions[1])
    assert not models.catch_up("rent")

    path.write_bytes(content)

    assert models.is_behind("rent") and models.catch_up("rent")
    assert versions[1] == models.get().version and models.refused() is None


def test_version_when_refused_is_not_read_again_at_each_look(
    store: ModelStore, versions: list[str], models: LoadedModels
) -> None:
    damage(store, versions[1])
    store.promote("rent", versions[1])
    models.catch_up("rent")

    assert not models.is_behind("rent")


def test_version_when_it_is_too_large_for_the_memory_is_refused_with_the_figures(
    store: ModelStore, versions: list[str], tmp_path: Path
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemAvailable:          1 kB\n")
    models = LoadedModels(store, "rent", system=tmp_path)
    assert versions[0] == models.get().version  # the first is read whatever there is
    store.promote("rent", versions[1])

    assert not models.catch_up("rent")

    assert versions[0] == models.get().version
    assert "MB of memory to load, and 0 MB are available" in str(models.refused())


@pytest.mark.parametrize("content", ["", "{}", None])
def test_pointer_when_damaged_leaves_the_version_that_is_served(
    store: ModelStore, versions: list[str], models: LoadedModels, content: str | None
) -> None:
    path = store.root / "rent" / "promoted.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
        assert models.is_behind("rent") and not models.catch_up("rent")
        assert models.refused() is not None

    assert versions[0] == models.get().version and not models.is_behind("rent")
    store.promote("rent", versions[1])
    assert models.is_behind("rent") and models.catch_up("rent")
    assert versions[1] == models.get().version and models.refused() is None


def test_version_when_it_fails_after_the_fork_is_replaced_by_the_one_before(
    store: ModelStore, versions: list[str], toy_store: ModelStore
) -> None:
    wrong = write_plain(store, toy_store, 9, example=4.0)
    store.promote("rent", wrong)
    models = LoadedModels(store, "rent")
    models.reload()  # the master asks it nothing
    assert wrong == models.get().version

    models.begin()

    assert versions[0] == models.get().version
    assert models.refused() and wrong == models.refused().version  # type: ignore[union-attr]


def test_versions_when_all_are_refused_are_not_served(
    store: ModelStore, versions: list[str]
) -> None:
    damage(store, versions[0])
    damage(store, versions[1])
    store.promote("rent", versions[1])
    models = LoadedModels(store, "rent")

    with pytest.raises(UntrustedArtifact, match=f"{versions[1]} differs"):
        models.get()


class Slow(ModelStore):
    """A store that is slow to give one version."""

    may_go = threading.Event()
    is_asked = threading.Event()

    def read_to_serve(self, name: str, version: str) -> StoredVersion:
        if name == "rent":
            self.is_asked.set()
            assert self.may_go.wait(30)
        return super().read_to_serve(name, version)


def test_model_when_another_is_being_read_answers_meanwhile(toy_store: ModelStore) -> None:
    store = Slow(toy_store.root)
    models = LoadedModels(store, "parcel")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(models.get, "rent")
        assert store.is_asked.wait(30)
        assert "parcel" == models.get().name
        assert not reading.done()
        store.may_go.set()
        assert "rent" == reading.result().name


class Away(ModelStore):
    """A store that cannot be asked for a while."""

    is_away = False
    asked = 0

    def pointer_tag(self, name: str) -> str | None:
        self.asked += 1
        if self.is_away:
            raise OSError("no route to the store")
        return super().pointer_tag(name)


def test_watch_when_the_store_is_away_goes_on_and_says_so_once(
    store: ModelStore, versions: list[str], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("api.watch.LOOK_SECONDS", 0.01)
    away = Away(store.root)
    models, stopping = LoadedModels(away, "rent"), threading.Event()
    models.get()
    found = watch(models, Metrics(models), stopping)
    away.is_away = True
    before = away.asked
    wait_until(lambda: away.asked > before + 3, "some looks")
    store.promote("rent", versions[1])
    away.is_away = False

    wait_until(lambda: models.get().version == versions[1], "the new version")
    stopping.set()
    found.join()
    assert 1 == sum("no route to the store" in one.getMessage() for one in caplog.records)


def test_watch_when_told_to_stop_ends(models: LoadedModels) -> None:
    stopping = threading.Event()
    found = Watch(models, Metrics(models), stopping)
    found.start()

    stopping.set()
    found.join(30)

    assert not found.is_alive() and found.daemon


def test_swap_when_counted_has_the_model_and_its_seconds(
    store: ModelStore, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.watch.LOOK_SECONDS", 0.01)
    app = serve(store, "rent")
    models, stopping = app.extensions["models"], threading.Event()
    models.get()
    found = watch(models, app.extensions["metrics"], stopping)
    began = time.monotonic()
    store.promote("rent", versions[1])
    wait_until(lambda: models.get().version == versions[1], "the new version")
    stopping.set()
    found.join()

    exposed = Exposed(app.test_client().get("/metrics").text)
    assert {("rent",): 1} == exposed.of("model_swaps_total", "model")
    seconds = exposed.of("model_swap_seconds_total", "model")["rent",]
    assert 0 < seconds < time.monotonic() - began
    assert 200 == app.test_client().post("/v0/predict", json=EXAMPLES["rent"]).status_code
