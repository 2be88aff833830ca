"""The lines of a text, read piece by piece, and the records of CSV in them."""

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterator

from engine.languages import gettext as _
from engine.records.blocks import LONGEST_ROW, too_long, whole_lines
from engine.records.charsets import not_utf8
from engine.records.problems import BadRequest
from engine.records.upload import Upload

_LINE_END = re.compile(r"\r\n?|\n")
_BLANK_LINES = re.compile(r"[\r\n]*")


class Lines:
    """A text that is read piece by piece; a record may span two pieces."""

    def __init__(self, upload: Upload, delimiter: str) -> None:
        self.delimiter = delimiter
        self._pieces = whole_lines(upload, ends=(b"\n", b"\r"))
        self._read = 0
        self._text, self._at = "", 0

    def _next(self) -> str | None:
        if (piece := next(self._pieces, None)) is None:
            return None
        mark = len(BOM_UTF8) * (not self._read and piece.startswith(BOM_UTF8))
        try:
            text = piece[mark:].decode()
        except UnicodeDecodeError as error:
            place = self._read + mark + error.start
            raise BadRequest(400, not_utf8(piece, place, is_start=not self._read)) from error
        self._read += len(piece)
        return text

    def take(self) -> str | None:
        """Return whole lines; None at the end."""
        text = self._text[self._at :] or self._next()
        self._text, self._at = "", 0
        return text

    def rest(self) -> str:
        """Return what is read already, or else the next lines, and leave it where it is."""
        if self._at == len(self._text):
            self._text, self._at = self._next() or "", 0
        return self._text[self._at :]

    def line_with_text(self) -> str:
        """Return the next line that is not blank; nothing at the end of the text."""
        while self.rest():
            blank = _BLANK_LINES.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text):
                break
        return self.line()

    def line(self) -> str:
        """Return one line with its end; nothing at the end of the text."""
        if self._at == len(self._text):
            self._text, self._at = self._next() or "", 0
        end = _LINE_END.search(self._text, self._at)
        start, self._at = self._at, end.end() if end else len(self._text)
        return self._text[start : self._at]

    def records(self, text: str) -> list[list[str]]:
        """Read the records that begin in lines that were taken, without blank lines."""
        lines = [*io.StringIO(text, newline="")]
        ended = 0

        def feed() -> Iterator[str]:
            yield from lines
            fed, size = len(lines), 0
            while fed != ended and (line := self.line()):  # in quotes that are still open
                fed, size = fed + 1, size + len(line)
                if size > LONGEST_ROW:
                    raise too_long()
                yield line

        rows = []
        reader = csv.reader(feed(), delimiter=self.delimiter, strict=True)
        try:
            for row in reader:
                ended = reader.line_num
                rows.append(row)
        except csv.Error as error:
            raise BadRequest(400, _("the body is not CSV: {error}").format(error=error)) from error
        return [row for row in rows if row]
