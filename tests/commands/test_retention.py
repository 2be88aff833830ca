"""Removing old versions: what goes, what stays, and what happens in between."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from engine.runtime.loading import load_version
from persistence.atomic_files import locked
from persistence.folder import Folder
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer, PromotionConflict, VersionInUse
from persistence.store_errors import VersionNotFound
from tests.support.application import serve
from tests.support.plain_versions import plain_store
from tests.support.project import ROOT
from tests.support.serving import wait_until

VERSIONS = [f"202001{day:02}T000000Z-{day:05x}" for day in range(1, 16)]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store in which versions are only names; the last is promoted, the 13th was before."""
    for version in VERSIONS:
        folder = tmp_path / "toy" / version
        folder.mkdir(parents=True)
        (folder / "card.json").write_text("{}")
    store = ModelStore(tmp_path)
    for version in (VERSIONS[12], VERSIONS[14]):
        store.promote("toy", version)
    return store


def run(store: ModelStore, *arguments: str) -> str:
    app = serve(store, "toy")
    done = app.test_cli_runner().invoke(args=["models", *arguments])
    assert 0 == done.exit_code, done.stderr
    return done.stdout


def test_prune_when_asked_removes_the_oldest_and_keeps_the_newest(store: ModelStore) -> None:
    said = run(store, "prune", "toy", "--keep", "10")

    assert VERSIONS[5:] == store.versions("toy")
    assert "5 of 5 versions beyond the newest 10 removed." in said


def test_prune_when_only_tried_removes_nothing(store: ModelStore) -> None:
    said = run(store, "prune", "--keep", "10", "--dry-run")

    assert VERSIONS == store.versions("toy")
    assert "5 of 5 versions beyond the newest 10 would be removed." in said


def test_prune_when_old_versions_are_in_use_keeps_them(store: ModelStore) -> None:
    for version in (VERSIONS[1], VERSIONS[2]):
        store.promote("toy", version)
    run(store, "pin", "toy", VERSIONS[3])
    tried = Candidate(VERSIONS[4], "canary", 0.1, "caller", "2020-01-02T00:00:00+00:00")
    store.change("toy", lambda known: known._replace(candidate=tried) if known else Pointer(()))

    said = run(store, "prune", "toy", "--keep", "1")

    assert [*VERSIONS[1:5], VERSIONS[14]] == store.versions("toy")
    for version, why in zip(
        VERSIONS[1:5],
        ["what a rollback leads to", "promoted", "pinned", "the candidate"],
        strict=True,
    ):
        assert f"toy {version}: stays, {why}" in said


def test_pin_when_made_is_listed_and_may_be_undone(store: ModelStore) -> None:
    run(store, "pin", "toy", VERSIONS[0])
    run(store, "pin", "toy", VERSIONS[0])
    assert (VERSIONS[0],) == store.pointer("toy").pinned

    run(store, "unpin", "toy", VERSIONS[0])

    assert () == store.pointer("toy").pinned


def test_prune_when_nothing_is_promoted_removes_nothing(store: ModelStore) -> None:
    (store.root / "toy" / "promoted.json").unlink()

    assert "stays, since none is promoted" in run(store, "prune", "--keep", "1")
    assert VERSIONS == store.versions("toy")


@pytest.mark.parametrize(
    "arguments",
    [["prune", "nothing"], ["pin", "toy", "../x"], ["pin", "nothing", "x"], ["unpin", "no", "x"]],
)
def test_command_when_there_is_no_such_thing_refuses_in_a_sentence(
    store: ModelStore, arguments: list[str]
) -> None:
    done = serve(store, "toy").test_cli_runner().invoke(args=["models", *arguments])

    assert 1 == done.exit_code
    assert "Traceback" not in done.stderr


def test_removal_when_the_version_is_promoted_is_refused(store: ModelStore) -> None:
    with pytest.raises(VersionInUse, match="it is promoted"):
        store.remove("toy", VERSIONS[14])
    with pytest.raises(VersionNotFound):
        store.remove("toy", "20200101T000000Z-fffff")

    assert VERSIONS == store.versions("toy")


def test_promotion_when_the_version_is_being_removed_is_refused(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(place: Folder, name: str, version: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Folder, "remove", die)
    with pytest.raises(KeyboardInterrupt):
        store.remove("toy", VERSIONS[0])
    monkeypatch.undo()

    with pytest.raises(PromotionConflict, match="is being removed"):
        store.promote("toy", VERSIONS[0])
    runner = serve(store, "toy").test_cli_runner()
    pinning = runner.invoke(args=["models", "pin", "toy", VERSIONS[0]])
    assert (1, True) == (pinning.exit_code, "is being removed" in pinning.stderr)
    assert (VERSIONS[14], ()) == (store.promoted("toy"), store.pointer("toy").pinned)
    assert VERSIONS[0] in store.versions("toy")
    run(store, "prune", "toy", "--keep", "14")
    assert VERSIONS[1:] == store.versions("toy")


def test_removals_and_promotions_when_at_once_leave_what_is_promoted(store: ModelStore) -> None:
    def remove(version: str) -> None:
        try:
            store.remove("toy", version)
        except VersionInUse:
            assert version in store.versions("toy")

    def promote(version: str) -> None:
        try:
            store.promote("toy", version)
        except (PromotionConflict, VersionNotFound):
            assert version != store.promoted("toy")

    with ThreadPoolExecutor(8) as pool:
        doing = [pool.submit(do, version) for version in VERSIONS[:12] for do in (remove, promote)]
    for one in doing:
        one.result()

    assert store.promoted("toy") in store.versions("toy")


@pytest.mark.slow
def test_version_when_it_is_removed_while_it_is_read_is_not_called_damaged(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store = plain_store(tmp_path / "plain", toy_store, range(1, 42))
    versions = store.versions("rent")[1:]
    being_read = threading.Barrier(2)

    def read(version: str) -> None:
        load_version(store, "rent", version)
        being_read.wait()
        with suppress(VersionNotFound):
            while True:
                load_version(store, "rent", version)

    with ThreadPoolExecutor(1) as pool:
        for version in versions:
            reading = pool.submit(read, version)
            being_read.wait()
            store.remove("rent", version)
            reading.result()


REMOVE = """
import sys
from pathlib import Path
from persistence.model_persistence import ModelStore
print("began", flush=True)
for version in sys.argv[2:]:
    ModelStore(Path(sys.argv[1])).remove("toy", version)
"""


def test_removal_when_killed_leaves_each_version_whole_or_out_of_sight(store: ModelStore) -> None:
    for version in VERSIONS:
        for n in range(20):
            (store.root / "toy" / version / f"file-{n}").write_text("x")
    command = [sys.executable, "-c", REMOVE, str(store.root), *VERSIONS[:12]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as remover:
        assert remover.stdout
        assert "began\n" == remover.stdout.readline()
        wait_until(lambda: len(store.versions("toy")) < len(VERSIONS), "a removal")
        remover.kill()

    for version in store.versions("toy"):
        assert 21 == len(list((store.root / "toy" / version).iterdir()))
    run(store, "prune", "toy", "--keep", "3")
    assert VERSIONS[12:] == store.versions("toy")
    assert [] == list((store.root / "toy").glob(".removing-*"))


def test_prune_when_writers_were_killed_removes_what_they_left(
    store: ModelStore,
) -> None:
    old, new = store.root / "toy" / ".writing-old", store.root / "toy" / ".writing-new"
    for draft in (old, new):
        draft.mkdir()

    with locked(new):  # as who writes it has it, as long as he lives
        run(store, "prune", "toy")

    assert (False, True) == (old.exists(), new.exists())
