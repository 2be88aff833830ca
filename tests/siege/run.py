"""One attack beside a good client, with the memory and the deaths that it costs."""

import http.client
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import descendants, memory_mb
from tests.siege import attacks
from tests.siege.target import Target

#: What a service may hold, in MB; the largest process is killed beyond, as a kernel does.
MEMORY = 512 * 2**20 / 1e6
_EVERY = 0.1  # seconds between two requests of the good client, and two looks at the memory


class Siege(NamedTuple):
    """What an attack did: answers of the good client by status, its worst wait, MB, deaths."""

    target: str
    attack: str
    has_key: bool
    connections: int
    statuses: dict[str, int]
    worst: float
    memory: float
    deaths: int

    @property
    def is_held(self) -> bool:
        """Whether no process died and every answer to the good client was right."""
        return not self.deaths and [*self.statuses] == ["200"]


def besiege(target: Target, attack: str, *, has_key: bool, seconds: float) -> Siege:
    """Attack for so many seconds, and let a good client ask every 0.1 s meanwhile."""
    spawn = multiprocessing.get_context("spawn")
    begun, opened = spawn.Event(), spawn.Value("q", lock=False)
    words = attack, target, target.key if has_key else "", seconds, begun, opened
    attacker = spawn.Process(target=attacks.run, args=words, daemon=True)
    attacker.start()
    begun.wait(60)
    watch = _Watch(target.master)
    statuses: Counter[str] = Counter()
    waits = [0.0]
    end = time.monotonic() + seconds + 1
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            status = str(target.ask(timeout=30))
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        waits.append(time.monotonic() - began)
        statuses[status] += 1
        time.sleep(_EVERY)
    attacker.join(30)
    attacker.kill()
    watch.stop()
    return Siege(
        target.name, attack, has_key, opened.value, dict(statuses), max(waits), watch.memory,
        watch.deaths,
    )  # fmt: skip


class _Watch(threading.Thread):
    """Looks at a service's processes; kills the largest when they hold too much.

    Attributes
    ----------
    memory : float
        The most MB that they held, shared pages counted once.
    deaths : int
        Processes that were there and are gone, but readers of Arrow and Parquet: who takes too
        much memory ends, and is replaced.
    """

    def __init__(self, master: int) -> None:
        super().__init__(daemon=True)
        self.memory, self.deaths = 0.0, 0
        self._master = master
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        before, seen = _answering(descendants(self._master)), set[int]()
        while not self._stopped.wait(_EVERY):
            processes = descendants(self._master)
            self.deaths += len(before - {*processes})
            # One that was just forked does not say yet what it will be.
            before, seen = _answering(seen.intersection(processes)), {*processes}
            memory = memory_mb([self._master, *processes])
            self.memory = max(self.memory, memory)
            if memory > MEMORY and processes:
                with suppress(ProcessLookupError):
                    os.kill(max(processes, key=lambda each: memory_mb([each])), signal.SIGKILL)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self.join()


def _answering(processes: Iterable[int]) -> set[int]:
    """Return the processes that answer requests."""
    answering = set()
    for pid in processes:
        with suppress(OSError):  # it may just have ended
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if command and b"engine.records.arrow" not in command:
                answering.add(pid)
    return answering
