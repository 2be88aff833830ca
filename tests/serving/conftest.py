"""What the tests of what is in memory share: a store of three versions of rent."""

from pathlib import Path

import pytest

from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from tests.support.plain_versions import plain_store


@pytest.fixture
def store(tmp_path: Path, toy_store: ModelStore) -> ModelStore:
    """Three versions, which answer the area once, twice and three times."""
    return plain_store(tmp_path / "store", toy_store)


@pytest.fixture
def versions(store: ModelStore) -> list[str]:
    """Their identifiers; the first is promoted."""
    return store.versions("rent")


@pytest.fixture
def models(store: ModelStore, versions: list[str]) -> ModelCache:
    """What a worker has in memory: the first version."""
    models = ModelCache(store, "rent")
    models.get()
    return models
