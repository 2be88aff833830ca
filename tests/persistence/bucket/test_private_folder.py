"""The folder that keeps what was read from a bucket: nobody else can lead it astray."""

import os
from pathlib import Path

import pytest

from persistence.bucket import pointer
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.support.fault_proxy import FaultProxy
from tests.support.stores import assert_whole, fresh, home, promoted_in_bucket


@pytest.fixture
def store(proxy: FaultProxy, tmp_path: Path) -> ModelStore:
    """A store in a bucket with a promoted version; the cache has nothing but the pointer."""
    return promoted_in_bucket(tmp_path)


@pytest.fixture
def each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll whenever it is asked, not once a second."""
    monkeypatch.setattr(pointer, "SECONDS", 0)


def test_cache_when_made_is_this_users_alone(store: ModelStore) -> None:
    assert_whole(store, store.promoted("toy"))

    cache = store.root.parent
    for path in [cache, *cache.rglob("*")]:
        assert (0o700 if path.is_dir() else 0o600) == path.stat().st_mode & 0o777, path


def test_cache_when_others_can_write_in_it_is_refused(store: ModelStore, tmp_path: Path) -> None:
    there = fresh(store, tmp_path)
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh").chmod(0o777)

    with pytest.raises(UntrustedArtifact, match=r"is writable by other users.*MODEL_CACHE"):
        there.pointer("toy")
    assert there.pointer_tag("toy") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_cache_when_it_is_another_users_is_refused(store: ModelStore, tmp_path: Path) -> None:
    there = fresh(store, tmp_path)
    (tmp_path / "fresh").mkdir(mode=0o700)
    os.chown(tmp_path / "fresh", 12345, -1)

    with pytest.raises(UntrustedArtifact, match="belongs to another user"):
        there.pointer("toy")


@pytest.mark.parametrize("level", ["cache", "address", "model", "version"])
def test_folder_in_the_cache_when_it_is_a_link_is_refused(
    store: ModelStore, tmp_path: Path, level: str
) -> None:
    version = store.promoted("toy")
    there = fresh(store, tmp_path)
    planted = {
        "cache": there.root.parent, "address": there.root, "model": there.root / "toy",
        "version": there.root / "toy" / version,
    }[level]  # fmt: skip
    planted.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    planted.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UntrustedArtifact, match="is not a folder, or is a link"):
        there.place.bring(there.read_card("toy", version))

    assert [] == [*(tmp_path / "elsewhere").iterdir()]


@pytest.mark.parametrize("file", ["model.onnx", "card.json", "promoted.json"])
@pytest.mark.usefixtures("each_time")
def test_file_in_the_cache_when_it_is_a_link_is_refused(
    store: ModelStore, tmp_path: Path, file: str
) -> None:
    version = store.promoted("toy")
    assert_whole(store, version)
    path = home(store).parent / file if file == "promoted.json" else home(store) / file
    path.rename(tmp_path / "planted")
    path.symlink_to(tmp_path / "planted")

    with pytest.raises(UntrustedArtifact, match="in the cache is a link"):
        store.place.bring(store.read_card("toy", store.promoted("toy")))


@pytest.mark.parametrize("file", ["../planted", "/planted", "a/b", "..", ".hidden", "A", ""])
def test_card_when_it_names_a_file_elsewhere_writes_nothing(
    store: ModelStore, tmp_path: Path, file: str
) -> None:
    card = {"model": "toy", "version": store.promoted("toy"), "files": {file: {"bytes": 1}}}

    with pytest.raises(UntrustedArtifact, match="names a file"):
        store.place.bring(card)

    assert [] == [*tmp_path.rglob("planted")]
