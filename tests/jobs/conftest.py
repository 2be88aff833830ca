"""A lake for each test."""

from pathlib import Path

import pytest

from tests.support.lakes import Lakeside


@pytest.fixture
def lakeside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lakeside:
    """An empty lake, to which the environment leads."""
    side = Lakeside(tmp_path, capsys)
    monkeypatch.setenv("LAKE", str(side.lake))
    return side
