"""A request's body as it comes, and bytes that wait to be sent."""

import errno
import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from api.errors import BadRequest

#: Up to so many bytes are kept in memory, more in an unnamed temporary file.
MOST_IN_MEMORY = 2**20

#: What is sent at a time; a client must take it within the server's time limit.
_SENT_AT_ONCE = 2**17


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
            found: bytes = self._stream.read(size) if size else b""
            self._read += len(found)
            if self._read > self.most:
                raise self._too_long()
            if self._length is not None and len(found) < size:
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
        return found

    def held(self) -> bytes | None:
        """Give the whole body if it is in memory, whatever has been read of it; else None."""
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


class Spool:
    """Bytes that are written now and sent later: a file without a name when they are many.

    Parameters
    ----------
    most : int
        How many may be written.
    what : str
        What they are, for the message when they are more.
    """

    def __init__(self, most: int, *, what: str) -> None:
        self.size = 0
        self.most = most
        self.what = what
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(MOST_IN_MEMORY)  # noqa: SIM115

    def write(self, content: bytes) -> int:
        """Write at the end.

        Raises
        ------
        BadRequest
            413 when that is more than allowed, 507 when the disk is full.
        """
        self.size += len(content)
        if self.size > self.most:
            raise BadRequest(413, f"{self.what} is larger than {self.most} bytes: send fewer rows")
        with _room_on_disk():
            return self.file.write(content)

    def seal(self) -> None:
        """Be done with writing; raises as `write` does."""
        with _room_on_disk():
            self.file.flush()

    def descriptor(self) -> int:
        """Be done with writing, and give the file for another process to read."""
        with _room_on_disk():
            found = self.file.fileno()
            self.file.flush()
        return found

    def __iter__(self) -> Iterator[bytes]:
        """Give all bytes in pieces."""
        self.file.seek(0)
        while piece := self.file.read(_SENT_AT_ONCE):
            yield piece

    def whole(self) -> bytes:
        """Give all bytes at once, and forget them."""
        content = b"".join(self)
        self.close()
        return content

    def close(self) -> None:
        """Forget the bytes."""
        self.file.close()


@contextmanager
def _room_on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise BadRequest(507, "the service has no room on disk for so large a table") from error
