"""One connection of a load: what is on the wire, not what it means."""

import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_PART = 2**18


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes
    ----------
    status : bytes
        Three digits.
    head : bytes
        In lower case.
    """

    status: bytes
    head: bytes
    body: bytes


class Line:
    """A connection that asks one request at a time and opens itself again.

    Parameters
    ----------
    selector : selector
        Whose events go to `step`.
    is_kept : bool
        Whether it stays open between requests.
    sent : callable
        () -> None, when a request has left whole.
    ended : callable
        (line, answer or reason) -> None, once per request.

    Attributes
    ----------
    number, due : int, float
        Of the request under way, for the caller's own use.
    """

    def __init__(
        self,
        selector: selectors.DefaultSelector,
        port: int,
        *,
        is_kept: bool,
        sent: Callable[[], None],
        ended: Callable[["Line", Answer | str], None],
    ) -> None:
        self._selector, self._port, self._is_kept = selector, port, is_kept
        self._sent, self._ended = sent, ended
        self.number, self.due = 0, 0.0
        self.is_busy = False
        self._socket: socket.socket | None = None
        self._is_open = self._is_used = False
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._head = b""
        self._end = 0

    def ask(self, request: bytes) -> None:
        """Send a request; opens the connection where there is none."""
        self.is_busy, self._unsent = True, memoryview(request)
        self.step(_WRITE if self._is_open else 0)

    def step(self, events: int) -> None:
        """Do what the socket is ready for; what goes wrong there fails the request."""
        try:
            if self._socket is None:
                self._connect()
            elif events & _WRITE:
                self._write(self._socket)
            if events & _READ and self._socket is not None:
                self._read(self._socket)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.strerror or str(error))

    def fail(self, reason: str) -> None:
        """Close; where a request is under way, it has failed."""
        when = "in the answer" if self._received else "before the answer"
        when = when if self._is_open else "when connecting"
        which = "used" if self._is_used else "new"
        self.close()
        if self.is_busy:
            self._end_with(f"{reason} {when}, {which} connection")

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
        self._socket = None
        self._is_open = self._is_used = False

    def _connect(self) -> None:
        self._socket = link = socket.socket()
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(link, _WRITE, self)
        link.connect_ex(("127.0.0.1", self._port))  # what became of it, _write learns

    def _write(self, link: socket.socket) -> None:
        was_reading, size = self._is_open, len(self._unsent)
        if not self._is_open and (error := link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            raise OSError(error, os.strerror(error))
        self._is_open = True
        try:
            while self._unsent:
                self._unsent = self._unsent[link.send(self._unsent) :]
        except BlockingIOError:
            self._selector.modify(link, _READ | _WRITE, self)
            return
        except ConnectionError:  # it may have answered before it closed
            self._unsent = memoryview(b"")
            self._read(link)
            return
        if size:
            self._sent()
        if not was_reading or self._selector.get_key(link).events != _READ:
            self._selector.modify(link, _READ, self)

    def _read(self, link: socket.socket) -> None:
        part = link.recv(_PART)
        if not part or not self.is_busy:
            self.fail("closed" if not part else "unasked bytes")
            return
        self._received += part
        if not self._head:
            head, blank, _ = self._received.partition(b"\r\n\r\n")
            if not blank:
                return
            self._head = bytes(head + blank).lower()
            length = self._head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0].strip()
            if not length.isdigit():
                self.fail("no length")
                return
            self._end = len(self._head) + int(length)
        if len(self._received) > self._end:
            self.fail("more bytes than its length")
        elif len(self._received) == self._end:
            body = bytes(self._received[len(self._head) :])
            self._is_used = True
            if not self._is_kept or b"\r\nconnection: close\r\n" in self._head:
                self.close()
            self._end_with(Answer(self._head[9:12], self._head, body))

    def _end_with(self, outcome: Answer | str) -> None:
        self.is_busy = False
        self._unsent, self._received, self._head = memoryview(b""), bytearray(), b""
        self._ended(self, outcome)
