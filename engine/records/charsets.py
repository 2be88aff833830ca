"""Text in other encodings than UTF-8, turned into UTF-8 while it is read."""

import codecs
from collections.abc import Callable
from typing import Any

from engine.languages import gettext as _
from engine.records.blocks import PIECE
from engine.records.problems import BadRequest
from engine.records.upload import Upload

#: Python's names of the encodings that are read, by what a content type may call them.
CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8",
    "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
    "windows-1252": "cp1252", "cp1252": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252",
}  # fmt: skip

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_utf8(upload: Upload, charset: str) -> Upload:
    """Return an upload in UTF-8 of one in another encoding, one of the values of `CHARSETS`."""
    if charset == "utf-8":
        return upload
    return Upload(_Transcoded(upload, charset), length=None, most=upload.most)


class _Transcoded:
    """The bytes of a text in UTF-8."""

    def __init__(self, upload: Upload, charset: str) -> None:
        self._upload = upload
        self._charset = charset
        self._decode = codecs.getincrementaldecoder(charset)().decode
        self._ready = b""
        self._is_at_end = False

    def read(self, size: int) -> bytes:
        """Read this number of bytes, fewer only at the end."""
        parts = [self._ready]
        length = len(self._ready)
        while length < size and not self._is_at_end:
            piece = self._upload.read(PIECE)
            self._is_at_end = len(piece) < PIECE
            parts.append(self._to_utf8(piece))
            length += len(parts[-1])
        content = b"".join(parts)
        self._ready = content[size:]
        return content[:size]

    def _to_utf8(self, piece: bytes) -> bytes:
        try:
            return self._decode(piece, self._is_at_end).encode()
        except UnicodeError as error:
            detail = _("the body is not {charset}: state its charset, or send UTF-8").format(
                charset=self._charset
            )
            raise BadRequest(400, detail) from error


def recognised_charset(read: Callable[[int], bytes]) -> str:
    """Return the encoding of a file on this machine, a value of `CHARSETS`; read all of it.

    It is UTF-16 with its mark, UTF-8 where all of it is UTF-8, else that of Windows.
    """
    decode: Any = codecs.getincrementaldecoder("utf-8")().decode
    piece = read(PIECE)
    if piece.startswith(_UTF_16_MARKS):
        return "utf-16"
    try:
        while piece:
            decode(piece)
            piece = read(PIECE)
        decode(b"", True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def not_utf8(start: bytes, place: int, *, is_start: bool) -> str:
    """Return in words why a text cannot be read, given a piece of it and the place of the fault."""
    if is_start and (start.startswith(_UTF_16_MARKS) or 2 * start[:100].count(0) > 45):
        return _(
            "the body is UTF-16, not UTF-8: send UTF-8, or state charset=utf-16 in Content-Type"
        )
    remedy = _("send UTF-8, or state its charset in Content-Type, such as windows-1252")
    return _("the body is not UTF-8 (byte {place}): {remedy}").format(place=place, remedy=remedy)
