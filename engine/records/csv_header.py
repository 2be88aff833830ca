"""CSV that may lack its header, as SageMaker sends it: columns in the order of the schema."""

import csv
import io

from engine.records.blocks import LONGEST_ROW, PIECE
from engine.records.upload import Upload
from engine.schema.record_schema import Schema


def with_header(upload: Upload, schema: Schema, *, header: str = "") -> Upload:
    """Put a header of the schema's names before a table that has none.

    Parameters
    ----------
    header : {"", "present", "absent"}
        Whether the client says that there is one. When it does not say, the first line that is not
        blank is a header if half of its cells or more are names of fields.
    """
    if header == "present":
        return upload
    start = b""
    if not header:
        while b"\n" not in start.lstrip() and len(start) < LONGEST_ROW:
            piece = upload.read(PIECE)
            start += piece
            if len(piece) < PIECE:
                break
    names = [field.name for field in schema.fields]
    if not header and (not start.strip() or _is_header(start, names)):
        line = b""
    else:
        line = _write_line(names)
        start = start.removeprefix(b"\xef\xbb\xbf")
    stream = _Joined(line + start, upload)
    return Upload(stream, length=None, most=upload.most + len(line))


class _Joined:
    """Bytes that have been read, and an upload from which more can be."""

    def __init__(self, start: bytes, rest: Upload) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Read so many bytes, fewer only at the end."""
        piece, self._start = self._start[:size], self._start[size:]
        return piece + self._rest.read(size - len(piece)) if len(piece) < size else piece


def _is_header(start: bytes, names: list[str]) -> bool:
    text = start.decode("utf-8-sig", errors="replace").lstrip()
    try:
        cells = next(csv.reader(text.splitlines()[:1]), [])
    except csv.Error:
        return False
    return 2 * sum(cell in names for cell in cells) >= len(cells) > 0


def _write_line(names: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()
