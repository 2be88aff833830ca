"""A client's connection, and the request that is read from it."""

import os
import socket
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import TConn

from engine.worker.budget import Budget
from engine.worker.faults import BAD_HOST, BARE_LINE, LONG_HEAD, Fault
from engine.worker.request import ArrivedFirst, Request, is_host, read_head
from engine.worker.timed_socket import TimedSocket

try:
    import httptools
except ImportError:  # then threads read every request
    httptools = None  # type: ignore[assignment]

#: Whether the loop can read requests.
HAS_PARSER = httptools is not None

#: The longest head that is read, in bytes.
MOST_HEAD = 2**16

#: What a connection takes beside its bytes, and each header beside its own, in bytes.
OWN_BYTES, FIELD_BYTES = 4096, 256


#: In a longer piece of a head the lines are counted before it is parsed.
SHORT_PIECE = 4096


#: Of a length, behind leading zeros.
MOST_DIGITS = 18


class _EnoughError(Exception):
    """There is no need to parse on."""


class Connection(TConn):  # type: ignore[misc]
    """A connection whose next request is read on the event loop."""

    def __init__(
        self, cfg: Any, client_socket: socket.socket, client: Any, listener: Any,
        *, most_fields: int = 2**15,
    ) -> None:  # fmt: skip
        timed = TimedSocket(fileno=client_socket.detach())
        super().__init__(cfg, timed, client, listener)
        self.phase: Any = {}  # of `Waiting`, where it waits or waited last
        # Until when the client has kept pace, by the monotonic clock, and the bytes since then.
        self.kept_until, self.moved = 0.0, 0
        self.budget: Budget | None = None  # in which the bytes that it holds are counted
        self.held = 0
        self.is_heavy = False  # whether it has one of the threads for what takes long
        self.is_slow = False  # whether a thread gets it before its request is whole
        self.is_begun = False  # whether a thread has begun with it
        self.stays = False  # whether it stays open once its answer is sent
        self.ignored_bytes = MOST_HEAD  # that may still arrive after this side has ended it
        self.seconds = 0.0  # that a thread took for its last request
        self.rest: bytes | bytearray = b""  # what has come behind the request that a thread has
        self._most_fields = most_fields
        self.restart()

    def init(self) -> None:
        """Choose gunicorn's parser, and make it ours; only the first call does anything."""
        is_first = not self.initialized
        super().init()
        if is_first and not self.is_http2:
            self.parser.mesg_class = Request
            self.parser.unreader = ArrivedFirst(self.sock)

    def restart(self) -> None:
        """Wait for a request with a new parser."""
        self._parser = httptools and httptools.HttpRequestParser(self)
        self.is_odd = False  # whether the parser refuses it; then gunicorn's decides
        self.clear()

    def clear(self) -> None:
        """Wait for a request after one that came whole and alone."""
        self.raw: bytes | bytearray = b""  # the part of the request that has arrived
        self.url = b""
        self.headers: dict[bytes, bytes] = {}  # their names in small letters
        self._fields = self.headers  # where the parser's go
        self.fields = self.begun = self.completed = 0
        self.has_head = self.is_admitted = False
        self.is_ours = True  # whether the loop may answer, as far as the request was parsed

    def feed(self, received: bytes) -> None:
        """Parse the next part; what the parser refuses is left to gunicorn's own."""
        self.raw = _joined(self.raw, received) if self.raw else received
        if self.is_odd or self.completed:
            return
        if len(received) > SHORT_PIECE and not self.has_head:
            lines = self.raw.count(b"\r\n", 0, self.raw.find(b"\r\n\r\n"))
            if lines > self._most_fields:
                self.fields = lines
                return
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserCallbackError:
            self.is_ours = False  # there is a fault, or another request follows
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.is_ours = False
            self.is_odd = True
            if isinstance(error, httptools.HttpParserUpgrade) and self.has_body():
                self.completed = 0  # the parser takes the body for what follows an upgrade

    def parse_again(self) -> None:
        """Parse a whole request that was not parsed, since its head was known."""
        if not self.begun:
            received, self.raw = self.raw, b""
            self.feed(bytes(received))

    def fault(self, received: bytes) -> Fault | None:
        """Return what is wrong with the request, after these last bytes; None where nothing is."""
        if self.fields > self._most_fields or (not self.has_head and len(self.raw) > MOST_HEAD):
            return LONG_HEAD
        if not self.has_head and b"\n" in received:
            # A line that ends without a carriage return would never end for gunicorn.
            is_bare = self.raw.count(b"\n") != self.raw.count(b"\r\n")
            return BARE_LINE if is_bare and not self.is_odd_whole() else None
        if self.has_head and not self.is_admitted and not self.is_odd and not self.has_host():
            return BAD_HOST
        return None

    def is_odd_whole(self) -> bool:
        """Return whether a head has come whole that only gunicorn's parser can read."""
        return self.is_odd and not self.has_head and b"\r\n\r\n" in self.raw

    def read_oddly(self) -> None:
        """Read a whole head with gunicorn's parser; raise what it raises."""
        head, end, _ = bytes(self.raw).partition(b"\r\n\r\n")
        request = read_head(self.cfg, head + end, self.client)
        self.url = request.uri.encode("latin-1")
        self.headers = {
            name.lower().encode("latin-1"): value.encode("latin-1")
            for name, value in request.headers
        }
        self.has_head = True
        self.completed = int(not self.has_body())

    def has_host(self) -> bool:
        """Return whether the head names a host once, or need not name one."""
        if (host := self.headers.get(b"host")) is None:
            return bool(self._parser.get_http_version() != "1.1")
        head = self.raw[: self.raw.find(b"\r\n\r\n")] if self.fields > len(self.headers) else b""
        return is_host(host.decode("latin-1")) and head.lower().count(b"\r\nhost:") < 2

    def has_body(self) -> bool:
        """Return whether the head announces a body."""
        return self.length > 0 or b"transfer-encoding" in self.headers

    @property
    def length(self) -> int:
        """The length of the body, as its head has it; 0 where it has none."""
        length = self.headers.get(b"content-length", b"")
        # Python reads no more than some thousand digits; so many are more than anything is long.
        return int(length.lstrip(b"0")[:MOST_DIGITS] or b"0") if length.isdigit() else 0

    @property
    def method(self) -> bytes:
        """The method, once the head has come."""
        return bytes(self.raw[:32]).lstrip(b"\r\n").partition(b" ")[0]

    def size(self) -> int:
        """Return the bytes that the request takes in memory, as far as it has come."""
        return OWN_BYTES + len(self.raw) + FIELD_BYTES * self.fields

    def missing(self) -> int:
        """Return how many bytes of the request are still to come, as far as that is known."""
        return max(0, self.head_size() + self.length - len(self.raw))

    def pass_on(self) -> None:
        """Give gunicorn's parser the bytes of one request, and keep those that follow."""
        raw, self.rest = self.raw, b""
        is_whole = bool(self.completed) and not self.is_odd
        is_chunked = b"transfer-encoding" in self.headers
        if is_whole and not is_chunked and self.begun > 1 and raw[:1].isalpha():
            end = self.head_size() + self.length
            raw, self.rest = raw[:end], raw[end:]
        is_alone = is_whole and self.begun == 1
        self.parser.unreader.begin(raw, is_chunked=is_chunked and is_alone)

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

    def is_plain_post(self) -> bool:
        """Return whether the whole request is a POST over HTTP/1.1 with no header repeated."""
        if len(self.raw) > MOST_HEAD or not self.raw.startswith(b"POST %b HTTP/1.1\r\n" % self.url):
            return False
        body = len(self.raw) - self.head_size()
        length = self.headers.get(b"content-length")
        return self.fields == len(self.headers) and length == b"%d" % body

    def head_size(self) -> int:
        """Return the length of the head, with the empty line, once it has come."""
        return self.raw.find(b"\r\n\r\n") + 4

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Count the requests that have begun; only the first is parsed."""
        self.begun += 1
        if self.begun > 1:
            raise _EnoughError

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; the parser leaves the blanks behind its value, which are no part of it."""
        self._fields[name.lower()] = value.rstrip(b" \t")
        self.fields += 1
        if b"_" in name:
            self.is_ours = False

    def on_headers_complete(self) -> None:
        """Note that the body begins; fields that stand behind it are no headers."""
        self.has_head = True
        self._fields = {}
        if b"expect" in self.headers:
            self.is_ours = False

    def on_message_complete(self) -> None:
        """Count the requests that have come whole."""
        self.completed += 1


def _joined(before: bytes | bytearray, part: bytes) -> bytes | bytearray:
    joined = bytearray(before) if isinstance(before, bytes) else before
    joined += part
    return joined
