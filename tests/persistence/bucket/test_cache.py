"""The cache of a bucket: private, verified, and enough while the bucket is away."""

import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persistence.bucket import pointer
from persistence.model_persistence import ModelStore
from persistence.store_errors import ModelNotFound, StoreUnavailable, UntrustedArtifact
from tests.support.fault_proxy import FaultProxy, Request
from tests.support.project import ROOT
from tests.support.stores import (
    FILES,
    assert_no_drafts,
    assert_whole,
    fresh,
    home,
    promoted_in_bucket,
    publish,
)


@pytest.fixture
def store(proxy: FaultProxy, tmp_path: Path) -> ModelStore:
    """A store in a bucket with a promoted version; the cache has nothing but the pointer."""
    return promoted_in_bucket(tmp_path)


@pytest.fixture
def each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll whenever it is asked, not once a second."""
    monkeypatch.setattr(pointer, "SECONDS", 0)


def is_of_a_version(asked: Request) -> bool:
    return "promoted.json" not in asked.path and "list-type" not in asked.path


def test_version_when_read_again_is_not_fetched_again(store: ModelStore, proxy: FaultProxy) -> None:
    assert_whole(store, store.promoted("toy"))
    proxy.seen.clear()

    assert_whole(store, store.promoted("toy"))

    assert [] == [asked for asked in proxy.seen if is_of_a_version(asked)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset", "500", "403", "404", "stall"])
@pytest.mark.usefixtures("each_time")
def test_version_when_the_bucket_is_away_is_served_from_the_cache(
    store: ModelStore, proxy: FaultProxy, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.promoted("toy")
    tag = store.pointer_tag("toy")
    assert_whole(store, version)
    monkeypatch.setattr("persistence.bucket.client.SECONDS", 0.3)
    proxy.fail(fault)

    later = ModelStore(str(store.place), cache=store.root.parent)  # a service that starts now

    assert version == later.promoted("toy")
    assert tag == later.pointer_tag("toy")
    if fault != "404":  # what is not there cannot be listed, but may be read
        assert (["toy"], [version]) == (later.names(), later.versions("toy"))
    assert_whole(later, version)


@pytest.mark.slow
@pytest.mark.usefixtures("each_time")
def test_outage_when_it_lasts_is_told_once_and_its_end_once(
    store: ModelStore, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    proxy.fail("500")
    for _ in range(3):
        store.pointer_tag("toy")
    proxy.heal()
    for _ in range(3):
        store.pointer_tag("toy")

    first, last = caplog.messages
    assert "the pointer of toy stays as it was: s3://" in first
    assert "can be read again" in last


@pytest.mark.slow
def test_store_when_it_is_away_and_nothing_is_cached_says_so(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.fail("500")
    there = fresh(store, tmp_path)

    with pytest.raises(StoreUnavailable, match="does not answer as it should"):
        there.pointer("toy")
    with pytest.raises(StoreUnavailable):
        there.read_card("toy", "20260102T101500Z-3fa9c")
    with pytest.raises(StoreUnavailable):
        there.stored_names()
    assert there.pointer_tag("toy") is None


def test_pointer_when_it_is_damaged_in_the_bucket_is_kept_where_it_was_read(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, each_time: None
) -> None:
    version = store.promoted("toy")
    place = store.place
    place._bucket.swap("toy/promoted.json", b"{", place._bucket.read("toy/promoted.json"))  # type: ignore[attr-defined]

    assert version == store.promoted("toy")
    with pytest.raises(UntrustedArtifact, match="is damaged"):
        fresh(store, tmp_path).promoted("toy")
    store.promote("toy", version)
    assert version == fresh(store, tmp_path).promoted("toy")


@pytest.mark.parametrize("file", ["model.onnx", "card.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_cached_file_when_it_is_damaged_is_fetched_again(
    store: ModelStore, file: str, damage: str
) -> None:
    assert_whole(store, store.promoted("toy"))
    path = home(store) / file
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:] if damage == "changed" else whole[:-1])
    if damage == "gone":
        path.unlink()

    assert_whole(store, store.promoted("toy"))

    assert whole == path.read_bytes()


@pytest.mark.usefixtures("each_time")
def test_cached_pointer_when_it_is_damaged_is_fetched_again(store: ModelStore) -> None:
    version = store.promoted("toy")
    (store.root / "toy" / "promoted.json").write_bytes(b"{")

    assert version == store.promoted("toy")


@contextmanager
def full_disk() -> Iterator[None]:
    """Let this process write nothing for a while."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.slow
