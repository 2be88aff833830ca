"""Shut the process in which a stranger's model is opened: no network, no change to any file.

The walls are the kernel's: namespaces and limits that hold for whatever the process starts.
Where a machine has no namespaces, Python's audit hook still stops what goes through Python.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: The most memory, in bytes, and seconds of computing that opening a model may take.
MEMORY, SECONDS = 4 << 30, 30

#: Linux' own numbers: new namespaces of users, processes, messages, mounts and the network; the
#: call that changes mounts, its argument for all below a folder, and its flag for read-only.
_NAMESPACES = 0x10000000 | 0x20000000 | 0x08000000 | 0x00020000 | 0x40000000
_MOUNT_SETATTR, _RECURSIVE, _READ_ONLY, _HERE = 442, 0x8000, 1, -100

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

#: What a model has no need of, by the beginnings of the names of audit events.
_REFUSED = {
    "use the network": ("socket.", "urllib.", "http.", "ftplib.", "smtplib."),
    "start a program": (
        "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.",
        "os.startfile", "webbrowser.",
    ),
    "end a process": ("os.kill", "signal.pthread_kill"),
    "change files": (
        "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink",
        "os.chmod", "os.chown", "os.utime", "shutil.",
    ),
}  # fmt: skip


def part_from_machine() -> bool:
    """Give the process a machine of its own, read-only and without network; return whether it has.

    It must have one thread. What goes on is a child process, with which all that it starts ends.
    """
    with suppress(AttributeError, OSError):
        calls = ctypes.CDLL(None)
        read_only = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
        if calls.unshare(_NAMESPACES) == 0:
            if child := os.fork():
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                os._exit(code if code >= 0 else 128 - code)
            change = _MOUNT_SETATTR, _HERE, b"/", _RECURSIVE, read_only, 32
            return bool(calls.syscall(*change) == 0)
    return False


def limit(tell: Callable[[str], None], *, seconds: int = SECONDS) -> None:
    """Limit memory, time and files, and stop at the first thing that a model has no need of."""
    limits = {"AS": MEMORY, "CPU": seconds, "FSIZE": 0, "CORE": 0}
    for name, most in limits.items():
        with suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing raises OSError instead

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[2] & _WRITING and arguments[0] != os.devnull:
            tell(f"write the file {arguments[0]}")
        for what, events in _REFUSED.items():
            if event.startswith(events):
                tell(what)

    sys.addaudithook(refuse)
