"""Processes that gunicorn's master starts because a worker asks for one."""

import os
import signal
import socket
from collections.abc import Callable
from typing import Any


class Starter:
    """Starts processes of one kind, so that the workers start none themselves.

    A worker that answers requests need not be able to start a program, and a
    process that it started would end with it.

    Parameters
    ----------
    start : callable
        Given the descriptor of a connection, which the process is to inherit.
    log : gunicorn.glogging.Logger
        Where is told what could not be started.
    """

    def __init__(self, start: Callable[[int], Any], log: Any) -> None:
        self._start = start
        self._log = log
        self._master = os.getpid()
        self._asked, self._asking = socket.socketpair(type=socket.SOCK_DGRAM)
        self._asked.setblocking(False)

    def ask(self, connection: socket.socket) -> bool:
        """Have a process started at the other end of a connection, from a worker.

        Returns
        -------
        bool
            Whether it was asked for; not where the master is another user's
            process: what is started would have that user's rights.
        """
        try:
            os.kill(self._master, 0)
        except OSError:
            return False
        socket.send_fds(self._asking, [b"?"], [connection.fileno()])
        os.kill(self._master, signal.SIGCHLD)  # so that it looks
        return True

    def start_asked(self) -> None:
        """Start, in the master, what was asked for."""
        while True:
            try:
                _, found, _, _ = socket.recv_fds(self._asked, 1, 1)
            except BlockingIOError:
                return
            for descriptor in found:
                try:
                    self._start(descriptor)
                except OSError as error:
                    self._log.error("a process could not be started: %s", error)
                os.close(descriptor)
