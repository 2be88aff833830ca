"""Opening a stored version: on a host that lacks a package, and with an odd card."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.loading import as_card, load_version
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.support.plain_versions import plain_store
from tests.support.project import ROOT

(STORED,) = (ROOT / "tests/support/versions/format_3").rglob("card.json")
CARD: dict[str, Any] = json.loads(STORED.read_text())
SCHEMA, FIELD = CARD["schema"], CARD["schema"]["fields"][0]


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


@pytest.mark.parametrize("card", sorted((ROOT / "tests/support/versions").rglob("card.json")))
def test_card_of_any_format_is_taken(card: Any) -> None:
    stored = json.loads(card.read_text())

    assert stored == as_card(stored)


@pytest.mark.parametrize(
    "changed",
    [
        {"runtime": True},
        {"classes": 0},
        {"scores": []},
        {"golden": {}},
        {"schema": 0},
        {"schema": SCHEMA | {"target": None}},
        {"schema": {**SCHEMA, "fields": [FIELD | {"kind": []}]}},
        {"schema": {**SCHEMA, "fields": [FIELD | {"unit": 1}]}},
    ],
)
def test_card_when_a_key_has_another_type_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UntrustedArtifact, match="20261129T061619Z-1c78b does not describe a model"):
        as_card(CARD | changed)


def test_card_when_a_key_is_missing_is_refused() -> None:
    with pytest.raises(UntrustedArtifact, match="runtime_reason"):
        as_card({key: value for key, value in CARD.items() if key != "runtime_reason"})
