"""Shut the process in which a stranger's model is opened: no network, no change to any file.

The walls are the kernel's: namespaces, refused calls and limits, which hold for whatever the
process starts. Python's audit hook is no wall: it tells what a model tries to do.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: The most memory, in bytes, and seconds of computing that opening a model may take.
MEMORY, SECONDS = 4 << 30, 30

#: Linux' own numbers: new namespaces of users, processes, messages, mounts and the network; the
#: call that changes mounts, its argument for all below a folder, and its flags for read-only and
#: without devices; how capabilities are written.
_NAMESPACES = 0x10000000 | 0x20000000 | 0x08000000 | 0x00020000 | 0x40000000
_MOUNT_SETATTR, _RECURSIVE, _READ_ONLY, _HERE = 442, 0x8000, 1 | 4, -100
_CAPABILITIES = 0x20080522

#: By the machine, how the kernel calls it, and its numbers of the calls that are refused: socket,
#: since those in a folder reach out of a namespace; setpgid and setsid, with which a process would
#: outlive its parent; io_uring_setup, which does what others are refused.
_CALLS = {
    "x86_64": (0xC000003E, (41, 109, 112, 425)),
    "aarch64": (0xC00000B7, (198, 154, 157, 425)),
}
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2

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
    with suppress(AttributeError, KeyError, OSError):
        calls = ctypes.CDLL(None)
        if _refuse_calls(calls) and calls.unshare(_NAMESPACES) == 0:
            if child := os.fork():
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                os._exit(code if code >= 0 else 128 - code)
            read_only = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
            change = _MOUNT_SETATTR, _HERE, b"/", _RECURSIVE, read_only, 32
            is_read_only = calls.syscall(*change) == 0
            # Without capabilities nobody can change the mounts back.
            none = struct.pack("Ii", _CAPABILITIES, 0), bytes(24)
            return bool(calls.capset(*none) == 0 and is_read_only)
    return False


def _refuse_calls(calls: Any) -> bool:
    """Let the kernel refuse some calls from now on; return whether it does."""
    machine, numbers = _CALLS[os.uname().machine]
    # A filter's steps: an operation, how many to skip if it holds or not, and its value. The first
    # calls of other machines, and those from 2 ** 30 on, which are of a third kind, are refused.
    steps = [
        (0x20, 0, 0, 4), (0x15, 0, len(numbers) + 3, machine), (0x20, 0, 0, 0),
        (0x35, len(numbers) + 1, 0, 0x40000000),
        *((0x15, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HP", len(steps), ctypes.addressof(code))
    calls.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(calls.prctl(_SECCOMP, _FILTER, program) == 0)


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
