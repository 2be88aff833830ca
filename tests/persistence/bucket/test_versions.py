"""Versions in a bucket: the same store, behind an address."""

import sys
from pathlib import Path

import pytest

from engine.runtime.loading import check_version, load_version
from persistence.model_persistence import ModelStore
from persistence.place import VersionExists
from persistence.promotions import Pointer, Promotion, PromotionConflict
from persistence.store_errors import ModelNotFound, VersionNotFound
from settings import InvalidSettings, Settings
from tests.support.fault_proxy import FaultProxy
from tests.support.models import unstored
from tests.support.stores import FILES, assert_whole, new_address, publish


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, proxy: FaultProxy) -> Path | str:
    return tmp_path / "store" if request.param == "folder" else new_address()


@pytest.fixture
def store(place: Path | str, tmp_path: Path) -> ModelStore:
    return ModelStore(place, cache=tmp_path / "cache")


def another(store: ModelStore, tmp_path: Path) -> ModelStore:
    """The same store as another machine sees it."""
    place = str(store.place)
    return ModelStore(place if "://" in place else Path(place), cache=tmp_path / "other")


def test_store_when_empty_has_nothing(store: ModelStore) -> None:
    assert ([], [], []) == (store.names(), store.stored_names(), store.versions("toy"))
    assert store.pointer_tag("toy") is None
    with pytest.raises(ModelNotFound, match="train one with"):
        store.pointer("toy")
    with pytest.raises(VersionNotFound):
        store.read_card("toy", "20260102T101500Z-3fa9c")


def test_version_when_written_is_read_whole_elsewhere(store: ModelStore, tmp_path: Path) -> None:
    version = publish(store)
    store.promote("toy", version)

    elsewhere = another(store, tmp_path)

    assert ["toy"] == elsewhere.names() == elsewhere.stored_names()
    assert [version] == elsewhere.versions("toy")
    assert version == elsewhere.promoted("toy")
    assert_whole(elsewhere, version)


def test_version_when_copied_between_places_has_its_files_its_name_and_its_signature(
    place: Path | str, proxy: FaultProxy, tmp_path: Path
) -> None:
    store, there, last = (
        ModelStore(one, cache=tmp_path / "cache", signing_key="a key of 22 letters and more")
        for one in (place, new_address(), tmp_path / "last")
    )
    store.promote("toy", publish(store, "first"))
    version = publish(store, "second")
    store.give_name("toy", version, "v2")

    for source, target in ((store, there), (another(there, tmp_path), last)):
        assert version == source.identifier("toy", "v2")
        source.copy("toy", version, target)

    for copied in (there, last):
        assert ([version], version) == (copied.versions("toy"), copied.promoted("toy"))
        assert version == copied.identifier("toy", "v2")
        assert_whole(copied, version)
    assert version != store.promoted("toy")


def test_trained_version_when_in_a_bucket_answers_and_is_checked(
    proxy: FaultProxy, toy_store: ModelStore, tmp_path: Path
) -> None:
    card = toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    store = ModelStore(new_address(), cache=tmp_path / "cache")

    version = store.write(
        unstored(card), {file: (folder / file).read_bytes() for file in card["files"]}
    )
    store.promote("parcel", version)

    assert version == card["version"]
    assert load_version(store, "parcel").self_test() is None
    assert check_version(store, "parcel", version) is None


@pytest.mark.parametrize(
    ("name", "version"),
    [("toy", ".."), ("toy", ""), ("toy", "card.json"), ("..", "x"), ("toy/", "x"), ("TOY", "x"),
     ("toy\0", "x"), ("%2e%2e", "x"), ("toy", "20260102T101500Z-3FA9C")],
)  # fmt: skip
def test_store_when_a_name_is_odd_asks_nothing_and_finds_nothing(
    proxy: FaultProxy, tmp_path: Path, name: str, version: str
) -> None:
    store = ModelStore(new_address(), cache=tmp_path / "cache")

    with pytest.raises(VersionNotFound):
        store.read_card(name, version)
    with pytest.raises(VersionNotFound):
        store.promote(name, version)

    assert [] == proxy.seen


