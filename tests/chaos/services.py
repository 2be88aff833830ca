"""Two gunicorns over one store, like two dynos behind a router, that can be hurt."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.project import ROOT
from tests.support.raw_http import connect, read_answer, request
from tests.support.serving import environment, free_port, heeds_signals, lives, wait_until

#: As a platform starts it; started with ``-m``, gunicorn cannot start itself anew.
COMMAND = (str(Path(sys.executable).with_name("gunicorn")), "app:app")

WORKERS = 2

#: A stopping service takes new connections for at most so long; in production 5 s.
CONFIG = """
exec(open("gunicorn.conf.py").read())
import engine.worker.shutdown
engine.worker.shutdown.ACCEPT_SECONDS = 1
"""


class Kill(NamedTuple):
    """A worker that was killed.

    Attributes
    ----------
    at : float
        When, by the monotonic clock.
    ports : frozenset of int
        The clients' ends of the connections that it held.
    back : float
        Seconds until the service had all its workers again.
    """

    at: float
    ports: frozenset[int]
    back: float


class Service:
    """One gunicorn, on one port for as long as it is started again.

    Attributes
    ----------
    master : int
        The process that holds the port; 0 when there is none.
    kills : list of Kill
        What was killed with SIGKILL.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.port = free_port()
        self.log = folder / f"{self.port}.log"
        self.master = 0
        self.kills: list[Kill] = []
        self._settings = {"host": "127.0.0.1", "port": self.port, "web_concurrency": WORKERS}
        self._settings |= {"keys_file": folder / "no-keys.json", **settings}
        self._config = folder / "gunicorn.py"
        self._config.write_text(CONFIG)
        self._groups: list[int] = []
        self._alone = threading.RLock()

    def start(self, max_requests: int = 0) -> None:
        """Start it, and wait until it is whole.

        Parameters
        ----------
        max_requests : int
            After about so many a worker is replaced; 0: never.
        """
        options = f"--max-requests {max_requests} --max-requests-jitter {max_requests // 2}"
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                [*COMMAND, "--config", str(self._config)], cwd=ROOT, stdout=out, stderr=out,
                env=environment(**self._settings, gunicorn_cmd_args=options), process_group=0,
            )  # fmt: skip
        threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie
        self.master = process.pid
        self._groups = [one for one in self._groups if _has_members(one)] + [process.pid]
        self.wait_until_whole()

    def wait_until_whole(self, without: frozenset[int] = frozenset()) -> None:
        """Wait until it has all its workers, none of them one of those that were there."""

        def is_whole() -> bool:
            assert lives(self.master), f"the service has ended: {self.tail()}"
            workers = self.workers()
            is_new = len(workers) == WORKERS and not without & {*workers}
            return is_new and all(map(_heeds_signals, workers))

        wait_until(is_whole, f"{WORKERS} workers on {self.port}")

    def is_ready(self) -> bool:
        """Tell whether it says that it can answer."""
        try:
            with connect(self.port) as link:
                link.sendall(request(method=b"GET", path=b"/readyz"))
                return read_answer(link).status == 200
        except (OSError, AssertionError):
            return False

    def workers(self) -> list[int]:
        """List the workers; neither a second master nor a program that the master runs is one."""
        own = _command(self.master)
        found = [one for one in children(self.master) if _command(one) == own]
        return [one for one in found if not children(one)]

    def signal(self, how: int) -> None:
        """Send the master a signal."""
        assert self.master, "there is no master, and 0 would be everybody here"
        os.kill(self.master, how)

    def stop(self) -> None:
        """Ask it to stop, and wait until nothing of it is left."""
        self.end(signal.SIGTERM)

    def end(self, how: int) -> None:
        """Send the master a signal that ends it, and wait until nothing of it is left."""
        group = [self.master, *children(self.master)]
        self.signal(how)
        wait_until(lambda: not any(map(lives, group)), f"the end of {self.port}")

    def kill_worker(self, number: int) -> None:
        """Kill a worker with SIGKILL; wait until another is there.

        It is stopped before, so that it is known which connections it holds.
        """
        before = self.workers()
        worker = before[number % len(before)]
        os.kill(worker, signal.SIGSTOP)
        wait_until(lambda: _state(worker) in "TZ", f"worker {worker} to stop")
        ports = frozenset(held_ports(worker, self.port))
        at = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        self.wait_until_whole(frozenset([worker]))
        self.kills.append(Kill(at, ports, time.monotonic() - at))

    def upgrade(self) -> None:
        """Let another master take over: SIGUSR2, and SIGTERM to the old one."""
        old = self.master
        self.signal(signal.SIGUSR2)

        def is_there() -> bool:
            found = [one for one in children(old) if len(children(one)) == WORKERS]
            if not found or not all(map(_heeds_signals, children(found[0]))):
                return False
            self.master = found[0]
            return True

        wait_until(is_there, f"a second master on {self.port}")
        group = [old, *(one for one in children(old) if one != self.master)]
        os.kill(old, signal.SIGTERM)
        wait_until(lambda: not any(map(lives, group)), f"the end of the old master on {self.port}")
        # Before it has seen that it is alone it would not be upgraded again.
        seen = f'"Master has been promoted.", "pid": {self.master}'
        wait_until(lambda: seen in self.log.read_text(errors="replace"), "it to see that")

    def memory_mb(self) -> float:
        """Give the proportional memory of master and workers, in MB."""
        sizes = []
        for one in (self.master, *children(self.master)):
            with suppress(OSError):
                rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
                sizes.append(int(rollup.partition("\nPss:")[2].split()[0]) / 1000)
        return sum(sizes)

    def files(self) -> int:
        """Give the most open files of one worker."""
        counts = [0]
        for one in self.workers():
            with suppress(OSError):
                counts.append(len([*Path(f"/proc/{one}/fd").iterdir()]))
        return max(counts)

    def tail(self) -> str:
        """Give the end of what it has said."""
        return self.log.read_text(errors="replace")[-2000:]

    def close(self) -> None:
        """End all that is left of it."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def children(process: int) -> list[int]:
    """List the living processes that a process has started."""
    try:
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [int(one) for one in found if lives(int(one))]


def held_ports(worker: int, port: int) -> list[int]:
    """List the clients' ports of a worker's connections."""
    held = set()
    for one in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(OSError):
            held.add(str(one.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *_ = words = line.split()
        if words[9] in held and int(local.partition(":")[2], 16) == port:
            found.append(int(remote.partition(":")[2], 16))
    return [one for one in found if one]


def _heeds_signals(worker: int) -> bool:
    with suppress(OSError):
        return heeds_signals(worker)
    return False


def _command(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
