"""The service as it runs in production, started for a measurement on a free port."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import BENCH, ROOT
from benchmarks.processes import cpu_seconds, descendants, memory_mb

#: Seconds within which it must answer its worked example, and within which it must end.
DEADLINE = 60


class NotServed(RuntimeError):
    """The service did not start; the message tells where its log is."""


@dataclass(frozen=True)
class Server:
    """A started service: gunicorn's master and where it listens."""

    pid: int
    port: int

    def processes(self) -> list[int]:
        """List the master and its workers."""
        return [self.pid, *descendants(self.pid)]

    def cpu_seconds(self) -> float:
        """Sum the CPU time that its processes have used."""
        return cpu_seconds(self.processes())

    def memory_mb(self) -> float:
        """Sum its memory, shared pages once."""
        return memory_mb(self.processes())


@contextmanager
def serving(store: Path, model: str, **settings: object) -> Iterator[Server]:
    """Start the service over a store; it ends with the block.

    Parameters
    ----------
    settings
        Others of `settings.Settings`; the environment's own hold otherwise.

    Raises
    ------
    NotServed
        When it does not answer in time.
    """
    chosen = {"host": "127.0.0.1", "port": _free_port(), "model_store": store}
    chosen |= {"default_model": model, "train_if_absent": False, "open_access": True}
    chosen |= {"prediction_log": "off"} | settings
    variables = {name.upper(): str(value) for name, value in chosen.items()}
    log = BENCH / "logs" / "service.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "app:app"],
            cwd=ROOT, env=os.environ | variables, stdout=out, stderr=out,
        )  # fmt: skip
    server = Server(process.pid, int(str(chosen["port"])))
    try:
        end = time.monotonic() + DEADLINE
        while not _is_ready(server.port):
            if process.poll() is not None or time.monotonic() > end:
                raise NotServed(f"the service does not answer: see {log.relative_to(ROOT)}")
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