@pytest.mark.usefixtures("each_time")
def test_cache_when_the_disk_is_full_goes_on_with_what_it_has(
    store: ModelStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version, tag = store.promoted("toy"), store.pointer_tag("toy")
    assert_whole(store, version)
    there = fresh(store, tmp_path)
    there.promote("toy", publish(there, "second"))
    caplog.clear()

    with full_disk():
        assert (version, tag) == (store.promoted("toy"), store.pointer_tag("toy"))
        assert_whole(store, version)
        assert tag == store.pointer_tag("toy")
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            store.place.bring(there.read_card("toy"))
    (told,) = [one for one in caplog.messages if "no promotion is seen" in one]

    assert "cannot be written" in told
    assert there.promoted("toy") == store.promoted("toy")


def test_cache_when_it_cannot_be_made_is_named(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    there = ModelStore(str(store.place), cache=tmp_path / "file" / "cache")

    with pytest.raises(StoreUnavailable, match=r"file/cache.* cannot be written"):
        there.pointer("toy")
    assert there.pointer_tag("toy") is None


@pytest.mark.parametrize("file", ["model.onnx", "card.json"])
@pytest.mark.parametrize(
    "change",
    [lambda whole: whole[:-1] + b"!", lambda whole: whole[:-1], lambda whole: whole + b"!"],
)
def test_object_when_it_is_another_is_refused_and_not_cached(
    store: ModelStore, tmp_path: Path, file: str, change: Callable[[bytes], bytes]
) -> None:
    version, place = store.promoted("toy"), store.place
    key = f"toy/{version}/{file}"
    found = place._bucket.read(key)  # type: ignore[attr-defined]
    place._bucket.swap(key, change(found.content), found)  # type: ignore[attr-defined]
    there = fresh(store, tmp_path)

    with pytest.raises(UntrustedArtifact, match=r"changed after it was written|differs|damaged"):
        there.place.bring(there.read_card("toy", version))

    assert not (there.root / "toy" / version / file).exists()
    assert_no_drafts(there.root)


@pytest.mark.usefixtures("each_time")
def test_pointer_when_it_is_as_it_was_is_answered_with_304(
    store: ModelStore, proxy: FaultProxy
) -> None:
    store.pointer_tag("toy")
    record = json.loads((store.root / "toy" / ".polled.json").read_bytes())
    path = store.root / "toy" / "promoted.json"
    before = path.stat()

    store.pointer_tag("toy")

    assert record["tag"]
    assert before == path.stat()


def test_pointer_when_asked_by_many_is_polled_once_a_second(
    store: ModelStore, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer, "SECONDS", 3600)
    proxy.seen.clear()

    stores = [ModelStore(str(store.place), cache=store.root.parent) for _ in range(5)]
    tags = {one.pointer_tag("toy") for one in stores for _ in range(5)}

    assert 1 == len(tags)
    assert [] == proxy.seen


@pytest.mark.usefixtures("each_time")
def test_pointer_when_an_etag_lies_is_read_whole_after_a_while(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.promoted("toy")
    elsewhere = fresh(store, tmp_path)
    elsewhere.promote("toy", publish(elsewhere, "second"))
    record = store.root / "toy" / ".polled.json"
    new_tag = json.loads((elsewhere.root / "toy" / ".polled.json").read_bytes())["tag"]
    record.write_text(json.dumps({**json.loads(record.read_bytes()), "tag": new_tag}))

    assert first == store.promoted("toy")
    monkeypatch.setattr(pointer, "WHOLE_SECONDS", 0)

    assert elsewhere.promoted("toy") == store.promoted("toy")


APART = """
import os, sys
from pathlib import Path
from persistence.model_persistence import ModelStore
store = ModelStore(sys.argv[1], cache=Path(sys.argv[2]))
store.ask_apart(True)
card = store.read_card("toy")
files = [*store.place.bring(card).iterdir()]
print(card["version"], len(files), len(os.listdir("/proc/self/task")), "obstore" in sys.modules)
"""


@pytest.mark.slow
def test_process_that_forks_when_it_reads_starts_no_threads(
    store: ModelStore, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", APART, str(store.place), str(tmp_path / "apart")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip

    assert f"{store.promoted('toy')} {len(FILES) + 1} 1 False\n" == done.stdout


@pytest.mark.slow
def test_process_that_forks_when_nothing_is_there_tells_absent_from_away(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    there = fresh(store, tmp_path)
    there.ask_apart(True)

    with pytest.raises(ModelNotFound):
        there.pointer("another")
    proxy.fail("500")
    with pytest.raises(StoreUnavailable, match="does not answer as it should"):
        there.pointer("toy")
