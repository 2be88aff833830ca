"""A client's connection, and the request that is read from it."""

import errno
import math
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import TConn

try:
    import httptools
except ImportError:  # then threads read every request
    httptools = None  # type: ignore[assignment]

#: Whether the loop can read requests.
HAS_PARSER = httptools is not None

#: How long a thread waits for one read or write.
THREAD_SECONDS = 30

#: Bytes that a thread may leave for the event loop to send.
MOST_LEFT = 2**23

#: Once a thread has waited PATIENCE seconds in all for a request, the client must have
#: sent LEAST_PACE bytes for every second of waiting.
PATIENCE_SECONDS, LEAST_PACE = 10, 1000


class TimedSocket(socket.socket):
    """A connection on which no thread waits for ever."""

    _is_measured = False

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.unsent = bytearray()  # the client has not taken it yet; the event loop sends it
        # Since when the request has waited for a thread, or the thread has made no progress, by
        # the monotonic clock; infinite while the thread waits for the client.
        self.still_since = math.inf
        self._claimed = threading.Lock()
        self._is_answering = False

    def begin(self) -> None:
        """Begin with a request that a thread is to answer."""
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
        """Send what the client takes at once; leave the rest to the loop, unless it is too much."""
        if not self._is_answering and not self.claim():
            raise BrokenPipeError(errno.EPIPE, "the loop has answered")
        self._is_answering = True
        sent = 0
        if not self.unsent:
            seconds = self.gettimeout()
            self.settimeout(0.0)
            with suppress(BlockingIOError):
                sent = self.send(content)
            self.settimeout(seconds)
        self.unsent += memoryview(content)[sent:]
        if len(self.unsent) > MOST_LEFT:
            try:
                super().sendall(self.unsent)
            except TimeoutError as error:
                raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error
            self.unsent.clear()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file, as `sendall` does."""
        file.seek(offset)
        sent = 0
        while piece := file.read(2**18 if count is None else min(2**18, count - sent)):
            self.sendall(piece)
            sent += len(piece)
        return sent


class Connection(TConn):  # type: ignore[misc]
    """A connection whose next request is read on the event loop."""

    def __init__(self, cfg: Any, client_socket: socket.socket, client: Any, listener: Any) -> None:
        timed = TimedSocket(fileno=client_socket.detach())
        super().__init__(cfg, timed, client, listener)
        self.phase: dict[Connection, float] = {}  # of `Waiting`, where it waits or waited last
        self.unfinished_bytes = 0  # its part of what the worker counts of unfinished requests
        self.is_slow = False  # whether a thread gets it before its request is whole
        self.is_begun = False  # whether a thread has begun with it
        self.stays = False  # whether it stays open once its answer is sent
        # Address and headers of the request that a thread has, as far as they were parsed.
        self.target: tuple[bytes, dict[bytes, bytes]] = b"", {}
        self.ignored_bytes = 2**16  # that may still arrive after this side has ended it
        self.seconds = 0.0  # that a thread took for its last request
        self.restart()

    def restart(self) -> None:
        """Wait for a request with a new parser."""
        self._parser = httptools and httptools.HttpRequestParser(self)
        self.clear()

    def clear(self) -> None:
        """Wait for a request after one that came whole and alone."""
        self.raw: bytes | bytearray = b""  # the part of the request that has arrived
        self.body: bytes | bytearray = b""
        self.url = b""
        self.headers: dict[bytes, bytes] = {}  # their names in small letters
        self.fields = self.begun = self.completed = 0
        self.has_head = False
        self.is_ours = True  # whether the loop may answer, as far as the request was parsed

    def feed(self, received: bytes) -> None:
        """Parse the next part; what the parser refuses is left to gunicorn's own."""
        self.raw = _joined(self.raw, received) if self.raw else received
        try:
            self._parser.feed_data(received)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_ours = False

    def end_with(self, answer: bytes) -> None:
        """Send a last answer, although a thread has the connection; wait for nothing."""
        with suppress(OSError):
            # As a method of the socket it would wait: threads do.
            os.write(self.sock.fileno(), answer)
            self.sock.shutdown(socket.SHUT_WR)

    def is_alone(self) -> bool:
        """Return whether exactly one whole request has come, on a connection that stays."""
        return (
            self.completed == self.begun == 1
            and self.raw.partition(b"\r\n")[0].endswith(b" HTTP/1.1")
            and not self.raw.startswith(b"HEAD ")
            and self.headers.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        )

    def may_grow(self, received: bytes, *, most_bytes: int) -> bool:
        """Return whether the loop waits for the rest of a request, after these last bytes."""
        if self.has_head:
            length = int(self.headers.get(b"content-length", b"0"))
            return max(len(self.raw), length) <= most_bytes
        # A line that ends without a carriage return will never end for gunicorn.
        is_odd = b"\n" in received and self.raw.count(b"\n") != self.raw.count(b"\r\n")
        return len(self.raw) < 2**16 and not is_odd

    def is_plain_post(self) -> bool:
        """Return whether the whole request is a POST over HTTP/1.1 with no header repeated."""
        return (
            self.raw.startswith(b"POST %b HTTP/1.1\r\n" % self.url)
            and self.raw.endswith(self.body)
            and self.fields == len(self.headers)
            and b"content-length" in self.headers
        )

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Count the requests that have begun."""
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        self.headers[name.lower()] = value
        self.fields += 1
        if b"_" in name:
            self.is_ours = False

    def on_headers_complete(self) -> None:
        """Note that the body begins."""
        self.has_head = True
        if b"expect" in self.headers:
            self.is_ours = False

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self.body = _joined(self.body, body) if self.body else body

    def on_message_complete(self) -> None:
        """Count the requests that have come whole."""
        self.completed += 1


def _joined(before: bytes | bytearray, part: bytes) -> bytes | bytearray:
    joined = bytearray(before) if isinstance(before, bytes) else before
    joined += part
    return joined
