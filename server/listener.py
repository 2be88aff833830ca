"""The listening sockets at the end of a service's life."""

import ctypes
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Linux's name for "run this filter over what arrives".
_SO_ATTACH_FILTER = 26

# For a packet's TCP flags: drop a SYN that is no answer to one, let the rest pass.
# Each line is an instruction of a classic packet filter: code, jumps, operand.
_NO_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the flags' byte
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop
    (0x06, 0, 0, 0xFFFFFFFF),  # else pass
)


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction))]


def is_held_by(process: int, listener: socket.socket) -> bool:
    """Tell whether a process has a listening socket open; no where that cannot be seen."""
    wanted = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    with suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                if os.readlink(link) == wanted:  # noqa: PTH115  the name, not a path
                    return True
    return False


def children(process: int) -> list[int]:
    """List a process's children; none where that cannot be seen."""
    with suppress(OSError):
        return [
            int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    return []


def refuse_new(listener: socket.socket, *, siblings: Iterable[int]) -> bool:
    """Let no new connection begin, while those that have begun may finish.

    A new one is asked again by the client's kernel a second later; by then
    the socket is closed and it is refused, so that nothing is accepted that
    nobody will answer.

    Parameters
    ----------
    siblings : iterable of int
        The processes that stop along with this one. The socket is left alone
        when another holds it too, such as the next gunicorn of an upgrade.

    Returns
    -------
    bool
        Whether it was done; it can be on Linux, over TCP.
    """
    is_tcp = listener.family in (socket.AF_INET, socket.AF_INET6)
    if not is_tcp or os.environ.get("LISTEN_FDS") or not Path("/proc/self/fd").is_dir():
        return False
    ours = {os.getpid(), *siblings}
    others = {int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()} - ours
    if any(is_held_by(other, listener) for other in others):
        return False
    steps = [_Instruction(*step) for step in _NO_NEW_CONNECTIONS]
    instructions = (_Instruction * len(steps))(*steps)
    program = _Program(len(instructions), instructions)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
    except OSError:  # a sandbox may not allow it
        return False
    return True
