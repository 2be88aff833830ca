"""A request's body as it comes, and bytes that wait to be sent."""

import io
import sys
from contextlib import suppress
from typing import Any

from engine.records.problems import BadRequest


class Upload:
    """A body that is read while it arrives.

    Parameters
    ----------
    stream : file
        The server's, which may give less than was announced.
    length : int or None
        What was announced; None for a body in chunks.
    most : int
        What is allowed, in bytes.

    Raises
    ------
    BadRequest
        413 for a body that is longer than allowed; when reading, too. 400
        for one that ends early or whose chunks are malformed, 408 for one
        that the server gave up.
    """

    def __init__(self, stream: Any, *, length: int | None, most: int) -> None:
        self.most = most
        self._stream = stream
        self._length = length
        self._read = 0
        if length is not None and length > most:
            raise self._too_long()

    @classmethod
    def of(cls, body: bytes) -> "Upload":
        """Take a body that has come whole."""
        return cls(io.BytesIO(body), length=len(body), most=sys.maxsize)

    def read(self, size: int) -> bytes:
        """Read so many bytes, fewer only at the end."""
        if self._length is not None:
            size = min(size, self._length - self._read)
        try:
            piece: bytes = self._stream.read(size) if size else b""
            self._read += len(piece)
            if self._read > self.most:
                raise self._too_long()
            if self._length is not None and len(piece) < size:
                detail = f"the body ends after {self._read} of {self._length} bytes"
                raise BadRequest(400, detail)
        except BaseException as error:
            self._length = self._read  # nothing more can be had of it
            if isinstance(error, ConnectionError):
                detail = "the body came too slowly, or not to its end"
                raise BadRequest(408, detail) from error
            if isinstance(error, BadRequest) or not isinstance(error, Exception):
                raise
            # Servers raise errors of their own for broken chunks.
            detail = "the body cannot be read: its chunks are malformed"
            raise BadRequest(400, detail) from error
        return piece

    def in_memory(self) -> bytes | None:
        """Return the whole body if it is in memory, whatever has been read of it; else None."""
        return self._stream.getvalue() if isinstance(self._stream, io.BytesIO) else None

    def read_whole(self) -> bytes:
        """Read what is left."""
        return b"".join(iter(lambda: self.read(2**16), b""))

    def drain(self) -> None:
        """Read on and forget it, so that a client that sends all first gets its answer."""
        with suppress(BadRequest):
            while self.read(2**18):
                pass

    def _too_long(self) -> BadRequest:
        return BadRequest(413, f"the body is larger than {self.most} bytes")
