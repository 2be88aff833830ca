"""Trained stores are kept between runs, and never used damaged."""

import os
from pathlib import Path

import pytest

from tests.support.fixture_cache import MOST_ENTRIES, SOURCES, FixtureCache, digest_of_sources
from tests.support.project import ROOT


class Maker:
    """Makes an entry, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> None:
        self.count += 1
        (folder / "rent").mkdir()
        (folder / "rent/model.onnx").write_text(f"made {self.count}")


@pytest.fixture
def cache(tmp_path: Path) -> FixtureCache:
    return FixtureCache(tmp_path / "cache")


@pytest.fixture
def make() -> Maker:
    return Maker()


def entries(cache: FixtureCache) -> list[Path]:
    return sorted(path for path in cache.folder.iterdir() if path.is_dir())


def fill(cache: FixtureCache, target: Path, make: Maker, *sources: Path) -> str:
    cache.fill(target, "rent", make, sources)
    return (target / "rent/model.onnx").read_text()


def test_entry_when_it_is_there_is_copied_and_not_made_again(
    cache: FixtureCache, make: Maker, tmp_path: Path
) -> None:
    assert "made 1" == fill(cache, tmp_path / "one", make)
    (tmp_path / "one/rent/model.onnx").write_text("changed by a test")

    assert "made 1" == fill(cache, tmp_path / "two", make)
    assert ["rent"] == [path.name for path in (tmp_path / "two").iterdir()]


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "rent/model.onnx").write_text("made X"),
        lambda entry: (entry / "rent/model.onnx").unlink(),
        lambda entry: (entry / "rent/more").write_text(""),
        lambda entry: (entry / "digests.json").unlink(),
        lambda entry: (entry / "digests.json").write_text('{"rent/mod'),
    ],
)
def test_entry_when_it_is_damaged_is_made_again(
    cache: FixtureCache, make: Maker, tmp_path: Path, damage: object
) -> None:
    fill(cache, tmp_path / "one", make)
    (entry,) = entries(cache)
    assert callable(damage)
    damage(entry)

    assert "made 2" == fill(cache, tmp_path / "two", make)
    assert "made 2" == fill(cache, tmp_path / "three", make)


def test_entry_when_making_it_fails_is_not_there(
    cache: FixtureCache, make: Maker, tmp_path: Path
) -> None:
    def fail(folder: Path) -> None:
        make(folder)
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        cache.fill(tmp_path / "one", "rent", fail)

    assert [] == entries(cache)
    assert "made 2" == fill(cache, tmp_path / "two", make)


def test_entry_when_a_source_changes_is_made_again_and_the_oldest_goes(
    cache: FixtureCache, make: Maker, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    for number in range(4):
        table.write_text(f"row {number}")
        digest_of_sources.cache_clear()
        fill(cache, tmp_path / str(number), make, table)
        for age, path in enumerate(entries(cache)):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10 - age))

    assert 4 == make.count
    assert MOST_ENTRIES == len(entries(cache))
    assert "made 4" == fill(cache, tmp_path / "again", make, table)


def test_sources_when_listed_are_all_there() -> None:
    assert [] == [name for name in SOURCES if not (ROOT / name).exists()]


def test_digest_when_a_file_of_the_sources_changes_is_another(tmp_path: Path) -> None:
    digests = set()
    for text in ("one", "two"):
        for name in SOURCES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("")
        (tmp_path / "persistence").write_text(text)
        digest_of_sources.cache_clear()
        digests.add(digest_of_sources(root=tmp_path))

    assert 2 == len(digests)
