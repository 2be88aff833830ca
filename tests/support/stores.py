"""Small versions in folders and buckets, for the tests of where versions are kept."""

import uuid
from pathlib import Path
from typing import Any

from persistence.model_persistence import ModelStore
from tests.support.s3 import BUCKET

#: When they say that they were trained, all in one second.
CREATED_AT = "2026-01-02T10:15:00+00:00"

#: The files of a version, larger than a packet.
FILES = {"model.onnx": b"graph" * 40_000, "report.html": b"<p>report</p>"}


def new_address() -> str:
    """Give an address in the bucket that no other test uses."""
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def card_of(title: str = "") -> dict[str, Any]:
    """Give a card of model `toy`, different for every title."""
    return {"model": "toy", "created_at": CREATED_AT, "title": title}


def publish(store: ModelStore, title: str = "") -> str:
    """Store a version."""
    return store.write(card_of(title), FILES)


def promoted_in_bucket(tmp_path: Path) -> ModelStore:
    """Give a store in a bucket with a promoted version; the cache has nothing but the pointer."""
    store = ModelStore(new_address(), cache=tmp_path / "cache")
    store.promote("toy", publish(store))
    return store


def home(store: ModelStore) -> Path:
    """Give the folder of the promoted version."""
    return store.root / "toy" / store.promoted("toy")


def fresh(store: ModelStore, tmp_path: Path) -> ModelStore:
    """The same store on a machine that has read nothing of it."""
    return ModelStore(str(store.place), cache=tmp_path / "fresh")


def assert_whole(store: ModelStore, version: str) -> None:
    """See that a version is there with every byte of it."""
    card = store.read_card("toy", version)
    folder = store.place.bring(card)
    assert set(FILES) == set(card["files"])
    assert {file: (folder / file).read_bytes() for file in FILES} == FILES


def assert_no_drafts(root: Path) -> None:
    """See that nothing is left of what was being written."""
    assert [] == [path for path in root.rglob(".*") if path.name != ".polled.json"]
