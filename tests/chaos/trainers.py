"""Processes that publish versions, and some that are killed while they do."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from persistence.model_persistence import ModelStore
from tests.chaos.places import Place
from tests.chaos.versions import Stored
from tests.support.serving import DEADLINE


class Trainers:
    """Processes with one version each to publish.

    They come from a process that was there before any thread: a fork of this
    one would take locks along that nobody opens again.
    """

    def __init__(self, place: Place, source: Stored) -> None:
        self._place, self._source = place, source
        self._context = multiprocessing.get_context("forkserver")
        self._seconds = 2000

    def start(self) -> None:
        """Start the process that they come from."""
        self._context.set_forkserver_preload([__name__])
        self.publish(1)

    def publish(self, count: int) -> list[str]:
        """Let trainers publish at once; give the versions that they say they have stored."""
        said = self._context.SimpleQueue()
        trainers = [self._trainer(said, crash_at=0) for _ in range(count)]
        for one in trainers:
            one.join(DEADLINE)
            assert one.exitcode == 0, f"a trainer ended with {one.exitcode}"
        return [said.get() for _ in trainers]

    def crash(self, at: int) -> bool:
        """Kill a trainer at its n-th step at a file; tell whether it had got so far.

        Steps at a bucket are not seen from here: it is killed after as many
        hundredths of a second.
        """
        said = self._context.SimpleQueue()
        one = self._trainer(said, crash_at=at)
        if self._place.proxy:
            time.sleep(at / 100)
            one.kill()
        one.join(DEADLINE)
        assert one.exitcode in (0, -signal.SIGKILL), f"a trainer ended with {one.exitcode}"
        return bool(one.exitcode)

    def _trainer(self, said: Any, *, crash_at: int) -> Any:
        self._seconds += 1
        stored = self._source.trained_later(self._seconds)
        one = self._context.Process(
            target=_publish,
            args=(self._place.address, self._place.cache, stored, said, crash_at),
        )
        one.start()
        return one


def _publish(address: Path | str, cache: Path, stored: Stored, said: Any, crash_at: int) -> None:
    store = ModelStore(address, cache=cache)
    steps = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in ("open", "os.rename", "os.mkdir", "tempfile.mkdtemp", "os.chmod"):
            steps += 1
            if steps == crash_at:
                os.kill(os.getpid(), signal.SIGKILL)

    if crash_at:
        sys.addaudithook(count)
    said.put(store.write(stored.card, stored.files))
