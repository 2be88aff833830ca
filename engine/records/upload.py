"""A request's body, read while it arrives."""

import io
import sys
from contextlib import suppress
from typing import Any

from engine.languages import gettext as _
from engine.records.problems import BadRequest


class Upload:
    """A body that is read while it arrives.

    A body that is longer than allowed raises `BadRequest` with 413, when it is read too. Reading
    raises 400 for a body that ends early or has malformed chunks, and 408 when the server no longer
    waits for it.

    Parameters
    ----------
    stream : file
        The server's, which may end before the announced length.
    length : int or None
        The announced length; None for a body in chunks.
    most : int
        The length that is allowed, in bytes.
    """

    def __init__(self, stream: Any, *, length: int | None, most: int) -> None:
        self.most = most
        self._stream = stream
        self._length = length
        self._read = 0
        self.digest: Any = None  # of `hashlib`, where the bytes are to be digested
        if length is not None and length > most:
            raise self._too_long()

    @classmethod
    def of(cls, body: bytes) -> "Upload":
        """Return the upload of a body that has arrived whole."""
        return cls(io.BytesIO(body), length=len(body), most=sys.maxsize)

    def read(self, size: int) -> bytes:
        """Read this number of bytes, fewer only at the end."""
        if self._length is not None:
            size = min(size, self._length - self._read)
        try:
            piece: bytes = self._stream.read(size) if size else b""
            self._read += len(piece)
            if self.digest is not None:
                self.digest.update(piece)
            if self._read > self.most:
                raise self._too_long()
            if self._length is not None and len(piece) < size:
                detail = _("the body ends after {read} of {length} bytes").format(
                    read=self._read, length=self._length
                )
                raise BadRequest(400, detail)
        except BaseException as error:
            self._length = self._read  # nothing more can be read
            if isinstance(error, ConnectionError):
                detail = _("the body came too slowly, or not to its end")
                raise BadRequest(408, detail) from error
            if isinstance(error, BadRequest) or not isinstance(error, Exception):
                raise
            # Servers raise errors of their own for broken chunks.
            detail = _("the body cannot be read: its chunks are malformed")
            raise BadRequest(400, detail) from error
        return piece

    def in_memory(self) -> bytes | None:
        """Return the whole body if it is in memory, even after it was read; else None."""
        if isinstance(self._stream, io.BytesIO):
            return self._stream.getvalue()
        content: bytes | None = getattr(self._stream, "in_memory", lambda: None)()
        return content

    def read_whole(self) -> bytes:
        """Read what is left."""
        return b"".join(iter(lambda: self.read(2**16), b""))

    def drain(self) -> None:
        """Discard the rest, so that a client that sends everything first gets its answer."""
        if drain := getattr(self._stream, "drain", None):
            drain()
        with suppress(BadRequest):
            while self.read(2**18):
                pass

    def _too_long(self) -> BadRequest:
        return BadRequest(413, _("the body is larger than {most} bytes").format(most=self.most))
