"""The listening sockets at the end of a service's life."""

import os
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from engine.worker.processes import all_processes, parent

# Linux's "a packet must have so many hops left, else drop it", for IPv4 and IPv6.
# No packet that came over a network has 255 left, and nearly none starts with as many.
_LEAST_HOPS = {
    socket.AF_INET: ((socket.IPPROTO_IP, 21),),
    socket.AF_INET6: ((socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73)),
}


def is_held_by(process: int, listener: socket.socket) -> bool | None:
    """Return whether a process has a listening socket open; None where that cannot be seen."""
    name = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                if os.readlink(link) == name:  # noqa: PTH115  the name, not a path
                    return True
    except OSError:
        return None
    return False


def orphans(listener: socket.socket) -> list[int]:
    """List the processes that hold a listening socket and whose master has been killed."""
    parents = {p: parent(p) for p in all_processes() if is_held_by(p, listener)}
    masters = {*parents.values()}  # a master's workers hold the socket too
    return [p for p in parents if p not in masters and parents[p] not in parents]


def refuse_new(listener: socket.socket, *, siblings: Iterable[int]) -> bool:
    """Let no new connection begin, while those that have begun may finish.

    The client's kernel repeats its first packet a second later; by then the
    socket is closed and the connection refused, so that none is accepted that
    nobody will answer. Connections that are accepted from now on need `admit`.

    Return whether it was done, which is possible on Linux, over TCP, when no
    process but the siblings, which stop as well, holds the socket: the next
    gunicorn of an upgrade may.
    """
    try:
        others = {*all_processes()} - {os.getpid(), *siblings}
    except OSError:
        return False  # not Linux
    return not any(is_held_by(other, listener) for other in others) and admit(listener, 255)


def admit(sock: socket.socket, least_hops: int = 0) -> bool:
    """Let a socket receive packets with so many hops left; it has its listener's limit before."""
    options = _LEAST_HOPS.get(sock.family, ()) if sys.platform == "linux" else ()
    try:
        for level, option in options:
            sock.setsockopt(level, option, least_hops)
    except OSError:  # a sandbox may not have the options
        return False
    return bool(options)


def keep_little_unsent(listener: socket.socket) -> None:
    """Let the kernel take little of an answer before it is sent, on a listener's connections.

    So it shows how fast a client takes its answer, and what waits is counted.
    """
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, AttributeError):  # not every system has it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 2**17)
