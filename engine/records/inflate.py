"""Compressed bodies, inflated while they are read, within a limit."""

import zlib

from engine.languages import gettext as _
from engine.records.blocks import PIECE
from engine.records.problems import BadRequest
from engine.records.upload import Upload

#: The number by which zlib knows the wrapper of each encoding.
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

#: A body may become so many times as long; the first bytes may become more.
_MOST_TIMES, _FIRST_BYTES = 200, 2**20


def inflate(upload: Upload, content_encoding: str, most: int) -> Upload:
    """Return an upload without its content encoding, of which so many bytes are read at most.

    Raise `BadRequest` with 415 for an encoding that is not read, and with 400 for several. Reading
    raises 400 for a body that is damaged, cut off or followed by more, and 413 beyond the limit
    and for one that becomes more than 200 times as long.
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return upload
    if "," in encoding:
        raise BadRequest(
            400,
            _("the content encoding is {encoding}: send one").format(encoding=repr(encoding[:40])),
        )
    if encoding not in _WINDOW_BITS:
        detail = _("the content encoding is {encoding}: send gzip, deflate or none").format(
            encoding=repr(encoding[:40])
        )
        raise BadRequest(415, detail)
    return Upload(_Inflated(upload, encoding, most), length=None, most=most)


class _Inflated:
    """The inflated bytes of an upload."""

    def __init__(self, upload: Upload, encoding: str, most: int) -> None:
        self._upload = upload
        self._encoding = encoding
        self._most = most
        self._inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._rest = b""
        self._taken, self._given = 0, 0

    def in_memory(self) -> bytes | None:
        """Return the body as it came, if it is in memory."""
        return self._upload.in_memory()

    def drain(self) -> None:
        """Discard the rest without inflating it."""
        self._inflater = zlib.decompressobj()
        self._rest = b""
        self._upload.drain()

    def read(self, size: int) -> bytes:
        """Read this number of bytes, fewer only at the end."""
        content = b""
        while len(content) < size and not self._inflater.eof:
            content += self._next(size - len(content))
        self._given += len(content)
        if self._given > self._most:
            raise BadRequest(
                413, _("the body is larger than {most} bytes when inflated").format(most=self._most)
            )
        if self._given > max(_FIRST_BYTES, _MOST_TIMES * self._taken):
            detail = _(
                "the body becomes more than {most_times} times as long when inflated"
            ).format(most_times=_MOST_TIMES)
            raise BadRequest(413, _("{detail}: send it plain").format(detail=detail))
        return content

    def _next(self, size: int) -> bytes:
        """Inflate so many bytes at most."""
        piece = self._rest or self._upload.read(PIECE)
        if not piece:
            raise BadRequest(
                400, _("the body ends before its {encoding} does").format(encoding=self._encoding)
            )
        try:
            content = self._inflater.decompress(piece, size)
        except zlib.error as error:
            raise BadRequest(
                400, _("the body is not {encoding}").format(encoding=self._encoding)
            ) from error
        self._rest = self._inflater.unconsumed_tail
        self._taken += len(piece) - len(self._rest)
        if self._inflater.eof and (self._inflater.unused_data or self._upload.read(1)):
            raise BadRequest(
                400, _("the body goes on after its {encoding} ends").format(encoding=self._encoding)
            )
        return content