def test_version_when_only_asked_for_stands_in_no_request(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    store = ModelStore(new_address(), cache=tmp_path / "cache")

    with pytest.raises(VersionNotFound):
        store.read_card("toy", "20260102T101500Z-3fa9c")
    with pytest.raises(ModelNotFound):
        store.pointer("toy")

    assert ["list-type=2"] == [one.path.partition("?")[2].partition("&")[0] for one in proxy.seen]


def test_version_when_its_card_is_missing_is_none(proxy: FaultProxy, tmp_path: Path) -> None:
    store = ModelStore(new_address(), cache=tmp_path / "cache")
    proxy.fail("500", when=lambda asked: asked.path.endswith("card.json"))

    with pytest.raises(OSError, match="does not answer as it should"):
        publish(store)
    assert any(asked.path.endswith("model.onnx") for asked in proxy.seen)
    proxy.heal()

    assert [] == another(store, tmp_path).versions("toy")
    assert_whole(store, publish(store))


def test_version_when_there_already_is_not_touched(store: ModelStore, tmp_path: Path) -> None:
    version = publish(store)

    with pytest.raises(VersionExists, match=f"{version} of toy is in .* with the same content"):
        publish(store)

    assert [version] == store.versions("toy")
    assert_whole(another(store, tmp_path), version)


@pytest.mark.parametrize("content", [b"", b"another", FILES["model.onnx"] + b"!"])
def test_version_when_a_file_of_another_is_left_is_not_mixed_with_it(
    proxy: FaultProxy, tmp_path: Path, content: bytes
) -> None:
    store = ModelStore(new_address(), cache=tmp_path / "cache")
    version = publish(ModelStore(tmp_path / "trial"))
    store.place._bucket.create(f"toy/{version}/model.onnx", content)  # type: ignore[attr-defined]

    with pytest.raises(VersionExists, match=f"another version {version} .* train again"):
        publish(store)

    assert [] == store.versions("toy")


@pytest.mark.parametrize("file", ["model.onnx", "card.json"])
def test_version_when_another_has_its_name_is_not_touched(
    store: ModelStore, tmp_path: Path, file: str
) -> None:
    version = publish(store)
    clash = {**FILES, "card.json": b"{}", file: b"another"}

    with pytest.raises(VersionExists, match=f"another version {version} .* train again"):
        store.place.publish("toy", version, clash)

    assert_whole(another(store, tmp_path), version)


def test_promotion_when_another_is_promoted_than_expected_is_refused(store: ModelStore) -> None:
    first, second = publish(store, "first"), publish(store, "second")
    store.promote("toy", first, expected="")

    with pytest.raises(PromotionConflict, match=f"{first} is promoted by now"):
        store.promote("toy", second, expected=second)
    with pytest.raises(PromotionConflict):
        store.promote("toy", second, expected="")
    assert first == store.promoted("toy")
    store.promote("toy", second, expected=first)

    assert second == store.promoted("toy")


@pytest.mark.parametrize("earlier", [[], ["before"]])
def test_promotion_when_another_is_faster_is_made_on_top_of_it(
    proxy: FaultProxy, tmp_path: Path, earlier: list[str]
) -> None:
    store = ModelStore(new_address(), cache=tmp_path / "cache")
    before = [publish(store, title) for title in earlier]
    for version in before:
        store.promote("toy", version)
    ours, theirs = publish(store, "ours"), publish(store, "theirs")
    asked: list[Pointer | None] = []

    def change(known: Pointer | None) -> Pointer:
        asked.append(known)
        if len(asked) == 1:
            another(store, tmp_path).promote("toy", theirs)
        return known.promote(ours) if known else Pointer((Promotion(ours, None),))

    store.change("toy", change)

    made = [one.version for one in store.pointer("toy").promotions]
    assert [*before, theirs, ours] == made
    assert 2 == len(asked)


def test_pointer_tag_when_asked_changes_with_the_pointer_alone(store: ModelStore) -> None:
    first, second = publish(store, "first"), publish(store, "second")
    assert store.pointer_tag("toy") is None
    store.promote("toy", first)

    tag = store.pointer_tag("toy")
    assert tag is not None
    assert tag == store.pointer_tag("toy")
    publish(store, "third")
    assert tag == store.pointer_tag("toy")

    store.promote("toy", second)
    assert store.pointer_tag("toy") not in (tag, None)


def test_version_when_removed_is_gone_for_all(store: ModelStore, tmp_path: Path) -> None:
    kept, gone = publish(store, "kept"), publish(store, "gone")
    assert_whole(store, gone)
    store.promote("toy", kept)

    store.remove("toy", gone)

    assert [kept] == store.versions("toy") == another(store, tmp_path).versions("toy")
    with pytest.raises(VersionNotFound):
        store.read_card("toy", gone)
    with pytest.raises(VersionNotFound):
        store.remove("toy", gone)
    assert_whole(store, kept)


@pytest.mark.parametrize(
    "address", ["ftp://host/x", "file:///x", "http://host/x", "s3://", "gs:///"]
)
def test_store_when_its_address_is_of_another_kind_is_refused_by_the_settings(address: str) -> None:
    with pytest.raises(InvalidSettings, match=r"MODEL_STORE is .* give a folder, or s3://bucket"):
        Settings.from_environment({"MODEL_STORE": address})


def test_store_when_nothing_reads_buckets_here_is_refused_by_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)  # as if it were not installed

    assert Path("folder") == Settings.from_environment({"MODEL_STORE": "folder"}).model_store
    with pytest.raises(InvalidSettings, match=r"pip install -r requirements-serve-bucket\.txt$"):
        Settings.from_environment({"MODEL_STORE": "s3://bucket"})


@pytest.mark.parametrize("address", ["s3://bucket", "gs://bucket/a", "az://container/a/b"])
def test_store_when_its_address_is_of_a_bucket_opens_nothing(address: str, tmp_path: Path) -> None:
    settings = Settings.from_environment({"MODEL_STORE": address})

    store = ModelStore(settings.model_store, cache=tmp_path / "cache")

    assert address == str(store.place)
    assert [] == [*tmp_path.iterdir()]
