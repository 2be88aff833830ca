"""A running gunicorn for the tests: started as in production, on a free port."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from settings import Settings
from tests.support.answers import read_strictly
from tests.support.project import ROOT

#: Seconds after which something that should happen is taken not to happen.
DEADLINE = 120

GUNICORN = (sys.executable, "-m", "gunicorn", "app:app")
APP = (sys.executable, "app.py")


def free_port() -> int:
    """Find a port of this machine on which nothing listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def wait_until(is_so: Callable[[], bool], what: str, *, seconds: float = DEADLINE) -> None:
    """Ask again and again until it is so; fail when so many seconds have passed."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.02)


def environment(**chosen: Any) -> dict[str, str]:
    """Give this process's environment with no settings but those chosen."""
    names = {one.name.upper() for one in fields(Settings)}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    chosen = {"prediction_log": "off", **chosen}
    return kept | {name.upper(): str(value) for name, value in chosen.items()}


def heeds_signals(worker: int) -> bool:
    """Tell whether a worker is past its start, in which it would miss a signal."""
    status = Path(f"/proc/{worker}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGABRT - 1) & 1)  # the last one that it prepares for


def lives(process: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Server:
    """A started service.

    Attributes
    ----------
    process : Popen
        gunicorn's master.
    port : int
        Where it listens on 127.0.0.1.
    log : Path
        What it says.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Get a path, or post JSON to it; give status and body."""
        connection = self.connect()
        try:
            return ask(connection, path, body, **headers)
        finally:
            connection.close()

    def answers(self, path: str) -> bool:
        """Tell whether a path is answered with 200."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask(path)[0] == 200
        except OSError:
            return False

    def workers(self) -> list[int]:
        """List the processes that the master has started."""
        master = self.process.pid
        return [
            int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()
        ]

    def stop(self) -> int:
        """Ask it to stop and give its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


def ask(
    connection: http.client.HTTPConnection, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Get a path, or post JSON to it, on an open connection."""
    if isinstance(body, (dict, list)):
        kind = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), kind)
    else:
        connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    is_json = "json" in (answer.getheader("Content-Type") or "")
    return answer.status, read_strictly(content) if is_json else content


@contextmanager
def running(
    folder: Path, *, project: Path = ROOT, command: tuple[str, ...] = GUNICORN,
    until: str = "/livez", config: str = "", **settings: Any,
) -> Iterator[Server]:  # fmt: skip
    """Start a service in a process group of its own; it is killed at the end if it still runs.

    Parameters
    ----------
    folder : Path
        For its log.
    until : str
        The path that has to answer 200 before the test goes on; empty to go
        on at once.
    config : str
        Python that goes on where `gunicorn.conf.py` ends.
    settings
        Variables of its environment, in any case.
    """
    port = free_port()
    chosen = {"host": "127.0.0.1", "port": port, "keys_file": folder / "no-keys.json"} | settings
    log = folder / f"{port}.log"
    if config:
        own = folder / f"{port}.conf.py"
        own.write_text(f"exec(open('gunicorn.conf.py').read())\n{config}")
        command = (*command, "--config", str(own))
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=project, env=environment(**chosen), stdout=out, stderr=subprocess.STDOUT,
            process_group=0,
        )  # fmt: skip
    server = Server(process, port, log)
    ready = [True] * int(settings.get("web_concurrency", 2))
    try:
        if until:
            wait_until(lambda: server.answers(until), f"200 from {until}")
            wait_until(lambda: ready == [*map(heeds_signals, server.workers())], "all workers")
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(DEADLINE)
            finally:
                process.kill()
