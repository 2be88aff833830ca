"""What every place for versions offers, so that a third is one class and one line."""

from pathlib import Path

import pytest

from persistence.bucket.cache import CachedBucket
from persistence.folder import Folder
from persistence.model_persistence import PLACES, ModelStore
from persistence.place import Place


def places(cache: Path) -> list[Place]:
    """Return one place of each class; mypy sees that each satisfies the contract."""
    return [Folder(cache), CachedBucket("s3://bucket/models", cache)]


def test_place_when_it_is_of_any_class_has_all_methods(tmp_path: Path) -> None:
    methods = {name for name in vars(Place) if name[0] != "_"}

    missing = {type(place): methods - {*vars(type(place))} for place in places(tmp_path)}

    assert {Folder: set(), CachedBucket: set()} == missing
    assert {*PLACES.values()} | {Folder} == {*missing}


def test_store_when_a_scheme_is_added_opens_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLACES, "memory", lambda address, cache: Folder(cache / address[9:]))

    assert tmp_path / "here" == ModelStore("memory://here", cache=tmp_path).root


def test_store_when_the_scheme_is_unknown_names_those_it_opens(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'ftp://here' is not a store: give a folder, or s3://"):
        ModelStore("ftp://here", cache=tmp_path)
