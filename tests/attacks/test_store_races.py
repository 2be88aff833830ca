"""Two trainers publish, promote and name at the same moment, in a folder and in a bucket."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from persistence.promotions import Promotion
from tests.attacks.store_races import FILES, store_at
from tests.support.fault_proxy import FaultProxy
from tests.support.project import ROOT
from tests.support.s3 import variables
from tests.support.stores import assert_no_drafts, new_address

pytestmark = pytest.mark.slow

#: Races of each kind of store: a few every day, 1,000 with `make races`.
ROUNDS = int(os.environ.get("RACE_ROUNDS", "6"))

#: Races in one store; what is promoted in them is all remembered.
AT_ONE_PLACE = 40


class Trainer:
    """A process that publishes and promotes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout

    def tell(self, place: str, task: str, what: str) -> None:
        """Give it a task, and do not wait."""
        self._in.write(f"{place} {task} {what}\n")
        self._in.flush()

    def answer(self) -> str:
        """Wait until it is done."""
        return self._out.readline().rstrip("\n")

    def end(self) -> None:
        """Let it end."""
        self._in.close()


@contextmanager
def trainer(kept: Path) -> Iterator[Trainer]:
    command = [sys.executable, "-m", "tests.attacks.store_races", str(kept)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Trainer(process)


def race(
    trainers: list[Trainer], place: str, number: int, before: tuple[Promotion, ...], kept: Path
) -> tuple[Promotion, ...]:
    """Let both publish and promote; give all promotions of which there were some before."""
    is_equal = number % 2 == 1
    for turn, one in enumerate(trainers):
        one.tell(place, "publish", f"race {number}" if is_equal else f"race {number} {turn}")
    answers = [one.answer() for one in trainers]
    made = [one for one in answers if not one.startswith("exists")]
    assert len(made) == len(set(made)) == (1 if is_equal else 2), answers
    assert is_equal == any("with the same content" in one for one in answers), answers
    for one, version in zip(trainers, made * (2 if is_equal else 1), strict=True):
        one.tell(place, "promote", version)
    assert ["promoted"] * 2 == [one.answer() for one in trainers]
    for one, version in zip(trainers, made * (2 if is_equal else 1), strict=True):
        one.tell(place, "name", f"v{number} {version}")
    owners = [answer for one in trainers if not (answer := one.answer()).startswith("taken")]
    assert [1, 1 + is_equal] == [len({*owners}), len(owners)]

    store = store_at(place, str(kept / f"race-{number}"))  # has seen nothing of it
    found = store.pointer("toy").promotions
    assert before == found[: len(before)]
    assert sorted(made) == sorted(one.version for one in found[len(before) :])
    assert sorted(one.version for one in found) == store.versions("toy")
    assert owners[0] == store.identifier("toy", f"v{number}")
    for version in made:
        assert_all_there(store, version)
    return found


def assert_all_there(store: ModelStore, version: str) -> None:
    folder = store.place.bring(store.read_card("toy", version))
    assert {file: (folder / file).read_bytes() for file in FILES} == FILES


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_trainers_when_they_publish_at_once_tear_and_double_nothing(
    kind: str, s3: int, proxy: FaultProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in variables(s3).items():  # the proxy is for one who asks at a time
        monkeypatch.setenv(name, value)
    versions = 0

    with ExitStack() as stack:
        trainers = [stack.enter_context(trainer(tmp_path / f"cache {n}")) for n in range(2)]
        for first in range(0, ROUNDS, AT_ONE_PLACE):
            place = new_address() if kind == "bucket" else str(tmp_path / f"store-{first}")
            found: tuple[Promotion, ...] = ()
            for number in range(first, min(first + AT_ONE_PLACE, ROUNDS)):
                found = race(trainers, place, number, found, tmp_path)
            versions += len(found)
            assert_no_drafts(store_at(place, str(tmp_path / f"race-{number}")).root)
        for one in trainers:
            one.end()

    assert ROUNDS + (ROUNDS + 1) // 2 == versions
    with capsys.disabled():
        print(f"\n{ROUNDS} races in a {kind}: {versions} versions, 0 torn, 0 double, 0 lost")
