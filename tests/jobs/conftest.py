"""A lake for each test, and jobs that know the toys, in a folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.score_part import open_model
from persistence.model_persistence import ModelStore
from tests.support.lakes import Lakeside


@pytest.fixture
def lakeside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lakeside:
    """An empty lake, to which the environment leads."""
    side = Lakeside(tmp_path, capsys)
    monkeypatch.setenv("LAKE", str(side.lake))
    return side


@pytest.fixture
def folder(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder of its own, in which jobs know the toys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_STORE", str(toy_store.root))
    open_model.cache_clear()
    yield tmp_path
    open_model.cache_clear()
