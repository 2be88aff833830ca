"""The listening sockets at the end of a service's life."""

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

# Linux's "a packet must have so many hops left, else drop it", for IPv4 and IPv6.
# No packet that came over a network has 255 left, and nearly none starts with as many.
_LEAST_HOPS = {
    socket.AF_INET: ((socket.IPPROTO_IP, 21),),
    socket.AF_INET6: ((socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73)),
}
_ANY, _NONE = 0, 255


def is_held_by(process: int, listener: socket.socket) -> bool | None:
    """Tell whether a process has a listening socket open; None where that cannot be seen."""
    wanted = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                if os.readlink(link) == wanted:  # noqa: PTH115  the name, not a path
                    return True
            except FileNotFoundError:
                continue  # closed meanwhile
    except OSError:
        return None
    return False


def children(process: int) -> list[int]:
    """List a process's children; none where that cannot be seen."""
    try:
        found = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(one) for one in found.split()]


def orphans(listener: socket.socket) -> list[int]:
    """List the processes that hold a listening socket and whose master has been killed.

    Neither a master, whose workers hold it too, nor a worker whose master
    lives is among them.
    """
    holders = {one for one in _processes() if is_held_by(one, listener)}
    parents = {one: _parent(one) for one in holders}
    return [one for one in holders if parents[one] not in holders and one not in parents.values()]


def _processes() -> list[int]:
    """List all processes; raises OSError where they cannot be seen."""
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # it has just ended


def refuse_new(listener: socket.socket, *, siblings: Iterable[int]) -> bool:
    """Let no new connection begin, while those that have begun may finish.

    A new one is asked again by the client's kernel a second later; by then
    the socket is closed and it is refused, so that nothing is accepted that
    nobody will answer. Those that are accepted from now on are to be admitted.

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
    ours = {os.getpid(), *siblings}
    try:
        others = {*_processes()} - ours
    except OSError:
        return False  # no Linux
    if any(is_held_by(other, listener) for other in others):
        return False
    return _set_least_hops(listener, _NONE)


def admit(connection: socket.socket) -> bool:
    """Let a socket take all packets: a new connection has its listener's limit."""
    return _set_least_hops(connection, _ANY)


def _set_least_hops(one: socket.socket, hops: int) -> bool:
    options = _LEAST_HOPS.get(one.family, ()) if sys.platform == "linux" else ()
    try:
        for level, option in options:
            one.setsockopt(level, option, hops)
    except OSError:  # a sandbox may not know them
        return False
    return bool(options)
