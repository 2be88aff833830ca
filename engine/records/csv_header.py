"""CSV without a header, as SageMaker may send it: its columns are in the order of the schema."""

import csv

from engine.records.blocks import LONGEST_ROW, PIECE
from engine.records.upload import Upload
from engine.records.writers import csv_line
from engine.schema.record_schema import Schema


def with_header(upload: Upload, schema: Schema, *, header: str = "") -> Upload:
    """Put a header of the schema's names before a table that does not have one.

    Parameters
    ----------
    header : {"", "present", "absent"}
        What the client declares. If it declares nothing, the first line that
        is not blank is a header when at least half of its cells name fields.
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
        line = csv_line(names) + b"\n"
        start = start.removeprefix(b"\xef\xbb\xbf")
    stream = _Joined(line + start, upload)
    return Upload(stream, length=None, most=upload.most + len(line))


class _Joined:
    """Bytes that have been read, then the rest of their upload."""

    def __init__(self, start: bytes, rest: Upload) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Read this number of bytes, fewer only at the end."""
        piece, self._start = self._start[:size], self._start[size:]
        return piece + self._rest.read(size - len(piece)) if len(piece) < size else piece


def _is_header(start: bytes, names: list[str]) -> bool:
    text = start.decode("utf-8-sig", errors="replace").lstrip()
    try:
        cells = next(csv.reader(text.splitlines()[:1]), [])
    except csv.Error:
        return False
    return 2 * sum(cell in names for cell in cells) >= len(cells) > 0
