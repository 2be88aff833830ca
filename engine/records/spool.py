"""Text that grows in memory, then in a file."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from engine.languages import gettext as _
from engine.records.problems import BadRequest

#: More bytes than these go to an unnamed temporary file.
MOST_IN_MEMORY = 2**20

#: What is sent at a time; a client must take it within the server's time limit.
_SENT_AT_ONCE = 2**17


class Spool:
    """Bytes that are written now and sent later, at most so many.

    A message names them as `what` when there are more.
    """

    def __init__(self, most: int, *, what: str) -> None:
        self.size = 0
        self.most = most
        self.what = what
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(MOST_IN_MEMORY)  # noqa: SIM115

    def write(self, content: bytes) -> int:
        """Append; raise `BadRequest` with 413 beyond `most` bytes, with 507 for a full disk."""
        self.size += len(content)
        if self.size > self.most:
            raise BadRequest(
                413,
                _("{what} is larger than {most} bytes: send fewer rows").format(
                    what=_(self.what), most=self.most
                ),
            )
        with room_on_disk():
            return self.file.write(content)

    def seal(self) -> None:
        """End the writing; raise as `write` does."""
        with room_on_disk():
            self.file.flush()

    def descriptor(self) -> int:
        """End the writing, and return the file for another process to read."""
        with room_on_disk():
            descriptor = self.file.fileno()
        self.seal()
        return descriptor

    def __iter__(self) -> Iterator[bytes]:
        """Return all bytes in pieces."""
        self.file.seek(0)
        yield from iter(lambda: self.file.read(_SENT_AT_ONCE), b"")

    def whole(self) -> bytes:
        """Return all bytes at once, and close."""
        content = b"".join(self)
        self.close()
        return content

    def close(self) -> None:
        """Delete the bytes."""
        self.file.close()


@contextmanager
def room_on_disk() -> Iterator[None]:
    """Raise `BadRequest` with 507 where the disk has no room."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EROFS, errno.EACCES):
            remedy = _("let it write in /tmp, or name another folder in TMPDIR")
            reason = _("the service has no folder for so large a table: {remedy}").format(
                remedy=remedy
            )
            raise BadRequest(507, reason) from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise BadRequest(507, _("the service has no room on disk for so large a table")) from error
