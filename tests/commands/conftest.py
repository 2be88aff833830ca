"""The command that answers a file, run with the toys."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from persistence.model_persistence import ModelStore
from tests.support.application import serve


@pytest.fixture
def run(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run `flask predict` in a folder of its own, with the model parcel."""
    monkeypatch.chdir(tmp_path)
    runner = serve(toy_store, "parcel").test_cli_runner()
    return lambda *arguments: runner.invoke(args=["predict", *map(str, arguments)])
