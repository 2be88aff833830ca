"""Another version is promoted: this process serves it, and lets the old version go."""

import gc
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.version import StoredVersion
from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from persistence.store_errors import VersionNotFound
from tests.support.file_reads import count_reads
from tests.support.plain_versions import RENT


def answer(version: StoredVersion) -> Any:
    return version.predict(version.schema.columns([RENT]))[0].value


def test_version_when_promoted_is_served_and_who_has_the_old_one_keeps_it(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    assert not models.new_tag("rent")
    old = models.get()
    store.promote("rent", versions[1])

    assert models.new_tag("rent") and models.get() is old
    assert models.catch_up("rent")

    assert (versions[1], 111.0) == (models.get().version, answer(models.get()))
    assert 55.5 == answer(old)
    assert not models.new_tag("rent")


def test_version_when_rolled_back_is_served_no_more(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    for version, is_rollback in ((versions[2], False), (versions[0], True)):
        store.promote("rent", version, is_rollback=is_rollback)
        assert models.new_tag("rent") and models.catch_up("rent")
        assert version == models.get().version


def test_model_when_it_is_not_in_memory_is_never_behind(
    store: ModelStore, versions: list[str]
) -> None:
    models = ModelCache(store, "rent")

    assert not models.new_tag("rent") and [] == models.names()
    store.promote("rent", versions[1])

    assert versions[1] == models.get().version and not models.new_tag("rent")


def test_pointer_when_written_again_with_the_same_version_swaps_nothing(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    before = models.get()
    store.change("rent", lambda pointer: pointer._replace(pinned=(versions[0],)))  # type: ignore[union-attr]

    assert models.new_tag("rent") and not models.catch_up("rent")
    assert before is models.get() and not models.new_tag("rent")


def resources() -> tuple[int, int]:
    """Count open files and threads."""
    files, tasks = (Path("/proc/self") / name for name in ("fd", "task"))
    return len([*files.iterdir()]), len([*tasks.iterdir()])


@pytest.mark.slow
def test_versions_when_swapped_often_leave_nothing_behind(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    left = []
    for turn in range(40):
        left += [weakref.ref(models.get()), weakref.ref(models.get()._runtime._session)]  # type: ignore[attr-defined]
        store.promote("rent", versions[turn % 2 + 1])
        assert models.catch_up("rent")
        answer(models.get())
        if turn == 5:
            gc.collect()  # what other tests have left open
            before = resources()
    gc.collect()

    assert [None] * 80 == [reference() for reference in left]
    assert 1 == len(models.in_memory())
    assert before == resources()


def test_version_when_asked_by_its_name_stays_in_memory_after_a_swap(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    old = models.get("rent", versions[0])
    store.promote("rent", versions[1])
    models.catch_up("rent")
    store.promote("rent", versions[2])
    models.catch_up("rent")

    assert old is models.loaded("rent", versions[0])
    assert [versions[0], versions[2]] == sorted(stored.version for stored in models.in_memory())


class Slow(ModelStore):
    """A store that is slow to load a version."""

    may_go = threading.Event()
    is_asked = threading.Event()

    def files(self, card: Mapping[str, Any]) -> Path:
        if card["model"] == "rent":
            self.is_asked.set()
            assert self.may_go.wait(30)
        return super().files(card)


def test_model_when_another_is_being_read_answers_meanwhile(toy_store: ModelStore) -> None:
    store = Slow(toy_store.root)
    models = ModelCache(store, "parcel")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(models.get, "rent")
        assert store.is_asked.wait(30)
        assert "parcel" == models.get().name
        assert not reading.done()
        store.may_go.set()
        assert "rent" == reading.result().name


class Counting(ModelStore):
    """A store that counts what is read of it."""

    cards = tags = 0

    def read_card(self, name: str, version: str | None = None, **options: Any) -> Any:
        self.cards += 1
        return super().read_card(name, version, **options)

    def pointer_tag(self, name: str) -> str | None:
        self.tags += 1
        return super().pointer_tag(name)


def test_version_when_loaded_at_a_look_has_its_card_and_the_tag_read_once(
    store: ModelStore, versions: list[str]
) -> None:
    counting = Counting(store.root)
    models = ModelCache(counting, "rent")
    models.get()
    store.promote("rent", versions[1])
    counting.cards = counting.tags = 0

    assert models.catch_up("rent", models.new_tag("rent"))

    assert (1, 1) == (counting.cards, counting.tags)


def test_name_when_clients_invent_it_opens_no_file_of_a_served_model(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    store.give_name("rent", versions[2], "v3")
    assert models.new_tag("rent") and not models.catch_up("rent")
    models.get("rent", "v3")

    with count_reads(store.root) as reads:
        assert versions[2] == models.get("rent", "v3").version
        for text in ("v4", "latest", "../rent", "20260102T101500Z-3fa9"):
            with pytest.raises(VersionNotFound, match=f"has no version '{text}'"):
                models.get("rent", text)

    assert not reads
    assert versions[2] == ModelCache(store, "parcel").card("rent", "v3")["version"]
