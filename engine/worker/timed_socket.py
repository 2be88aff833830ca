"""A client's socket, on which no thread waits for ever."""

import errno
import math
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from engine.worker.unsent import Unsent

#: How long a thread waits for one read.
THREAD_SECONDS = 30

#: Once a thread has waited PATIENCE seconds in all for a request, the client must have
#: sent LEAST_PACE bytes for every second of waiting.
PATIENCE_SECONDS, LEAST_PACE = 10, 1000


class TimedSocket(socket.socket):
    """A connection on which threads wait for a request with a limit, and never to send."""

    _is_measured = False

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.unsent = Unsent()  # the client has not taken it yet; the event loop sends it
        # Since when the request has waited for a thread, or the thread has made no progress, by
        # the monotonic clock; infinite while the thread waits for the client.
        self.still_since = math.inf
        # Address and headers of the request that a thread has, as far as they were parsed.
        self.target: tuple[bytes, Mapping[bytes, bytes]] = b"", {}
        self.is_head = False  # whether its method is HEAD, so that no answer may have a body
        self._claimed = threading.Lock()
        self._is_answering = False

    def begin(
        self, url: bytes = b"", headers: Mapping[bytes, bytes] | None = None,
        *, is_head: bool = False,
    ) -> None:  # fmt: skip
        """Begin with a request that a thread is to answer."""
        self.target = url, headers or {}
        self.is_head = is_head
        self._claimed = threading.Lock()
        self._is_answering = False
        self.note_progress()

    def note_progress(self) -> None:
        """Note that the request makes progress, so that its deadline starts anew."""
        self.still_since = time.monotonic()

    def claim(self) -> bool:
        """Return whether the caller may answer: the loop or the thread, whichever is first."""
        return self._claimed.acquire(blocking=False)

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  as the standard library has it
        """Block for `THREAD_SECONDS` at most and measure the pace from now on, or do not block."""
        self.settimeout(THREAD_SECONDS if flag else 0.0)
        self._is_measured = flag
        self._waited = self._received = 0.0

    def recv(self, *args: Any) -> bytes:
        """Receive; a client that sends nothing for too long, or too slowly, is disconnected."""
        if not self._is_measured:
            return super().recv(*args)
        start = time.monotonic()
        self.still_since = math.inf
        try:
            received = super().recv(*args)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client sends nothing") from error
        finally:
            self.note_progress()
        self._waited += time.monotonic() - start
        self._received += len(received)
        if self._waited > PATIENCE_SECONDS and self._received < LEAST_PACE * self._waited:
            raise ConnectionResetError(errno.ECONNRESET, "the client sends too slowly")
        return received

    def sendall(self, content: Any, *_: Any) -> None:
        """Send what the client takes at once; leave the rest to the loop."""
        if not self._is_answering and not self.claim():
            raise BrokenPipeError(errno.EPIPE, "the loop has answered")
        self._is_answering = True
        rest = memoryview(content)
        seconds = self.gettimeout()
        self.settimeout(0.0)
        try:
            with suppress(BlockingIOError):
                while self.unsent:
                    self.unsent.drop(self.send(self.unsent.first()))
                while rest:
                    rest = rest[self.send(rest) :]
        finally:
            self.settimeout(seconds)
        try:
            self.unsent.add(rest)
        except OSError as error:
            raise ConnectionResetError(errno.ECONNRESET, "no room for the answer") from error

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file, as `sendall` does."""
        file.seek(offset)
        sent = 0
        while piece := file.read(2**18 if count is None else min(2**18, count - sent)):
            self.sendall(piece)
            sent += len(piece)
        return sent

    def close(self) -> None:
        """Close, and forget what was not sent."""
        super().close()
        self.unsent.close()
