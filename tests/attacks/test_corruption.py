"""A version of which any byte has changed, or an end is missing, reaches no deserialiser."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.loading import load_version, sign_version
from persistence.checked_files import checked_file
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.support.project import ROOT
from tests.support.runtimes import RUN_FILE

SMALL = ROOT / "tests/support/versions/format_3"
KEY = "a-secret-of-the-tests-0123456789"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    shutil.copytree(SMALL, tmp_path / "store")
    return ModelStore(tmp_path / "store", signing_key=KEY)


def corrupt(folder: Path, *, sample: int = 0, key: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.corruptions", str(folder), str(sample), key],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", KEY])
def test_version_when_any_byte_changes_or_an_end_is_missing_is_refused_unread(
    store: ModelStore, key: str
) -> None:
    (version,) = store.versions("toy")
    folder = store.root / "toy" / version
    if key:
        sign_version(store, "toy", version)
    names = ["card.json", "card.sig"] if key else ["card.json", RUN_FILE, "model.skops"]

    found = corrupt(folder, key=key)

    sizes = {name: (folder / name).stat().st_size for name in names}
    assert {name: 2 * size + 1 for name, size in sizes.items()} == found["tried"]
    assert ([], []) == (found["accepted"], found["reached"])
    assert found["whole"]


@pytest.mark.slow
def test_credit_when_sampled_bytes_change_is_refused_unread(
    credit_store: ModelStore, tmp_path: Path
) -> None:
    version = credit_store.promoted("credit")
    folder = tmp_path / "credit" / version
    shutil.copytree(credit_store.root / "credit" / version, folder)

    found = corrupt(folder, sample=40)

    assert {
        "card.json",
        "model-card.md",
        RUN_FILE,
        "model.skops",
        "reference.json",
        "report.html",
    } == set(found["tried"])
    assert ([], [], True) == (found["accepted"], found["reached"], found["whole"])


def test_file_when_it_is_a_link_is_refused_whatever_it_leads_to(store: ModelStore) -> None:
    (version,) = store.versions("toy")
    sign_version(store, "toy", version)
    for name in (RUN_FILE, "model.skops", "card.json", "card.sig"):
        path = store.root / "toy" / version / name
        elsewhere = store.root / name
        path.rename(elsewhere)
        path.symlink_to(elsewhere)

        with pytest.raises(UntrustedArtifact, match="cannot be read"):
            load_version(store, "toy")

        path.unlink()
        elsewhere.rename(path)
    assert load_version(store, "toy").self_test() is None


def test_file_when_it_is_a_pipe_is_refused_and_not_waited_for(store: ModelStore) -> None:
    (version,) = store.versions("toy")
    sign_version(store, "toy", version)
    path = store.root / "toy" / version / RUN_FILE
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(UntrustedArtifact, match="not a regular file"):
        load_version(store, "toy")


@pytest.mark.parametrize("name", [RUN_FILE, "model.skops", "card.json", "card.sig"])
def test_file_when_it_is_huge_is_not_read(store: ModelStore, name: str) -> None:
    (version,) = store.versions("toy")
    sign_version(store, "toy", version)
    os.truncate(store.root / "toy" / version / name, 2**42)  # of holes: to read it takes an hour

    with pytest.raises(UntrustedArtifact):
        load_version(store, "toy")


def test_file_when_its_card_says_that_it_is_huge_takes_no_memory(store: ModelStore) -> None:
    (version,) = store.versions("toy")
    sign_version(store, "toy", version)
    card = store.read_card("toy", version)
    card["files"][RUN_FILE]["bytes"] = 2**62

    with pytest.raises(UntrustedArtifact, match="differs from the digest"):
        checked_file(store.root / "toy" / version, card, RUN_FILE)
