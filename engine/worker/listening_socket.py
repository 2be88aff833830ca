"""The listening sockets at the end of a service's life."""

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from engine.worker.processes import all_processes, parent

# Linux's "a packet must have so many hops left, else drop it", for IPv4 and IPv6.
# No packet that came over a network has 255 left, and nearly none starts with as many.
_LEAST_HOPS = {
    socket.AF_INET: ((socket.IPPROTO_IP, 21),),
    socket.AF_INET6: ((socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73)),
}
_ANY, _NONE = 0, 255


def is_held_by(process: int, listener: socket.socket) -> bool | None:
    """Return whether a process has a listening socket open; None where that cannot be seen."""
    name = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                if os.readlink(link) == name:  # noqa: PTH115  the name, not a path
                    return True
            except FileNotFoundError:
                continue  # closed meanwhile
    except OSError:
        return None
    return False


def orphans(listener: socket.socket) -> list[int]:
    """List the processes that hold a listening socket and whose master has been killed.

    Neither a master, whose workers hold it too, nor a worker whose master
    lives is among them.
    """
    holders = {process for process in all_processes() if is_held_by(process, listener)}
    parents = {process: parent(process) for process in holders}
    masters = {*parents.values()}
    return [process for process in holders - masters if parents[process] not in holders]


def refuse_new(listener: socket.socket, *, siblings: Iterable[int]) -> bool:
    """Let no new connection begin, while those that have begun may finish.

    The client's kernel repeats its first packet a second later; by then the
    socket is closed and the connection refused, so that none is accepted that
    nobody will answer. Connections that are accepted from now on need `admit`.

    Parameters
    ----------
    siblings : iterable of int
        The processes that stop along with this one. The socket is left alone
        when another process holds it too, such as the next gunicorn of an upgrade.

    Returns
    -------
    bool
        Whether it was done, which is possible on Linux, over TCP.
    """
    try:
        others = {*all_processes()} - {os.getpid(), *siblings}
    except OSError:
        return False  # not Linux
    if any(is_held_by(other, listener) for other in others):
        return False
    return _set_least_hops(listener, _NONE)


def admit(connection: socket.socket) -> bool:
    """Let a socket receive all packets: a new connection has its listener's limit."""
    return _set_least_hops(connection, _ANY)


def _set_least_hops(sock: socket.socket, hops: int) -> bool:
    options = _LEAST_HOPS.get(sock.family, ()) if sys.platform == "linux" else ()
    try:
        for level, option in options:
            sock.setsockopt(level, option, hops)
    except OSError:  # a sandbox may not have the options
        return False
    return bool(options)
