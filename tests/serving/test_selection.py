"""A version that is refused is not served, the last good version is; the service reports it."""

from pathlib import Path
from typing import Any

import pytest

from engine.serving import selection
from engine.serving.model_cache import ModelCache
from engine.serving.selection import ServedVersion, versions_to_try
from persistence.model_persistence import ModelStore
from persistence.promotions import Pointer, Promotion
from persistence.store_errors import UntrustedArtifact
from tests.support.application import serve
from tests.support.exposed import Exposed
from tests.support.plain_versions import damage, write_plain


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused may be tried again at once."""
    monkeypatch.setattr(selection, "FIRST_PAUSE", 0.0)


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
    client, models = app.test_client(), app.extensions["resources"].models
    before = models.get()
    broken, reason = break_it(store, versions[1], toy_store)
    store.change("rent", lambda pointer: pointer.promote(broken))  # type: ignore[union-attr]

    for _ in range(3):
        assert models.new_tag("rent") and not models.catch_up("rent")

    assert before is models.get()
    shown = client.get("/v0/models/rent").get_json()
    assert (versions[0], broken) == (shown["version"], shown["refused"]["version"])
    assert reason in shown["refused"]["reason"]
    health = client.get("/health").get_json()
    assert "degraded" == health["status"] and f"version {broken} of rent" in health["reason"]
    assert 200 == client.get("/readyz").status_code
    exposed = Exposed(client.get("/metrics").text)
    assert {("rent", broken): 1} == exposed.of("model_refused", "model", "version")
    assert 1 == sum(reason in line.getMessage() for line in caplog.records)
    store.promote("rent", versions[2])
    assert models.catch_up("rent")
    assert "refused" not in client.get("/v0/models/rent").get_json()
    assert "ok" == client.get("/health").get_json()["status"]
    exposed = Exposed(client.get("/metrics").text)
    assert {} == exposed.of("model_refused", "model", "version")


@pytest.mark.usefixtures("no_pauses")
def test_version_when_refused_is_tried_again_and_served_once_it_is_whole(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    path = store.root / "rent" / versions[1] / "model.onnx"
    content = path.read_bytes()
    damage(store, versions[1])
    store.promote("rent", versions[1])
    assert not models.catch_up("rent")

    path.write_bytes(content)

    assert models.new_tag("rent") and models.catch_up("rent")
    assert versions[1] == models.get().version and models.refused() is None


def test_version_when_refused_is_not_read_again_at_each_look(
    store: ModelStore, versions: list[str], models: ModelCache
) -> None:
    damage(store, versions[1])
    store.promote("rent", versions[1])
    models.catch_up("rent")

    assert not models.new_tag("rent")


def test_version_when_it_is_too_large_for_the_memory_is_refused_with_the_figures(
    store: ModelStore, versions: list[str], tmp_path: Path
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemAvailable:          1 kB\n")
    models = ModelCache(store, "rent", system=tmp_path)
    assert versions[0] == models.get().version  # the first is read whatever there is
    store.promote("rent", versions[1])

    assert not models.catch_up("rent")

    assert versions[0] == models.get().version
    assert "MB of memory to load, and 0 MB are available" in str(models.refused())


@pytest.mark.parametrize("content", ["", "{}", None])
def test_pointer_when_damaged_leaves_the_version_that_is_served(
    store: ModelStore, versions: list[str], models: ModelCache, content: str | None
) -> None:
    path = store.root / "rent" / "promoted.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
        assert models.new_tag("rent") and not models.catch_up("rent")
        assert models.refused() is not None

    assert versions[0] == models.get().version and not models.new_tag("rent")
    store.promote("rent", versions[1])
    assert models.new_tag("rent") and models.catch_up("rent")
    assert versions[1] == models.get().version and models.refused() is None


def test_version_when_it_fails_after_the_fork_is_replaced_by_the_one_before(
    store: ModelStore, versions: list[str], toy_store: ModelStore
) -> None:
    wrong = write_plain(store, toy_store, 9, example=4.0)
    store.promote("rent", wrong)
    models = ModelCache(store, "rent")
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
    models = ModelCache(store, "rent")

    with pytest.raises(UntrustedArtifact, match=f"{versions[1]} differs"):
        models.get()


def test_version_when_promoted_again_is_tried_at_once(
    store: ModelStore, versions: list[str], models: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "FIRST_PAUSE", 3600.0)
    damage(store, versions[1])
    store.promote("rent", versions[1])
    assert not models.catch_up("rent") and not models.new_tag("rent")

    damage(store, versions[1])  # a byte that is changed twice is what it was
    for version in (versions[2], versions[1]):
        store.promote("rent", version)
        assert models.new_tag("rent") and models.catch_up("rent")

    assert versions[1] == models.get().version


def test_versions_when_all_are_refused_are_not_read_for_each_request(
    store: ModelStore, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "FIRST_PAUSE", 3600.0)
    damage(store, versions[0])
    models = ModelCache(store, "rent")
    with pytest.raises(UntrustedArtifact, match="differs from the digest"):
        models.get()

    damage(store, versions[0])

    with pytest.raises(UntrustedArtifact, match="differs from the digest"):
        models.get()
    store.change("rent", lambda pointer: pointer.promote(versions[1]))  # type: ignore[union-attr]
    assert versions[1] == models.get().version


def test_versions_when_ordered_begin_with_the_promoted_and_end_with_the_served() -> None:
    pointer = Pointer((Promotion("b", None), Promotion("c", None)))
    looks = []

    def stored() -> list[str]:
        looks.append(1)
        return ["a", "b", "c", "d"]

    served = ServedVersion("a", None, None)
    order = versions_to_try(pointer, stored, served)

    assert "c" == next(order) and [] == looks, "nothing is listed before it is needed"
    assert ["b", "a"] == [*dict.fromkeys(order)]
    assert ["a", "d", "c", "b", "a"] == [*versions_to_try(None, stored, served)]
