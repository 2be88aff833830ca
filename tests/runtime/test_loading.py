"""Opening a stored version on a host that lacks a package."""

import sys
from pathlib import Path

import pytest

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.support.plain_versions import plain_store


@pytest.mark.parametrize(
    ("name", "package", "sentence"),
    [
        ("rent", "onnxruntime",
         "is onnx, and onnxruntime is not installed: pip install -r requirements-serve-onnx.txt"),
        ("coin", "sklearn",
         "is native, and sklearn is not installed: pip install -r requirements.txt"),
    ],
)  # fmt: skip
def test_version_when_a_package_is_missing_names_it_and_the_remedy(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, package: str, sentence: str,
) -> None:  # fmt: skip
    store = plain_store(tmp_path, toy_store) if name == "rent" else toy_store
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed

    with pytest.raises(UntrustedArtifact) as refusal:
        load_version(store, name)

    assert f"version {store.promoted(name)} of {name} {sentence}" == str(refusal.value)
