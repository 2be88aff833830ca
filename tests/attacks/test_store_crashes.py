"""A publish and a promotion that end at any system call: whole, or as if they had not been.

strace ends the process at the first, second, ... call of a kind, or makes that
call fail, until the task comes through.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from persistence.place import VersionExists
from persistence.store_errors import StoreUnavailable
from tests.attacks.store_crashes import DONE, FAILED
from tests.support.fault_proxy import FaultProxy, Request
from tests.support.project import ROOT
from tests.support.stores import assert_no_drafts, assert_whole, new_address, publish

pytestmark = pytest.mark.slow

#: Every kind of call with which a store is changed.
CALLS = ("mkdir", "openat", "flock", "chmod", "write", "fsync", "rename", "close", "unlinkat")

#: The errors with which a disk refuses.
ERRORS = {"mkdir": "ENOSPC", "openat": "EIO", "write": "ENOSPC", "fsync": "EIO", "rename": "EIO"}

#: More attempts than any of them needs.
MOST = 60

#: Gives how a task ended, in a folder, with a fault; and whether the fault came.
Attempt = Callable[[str, Path, str], tuple[int, bool]]


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    """Run tasks in a process of their own, under strace."""
    assert shutil.which("strace"), "strace is not installed: apt-get install strace"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.attacks.store_crashes"], cwd=ROOT, text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdin
    assert server.stdout
    requests, answers = server.stdin, server.stdout
    log = tmp_path_factory.mktemp("strace") / "log"
    assert "ready\n" == answers.readline()

    def run(task: str, root: Path, fault: str) -> tuple[int, bool]:
        requests.write(f"{task} {root}\n")
        requests.flush()
        child = int(answers.readline())
        command = ["strace", "-qq", "-o", str(log), "-e", fault, "-p", str(child)]
        with subprocess.Popen(command) as tracer:
            wait_for_tracer(child)
            os.kill(child, signal.SIGCONT)
            status = int(answers.readline())
            tracer.wait(60)
        return status, status == -signal.SIGKILL or "(INJECTED)" in log.read_text()

    with server:
        yield run
        requests.close()


def wait_for_tracer(process: int) -> None:
    """Wait until a stopped process is traced; nothing of it runs until then."""
    status = Path(f"/proc/{process}/status")
    while not re.search(r"^TracerPid:\t[1-9]", status.read_text(), re.MULTILINE):
        pass


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A folder with a promoted version, and one beside it."""
    store = ModelStore(tmp_path / "store")
    publish(store, "other")
    store.promote("toy", publish(store, "first"))
    return store


def check_published(store: ModelStore, before: list[str], version: str) -> None:
    """See that the version is there whole or not at all, and can be there."""
    if store.versions("toy") == before:
        assert version == publish(store, "another")
    else:
        with pytest.raises(VersionExists, match="with the same content"):
            publish(store, "another")
    assert sorted([*before, version]) == store.versions("toy")
    assert_whole(store, version)
    assert_no_drafts(store.root)


@pytest.mark.parametrize("call", CALLS)
def test_publish_when_killed_at_any_call_is_whole_or_absent(
    store: ModelStore, attempt: Attempt, tmp_path: Path, call: str
) -> None:
    before, version = store.versions("toy"), publish(ModelStore(tmp_path / "trial"), "another")
    for turn in range(1, MOST):
        status, has_come = attempt("publish", store.root, f"inject={call}:signal=KILL:when={turn}")
        assert (status, has_come) in ((DONE, False), (-signal.SIGKILL, True))
        check_published(store, before, version)
        store.remove("toy", version)
        if not has_come:
            break
    assert not has_come
    assert turn > 1 or call == "unlinkat"


@pytest.mark.parametrize("call", sorted(ERRORS))
def test_publish_when_any_call_fails_is_whole_or_absent(
    store: ModelStore, attempt: Attempt, tmp_path: Path, call: str
) -> None:
    before, version = store.versions("toy"), publish(ModelStore(tmp_path / "trial"), "another")
    for turn in range(1, MOST):
        fault = f"inject={call}:error={ERRORS[call]}:when={turn}"
        status, has_come = attempt("publish", store.root, fault)
        assert status in (DONE, FAILED)
        assert status == FAILED or store.versions("toy") != before
        check_published(store, before, version)
        store.remove("toy", version)
        if not has_come:
            break
    assert not has_come
    assert turn > 1


@pytest.mark.parametrize("call", ["openat", "flock", "write", "fsync", "rename"])
@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO"])
def test_promotion_when_it_ends_at_any_call_is_made_or_not(
    store: ModelStore, attempt: Attempt, call: str, fault: str
) -> None:
    first, second = store.promoted("toy"), publish(store, "zzz")
    second = store.versions("toy")[-1] if store.versions("toy")[-1] != first else second
    for turn in range(1, MOST):
        status, has_come = attempt("promote", store.root, f"inject={call}:{fault}:when={turn}")
        assert status in (DONE, FAILED, -signal.SIGKILL)
        promoted = [one.version for one in store.pointer("toy").promotions]
        assert promoted[-1] in (first, second)
        assert status != DONE or promoted[-1] == second
        store.promote("toy", second)
        assert second == store.promoted("toy")
        store.promote("toy", first)
        if not has_come:
            break
    assert not has_come
    assert turn > 1


@pytest.mark.parametrize("fault", ["reset", "lost"])
def test_publish_in_a_bucket_when_it_ends_at_any_request_is_whole_or_absent(
    proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("persistence.bucket.client.ATTEMPTS", 1)
    store = ModelStore(new_address(), cache=tmp_path / "cache")
    for turn in range(1, 10):
        asked: list[Request] = []

        def is_after(request: Request, asked: list[Request] = asked, turn: int = turn) -> bool:
            asked.append(request)
            return len(asked) >= turn

        proxy.fail(fault, when=is_after)
        title = f"turn {turn}"
        try:
            version, is_done = publish(store, title), True
        except StoreUnavailable:
            is_done = False
        proxy.heal()
        there = ModelStore(str(store.place), cache=tmp_path / f"cache {turn}")
        for one in there.versions("toy"):
            assert_whole(there, one)
        if not is_done:
            try:
                version = publish(store, title)
            except VersionExists as error:
                assert "with the same content" in str(error)  # noqa: PT017
                version = str(error).split()[1]
        assert_whole(ModelStore(str(store.place), cache=tmp_path / f"after {turn}"), version)
        if is_done:
            break
    assert is_done
    assert 4 == turn
