"""Processes that gunicorn's master starts at a worker's request."""

import os
import signal
import socket
from collections.abc import Callable
from typing import IO, Any


class Starter:
    """Starts processes of one kind, so that the workers start none themselves.

    A worker that answers requests need not be able to start a program, and a
    process that it started would end with it. Each process inherits the
    descriptor of a connection, which `start` gets.
    """

    def __init__(self, start: Callable[[int], Any], log: Any) -> None:
        self._start = start
        self._log = log
        self._master = os.getpid()
        self._requests, self._requesting = socket.socketpair(type=socket.SOCK_DGRAM)
        self._requests.setblocking(False)

    def ask(self, connection: socket.socket | IO[bytes]) -> bool:
        """Request, in a worker, a process at the other end of a connection, or with a file.

        Return whether it was requested; it is not where the master is another
        user's process, since what is started would have that user's rights.
        """
        try:
            os.kill(self._master, 0)
        except OSError:
            return False
        socket.send_fds(self._requesting, [b"?"], [connection.fileno()])
        os.kill(self._master, signal.SIGCHLD)  # so that it looks
        return True

    def start_requested(self) -> None:
        """Start, in the master, what workers have requested."""
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(self._requests, 1, 1)
            except BlockingIOError:
                return
            for descriptor in descriptors:
                try:
                    self._start(descriptor)
                except OSError as error:
                    self._log.error("a process could not be started: %s", error)
                os.close(descriptor)
