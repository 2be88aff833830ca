"""A bucket that fails in every way: nothing is torn, the old state stays, the error is clear."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from persistence.bucket import client, pointer
from persistence.bucket.client import Bucket
from persistence.model_persistence import ModelStore
from persistence.place import VersionExists
from persistence.promotions import PromotionConflict
from persistence.store_errors import StoreUnavailable, UntrustedArtifact
from tests.support.fault_proxy import FAULTS, FaultProxy, Request
from tests.support.project import ROOT
from tests.support.s3 import variables
from tests.support.serving import wait_until
from tests.support.stores import (
    assert_no_drafts,
    assert_whole,
    promoted_in_bucket,
    publish,
)

pytestmark = pytest.mark.slow

#: Those that change nothing for who does not ask on a condition.
HARMLESS = ("delay", "etag")

every_fault = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture
def store(proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """A store in a bucket with a promoted version; nobody waits long."""
    monkeypatch.setattr(pointer, "SECONDS", 0)
    monkeypatch.setattr(client, "SECONDS", 0.5)
    monkeypatch.setattr(client, "SLOWEST", 10_000_000)
    return promoted_in_bucket(tmp_path)


def elsewhere(store: ModelStore, tmp_path: Path) -> ModelStore:
    """The same store on a machine that has read nothing of it."""
    return ModelStore(str(store.place), cache=tmp_path / "elsewhere")


def is_a_write(asked: Request) -> bool:
    return asked.method == "PUT"


@pytest.mark.parametrize(("size", "seconds"), [(None, "500ms"), (10**7, "1s 500ms")])
def test_request_when_made_has_a_deadline_and_is_not_repeated_by_others(
    store: ModelStore, size: int | None, seconds: str
) -> None:
    client = Bucket(str(store.place))._client(size)

    assert seconds == client.client_options["timeout"]  # type: ignore[union-attr, index]
    assert 0 == client.retry_config["max_retries"]  # type: ignore[union-attr, index]


@every_fault
def test_read_when_the_bucket_fails_gives_whole_files_or_none(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, fault: str
) -> None:
    version, there = store.promoted("toy"), elsewhere(store, tmp_path)
    proxy.fail(fault)

    if fault in HARMLESS:
        assert_whole(there, version)
    else:
        with pytest.raises(
            (StoreUnavailable, UntrustedArtifact), match="does not answer as it should"
        ):
            there.read_card("toy", version)
    proxy.fail(fault, when=lambda asked: asked.path.endswith("model.onnx"))
    if fault not in HARMLESS:
        card = store.read_card("toy", version)
        with pytest.raises(
            (StoreUnavailable, UntrustedArtifact), match=r"does not answer|is missing or"
        ):
            there.place.bring(card)
        assert not (there.root / "toy" / version / "model.onnx").exists()
    proxy.heal()

    assert_whole(elsewhere(store, tmp_path), version)
    assert_no_drafts(there.root)


@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"404"}))
def test_read_when_the_bucket_fails_once_is_repeated(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, fault: str
) -> None:
    proxy.fail(fault, when=lambda asked: asked.path.endswith("model.onnx"), times=1)

    assert_whole(elsewhere(store, tmp_path), store.promoted("toy"))


@every_fault
def test_poll_when_the_bucket_fails_keeps_the_pointer_until_it_can_be_read(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, fault: str
) -> None:
    first, tag = store.promoted("toy"), store.pointer_tag("toy")
    there = elsewhere(store, tmp_path)
    second = publish(there, "second")
    there.promote("toy", second)
    proxy.fail(fault)

    seen, now = store.pointer_tag("toy"), store.promoted("toy")
    assert (seen == tag, now) == ((False, second) if fault in HARMLESS else (True, first))
    proxy.heal()

    assert tag != store.pointer_tag("toy")
    assert second == store.promoted("toy")


@every_fault
def test_publish_when_the_bucket_fails_leaves_a_whole_version_or_none(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, fault: str
) -> None:
    before = store.versions("toy")
    proxy.fail(fault, when=is_a_write)

    if fault in ("delay", "etag", "cut", "partial"):  # what the answer says in full is not asked
        publish(store, "another")
    else:
        with pytest.raises(StoreUnavailable, match="does not answer as it should"):
            publish(store, "another")
    proxy.heal()
    store.place._listing.forget()  # type: ignore[attr-defined]
    (version,) = {*store.versions("toy")} - {*before} or {""}
    if version:
        assert_whole(elsewhere(store, tmp_path), version)
        with pytest.raises(VersionExists, match="with the same content"):
            publish(store, "another")
    else:
        assert_whole(elsewhere(store, tmp_path), publish(store, "another"))


@every_fault
@pytest.mark.parametrize("at", [1, 2, 3])
def test_publish_when_the_bucket_fails_once_is_repeated(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, fault: str, at: int
) -> None:
    asked_before: list[Request] = []

    def is_the_nth_write(asked: Request) -> bool:
        asked_before.extend([asked] if is_a_write(asked) else [])
        return is_a_write(asked) and len(asked_before) == at

    proxy.fail(fault, when=is_the_nth_write)

    assert_whole(elsewhere(store, tmp_path), publish(store, "another"))


@every_fault
def test_promotion_when_the_bucket_fails_once_is_made_once(
    store: ModelStore, proxy: FaultProxy, fault: str
) -> None:
    first, second = store.promoted("toy"), publish(store, "another")
    proxy.fail(fault, when=is_a_write, times=1)

    store.promote("toy", second, expected=first)

    assert [first, second] == [one.version for one in store.pointer("toy").promotions]


def test_promotion_when_its_answer_is_lost_and_another_follows_is_not_repeated(
    store: ModelStore, proxy: FaultProxy, s3: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, ours, theirs = store.promoted("toy"), publish(store, "ours"), publish(store, "theirs")
    monkeypatch.setattr(client, "SECONDS", 60)  # while the others promote
    patient = elsewhere(store, tmp_path)
    told = f"{store.place} promote {theirs}\n"
    asked: list[str] = []

    def is_lost(request: Request) -> bool:
        asked.extend([request.method] if request.path.endswith("promoted.json") else [])
        if asked[-2:] == ["PUT", "GET"] and asked.count("PUT") == 1:
            command = [sys.executable, "-m", "tests.attacks.store_races", str(tmp_path / "theirs")]
            settings = {**os.environ, **variables(s3)}
            subprocess.run(command, cwd=ROOT, env=settings, input=told, text=True, check=True)
        return asked == ["GET", "PUT"]

    proxy.fail("lost", when=is_lost)
    patient.promote("toy", ours)

    assert [first, ours, theirs] == [one.version for one in patient.pointer("toy").promotions]


@pytest.mark.parametrize("fault", ["reset", "500", "403"])
def test_promotion_when_the_bucket_fails_changes_nothing_and_says_so(
    store: ModelStore, proxy: FaultProxy, fault: str
) -> None:
    first, second = store.promoted("toy"), publish(store, "another")
    proxy.fail(fault, when=is_a_write)

    with pytest.raises(StoreUnavailable, match="may have been changed or not"):
        store.promote("toy", second)
    proxy.heal()

    assert first == store.promoted("toy")
    store.promote("toy", second)
    assert second == store.promoted("toy")


def test_promotion_when_it_arrives_late_does_not_undo_the_next(
    store: ModelStore, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer, "ATTEMPTS", 1)
    late, next_one = publish(store, "late"), publish(store, "next")
    proxy.fail("stall", when=is_a_write, times=1)
    with pytest.raises(StoreUnavailable, match="may have been changed or not"):
        store.promote("toy", late)

    store.promote("toy", next_one)
    proxy.heal()
    wait_until(lambda: proxy.answered == len(proxy.seen), "the late answer")

    assert next_one == elsewhere(store, tmp_path).promoted("toy")


def test_promotion_when_the_etag_lies_is_refused_in_the_end(
    store: ModelStore, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer, "TURNS", 3)
    first, second = store.promoted("toy"), publish(store, "another")
    proxy.fail("etag", when=lambda asked: asked.path.endswith("promoted.json"))

    with pytest.raises(PromotionConflict, match=r"changed the pointer of toy .* 3 times"):
        store.promote("toy", second)

    proxy.heal()
    assert first == store.promoted("toy")
