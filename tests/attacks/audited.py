"""A service whose workers note what Python's audit hook tells: what it is, and what is amiss."""

import ast
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.project import ROOT

#: What a worker may do at any time: look at itself, at its clock and at folders.
QUIET = {
    "array.__new__", "builtins.id", "object.__getattr__", "os.listdir", "os.scandir", "os.utime",
    "pathlib.Path.glob", "socket.__new__", "sys._getframe",
}  # fmt: skip

PROCESSES, PAGES = Path("/proc"), ROOT / "engine/pages/static"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

#: A worker asks its master for the process that reads Arrow, if that lives: 0, and SIGCHLD.
ASKS_MASTER = {"0", str(int(signal.SIGCHLD))}

_CONFIG = """
import json, os, sys, threading

def post_worker_init(worker):
    # Only jobs have dask, which unpickles when it is imported, as skops does where it is.
    sys.modules["dask"] = None
    out = os.open(FOLDER + f"/{os.getpid()}.events", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    at_work = threading.local()

    def note(event, given):
        if event in QUIET or getattr(at_work, "now", False):
            return
        at_work.now = True
        try:
            plain = [os.fspath(one) if isinstance(one, os.PathLike) else one for one in given]
            shown = [repr(one)[:300] for one in plain]
            os.write(out, json.dumps([event, shown]).encode() + b"\\n")
        finally:
            at_work.now = False

    sys.addaudithook(note)
"""


def config(folder: Path) -> str:
    """Write what goes into gunicorn's configuration to have each worker note its events."""
    return f"FOLDER, QUIET = {str(folder)!r}, {QUIET!r}\n{_CONFIG}"


class Event(NamedTuple):
    """What the hook was told.

    Attributes
    ----------
    name : str
        As in Python's table of audit events.
    given : list of str
        Its arguments as `repr` has them, shortened.
    """

    name: str
    given: list[str]


class Notes:
    """The events of a service's workers, read from where `config` had them written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def take(self) -> list[Event]:
        """Give the events since the last time."""
        found = []
        for path in sorted(self._folder.glob("*.events")):
            content = path.read_bytes()[self._read.get(path, 0) :]
            self._read[path] = self._read.get(path, 0) + len(content)
            found += [Event(*json.loads(line)) for line in content.splitlines()]
        return found


#: What no worker may ever do, not even when it loads a version for the first time.
NEVER = {
    "pickle.find_class", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.spawn", "pty.spawn", "socket.connect", "socket.bind", "urllib.Request",
}  # fmt: skip


def amiss(events: list[Event], *, temporary: Path, store: Path) -> list[Event]:
    """Give those events that a worker that has done everything once must not have.

    It may look at `temporary`, where it may write, at `store`, pages and processes.
    """
    readable = (temporary, store, PAGES, PROCESSES)
    return [one for one in events if not _is_lawful(one, temporary, readable)]


def _is_lawful(event: Event, temporary: Path, readable: tuple[Path, ...]) -> bool:
    given = event.given
    if event.name == "os.kill" and given[1] in ASKS_MASTER:
        return True
    if event.name in ("open", "sqlite3.connect"):
        path = Path(str(ast.literal_eval(given[0])))
        writes = event.name == "sqlite3.connect" or int(given[2]) & WRITES
        return any(path.is_relative_to(one) for one in ((temporary,) if writes else readable))
    if event.name == "os.mkdir":
        return Path(str(ast.literal_eval(given[0]))).is_relative_to(temporary)
    locks = "fcntl.flock", "fcntl.lockf"
    return event.name in (*locks, "sqlite3.connect/handle", "socket.sendmsg")


@contextmanager
def unasked() -> Iterator[tuple[str, list[Any]]]:
    """Listen at an address that nobody must ask; give it, and who has asked."""
    callers: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    link, caller = listener.accept()
                    callers.append(caller)
                    link.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", callers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
