"""Versions on disk: whole or absent, checked before they are believed."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.runtime import loading
from engine.runtime.loading import load_version
from persistence import atomic_files, card_file
from persistence.model_persistence import ModelStore
from persistence.store_errors import ModelNotFound, UntrustedArtifact, VersionNotFound
from tests.support.estimators import CASES
from tests.support.project import ROOT
from tests.support.runtimes import BEST, RUN_FILE
from tests.support.trials import Trial, run_trial

KEPT = ROOT / "tests/support/versions"


@pytest.fixture(scope="module")
def trial() -> Trial:
    (case,) = [case for case in CASES if case.name == "LogisticRegression"]
    return run_trial(case, "text")


@pytest.fixture
def store(tmp_path: Path, trial: Trial) -> ModelStore:
    store = ModelStore(tmp_path)
    store.promote("toy", store.write(trial.card, trial.files))
    return store


def folder(store: ModelStore) -> Path:
    return store.root / "toy" / store.promoted("toy")


def test_version_when_written_holds_its_files_and_a_readable_card(store: ModelStore) -> None:
    card = store.read_card("toy")

    assert {RUN_FILE, "model.skops", "card.json"} == {p.name for p in folder(store).iterdir()}
    assert ["high", "low", "middle"] == card["classes"]
    assert card["version"].endswith(card["digest"][:5])
    assert BEST == card["runtime"]
    for name, fingerprint in card["files"].items():
        assert (folder(store) / name).stat().st_size == fingerprint["bytes"]


def test_store_when_nothing_is_there_says_how_to_train(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "absent")

    with pytest.raises(ModelNotFound, match="train one with"):
        load_version(store, "toy")
    assert [] == store.names()
    assert [] == store.versions("toy")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../toy", "toy/../toy", "/toy", "TOY", "toy\0", "t" * 300, "*", "toý", ".toy"],
)
def test_store_when_a_name_is_odd_finds_nothing(store: ModelStore, name: str) -> None:
    with pytest.raises(ModelNotFound):
        load_version(store, name)
    with pytest.raises(VersionNotFound):
        store.read_card(name, store.promoted("toy"))


@pytest.mark.parametrize("version", ["", "..", "../toy", "latest", "promoted.json", "*", "\0"])
def test_store_when_a_version_is_odd_finds_nothing(store: ModelStore, version: str) -> None:
    with pytest.raises(VersionNotFound):
        load_version(store, "toy", version)
    with pytest.raises(VersionNotFound):
        store.promote("toy", version)


def test_promotion_when_another_version_is_chosen_moves_the_pointer(
    store: ModelStore, trial: Trial
) -> None:
    first = store.promoted("toy")
    second = store.write({**trial.card, "title": "Another"}, trial.files)

    assert first == store.promoted("toy")
    store.promote("toy", second)
    assert second == store.promoted("toy")
    store.promote("toy", first)
    assert first == load_version(store, "toy").version
    assert sorted([first, second]) == store.versions("toy")


@pytest.mark.parametrize("name", [RUN_FILE, "card.json"])
def test_reading_when_any_byte_differs_is_refused(store: ModelStore, name: str) -> None:
    path = folder(store) / name
    whole = path.read_bytes()
    step = max(1, len(whole) // 150)

    for place in range(0, len(whole), step):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((UntrustedArtifact, VersionNotFound)):
            load_version(store, "toy")
        path.write_bytes(whole[:place])
        with pytest.raises((UntrustedArtifact, VersionNotFound)):
            load_version(store, "toy")
    path.write_bytes(whole)
    assert load_version(store, "toy").self_test() is None


def test_reading_when_the_card_is_written_otherwise_is_refused(store: ModelStore) -> None:
    path = folder(store) / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text())))

    with pytest.raises(UntrustedArtifact, match="was changed after it was written"):
        load_version(store, "toy")


def test_reading_when_the_card_cannot_be_read_is_refused(store: ModelStore) -> None:
    path = folder(store) / "card.json"
    path.write_text("[" * 100_000)

    with pytest.raises(UntrustedArtifact, match="is damaged"):
        load_version(store, "toy")
    path.unlink()
    path.mkdir()
    with pytest.raises(UntrustedArtifact, match="cannot be read"):
        load_version(store, "toy")


def test_reading_when_a_file_is_damaged_gives_no_byte_to_a_loader(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[bytes] = []
    for runtime in ("ExactRuntime", "OnnxRuntime"):
        monkeypatch.setattr(
            loading, runtime, lambda content, *rest, **named: reached.append(content)
        )
    (folder(store) / RUN_FILE).write_bytes(b"something else")

    with pytest.raises(UntrustedArtifact, match="differs from the digest"):
        load_version(store, "toy")

    assert [] == reached


def test_reading_when_a_file_is_gone_is_refused(store: ModelStore) -> None:
    (folder(store) / RUN_FILE).unlink()

    with pytest.raises(UntrustedArtifact, match="cannot be read"):
        load_version(store, "toy")


def test_reading_when_the_card_has_a_newer_format_is_refused(
    store: ModelStore, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_file, "FORMAT", 4)
    newer = store.write(trial.card, trial.files)
    monkeypatch.undo()

    with pytest.raises(UntrustedArtifact, match="has format 4, this code reads 1 to 3"):
        load_version(store, "toy", newer)


def test_pipeline_when_fitted_with_another_minor_version_is_refused(
    store: ModelStore, trial: Trial
) -> None:
    libraries = {**trial.card["libraries"], "scikit-learn": "1.2.3"}
    native = store.write({**trial.card, "runtime": "native", "libraries": libraries}, trial.files)

    with pytest.raises(UntrustedArtifact, match=r"fitted with scikit-learn 1\.2\.3"):
        load_version(store, "toy", native)


def test_writing_when_it_fails_half_way_leaves_nothing(
    store: ModelStore, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in (store.root / "toy").iterdir())
    calls = {"open": 0}
    original = atomic_files.write_file

    def fail_on_the_second(path: Path, content: bytes) -> None:
        calls["open"] += 1
        if calls["open"] == 2:
            raise OSError(28, "No space left on device")
        original(path, content)

    monkeypatch.setattr("persistence.folder.write_file", fail_on_the_second)
    with pytest.raises(OSError, match="No space left"):
        store.write({**trial.card, "title": "Torn"}, trial.files)

    assert before == sorted(path.name for path in (store.root / "toy").iterdir())


def test_writing_when_killed_half_way_leaves_no_version(store: ModelStore) -> None:
    draft = store.root / "toy" / ".writing-abc"
    draft.mkdir()
    (draft / "card.json").write_text("{}")

    assert 1 == len(store.versions("toy"))


def test_writing_when_two_write_at_once_stores_both(store: ModelStore, trial: Trial) -> None:
    written: list[str] = []

    def write(title: str) -> None:
        written.append(store.write({**trial.card, "title": title}, trial.files))

    threads = [threading.Thread(target=write, args=(f"Writer {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 == len(set(written))
    assert set(written) <= set(store.versions("toy"))
    assert all(load_version(store, "toy", version).self_test() is None for version in written)


def test_card_when_strings_are_looked_at_holds_no_place_of_this_machine(trial: Trial) -> None:
    written = json.dumps(trial.card)

    assert str(Path.cwd()) not in written
    assert str(Path.home()) not in written


@pytest.mark.parametrize("path", sorted(KEPT.glob("*/*/promoted.json")), ids=lambda p: p.parts[-3])
def test_kept_version_when_its_format_is_old_is_still_served(path: Path) -> None:
    store = ModelStore(path.parent.parent)

    version = load_version(store, path.parent.name)

    assert version.self_test() is None
    assert version.card["runtime"] == ("exact" if "format_3" in path.parts else "onnx")


def test_kept_versions_when_counted_are_one_per_format() -> None:
    formats = {int(path.name.removeprefix("format_")) for path in KEPT.iterdir()}

    assert set(range(1, card_file.FORMAT + 1)) == formats


LOAD = """
import os, sys
from pathlib import Path
from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
trouble = load_version(ModelStore(Path(sys.argv[1])), "toy").self_test()
print(trouble, len(os.listdir("/proc/self/task")), flush=True)
if (child := os.fork()) == 0:
    sys.exit(0)
print(os.waitpid(child, 0)[1])
"""


def test_runtime_when_loaded_reports_to_nobody_and_can_fork(
    store: ModelStore, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "OPENBLAS_NUM_THREADS": "1"}

    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(store.root)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "None 1\n0\n" == done.stdout
    assert [] == list(home.rglob("*"))
