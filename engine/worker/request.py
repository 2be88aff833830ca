"""gunicorn's parser, where it is to read what has come already, and to quote nothing."""

import re
from ipaddress import IPv6Address
from typing import Any

from gunicorn.http import message
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import NoMoreData, UnsupportedTransferCoding
from gunicorn.http.unreader import IterUnreader, SocketUnreader

try:
    import httptools
except ImportError:
    httptools = None  # type: ignore[assignment]

from engine.worker.faults import BadHost

#: The newest version that is spoken here.
_NEWEST = (1, 1)

#: A name or an IPv4 address, or an IPv6 address in brackets, and perhaps a port (RFC 3986, 3.2).
_HOST = re.compile(
    r"(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*|\[([0-9A-Fa-f:.]+)\])(?::[0-9]*)?"
)


class Request(message.Request):  # type: ignore[misc]
    """A request as RFC 9110 and 9112 have it, where gunicorn is more lenient."""

    version: tuple[int, int]
    body: Any

    def read_into(self, unreader: Any, buf: bytearray, stop: bool = False) -> None:  # noqa: FBT001, FBT002
        """Read more; at the end raise an error that does not quote what came before."""
        if received := unreader.read():
            buf += received
        elif stop:
            raise StopIteration
        else:
            raise NoMoreData

    def set_body_reader(self) -> None:
        """Choose how the body is read, now that the head is."""
        # gunicorn lets no field Host stand twice, but takes none, and any value.
        hosts = [value for name, value in self.headers if name == "HOST"]
        if not (is_host(hosts[0]) if hosts else self.version < _NEWEST):
            raise BadHost
        # A newer version of the same major one is answered in the newest that is spoken.
        self.version = min(self.version, _NEWEST)
        # gunicorn would read a body in other codings as if it were plain.
        codings = ",".join(value for name, value in self.headers if name == "TRANSFER-ENCODING")
        if {coding.strip(" \t").lower() for coding in codings.split(",")} - {"chunked", ""}:
            raise UnsupportedTransferCoding("")
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader) and isinstance(self.unreader, ArrivedFirst):
            body = self.unreader.take_chunks()
            if body is not None:
                self.body = Body(LengthReader(IterUnreader([body]), len(body)))


class _Chunks:
    """Collects the chunks of a body."""

    def __init__(self) -> None:
        self.body = bytearray()

    def on_body(self, chunk: bytes) -> None:
        """Add a chunk, or a part of it."""
        self.body += chunk


class ArrivedFirst(SocketUnreader):  # type: ignore[misc]
    """Reads what the event loop has received, in pieces, and then from the socket."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._arrived: bytes | bytearray = b""
        self._place = 0
        self._chunked: bytes | bytearray = b""

    def begin(self, arrived: bytes | bytearray, *, is_chunked: bool = False) -> None:
        """Put what has arrived first; say if it is exactly one request, whole and in chunks."""
        self._arrived, self._place = arrived, 0
        self._chunked = arrived if is_chunked else b""

    def take_chunks(self) -> bytes | None:
        """Return the body of a request that has come whole in chunks; None for any other.

        C code joins them a hundred times as fast as gunicorn.
        """
        if not self._chunked:
            return None
        chunks = _Chunks()
        httptools.HttpRequestParser(chunks).feed_data(self._chunked)
        self._arrived = self._chunked = b""
        super().take_buffered()
        return bytes(chunks.body)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next piece."""
        if not self._arrived:
            received: bytes = super().chunk(size_hint)
            return received
        end = self._place + max(self.mxchunk, min(size_hint or 0, self.max_body_chunk))
        piece = bytes(memoryview(self._arrived)[self._place : end])
        self._place = end
        if end >= len(self._arrived):
            self._arrived = b""
        return piece

    def take_buffered(self) -> bytes:
        """Return what was received and not read."""
        rest: bytes = super().take_buffered()
        rest += self._arrived[self._place :]
        self._arrived = b""
        return rest


def read_head(cfg: Any, head: bytes, client: Any) -> Request:
    """Read a whole head, with the empty line; raise what gunicorn raises for a malformed one."""
    return Request(cfg, IterUnreader([head]), client)


def is_host(text: str) -> bool:
    """Return whether Host may have a value; it may be empty, as where a URI has no host."""
    parts = _HOST.fullmatch(text)
    if not parts or not parts[1]:
        return bool(parts)
    try:
        IPv6Address(parts[1])
    except ValueError:
        return False
    return True
