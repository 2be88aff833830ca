"""A file of records, cut into parts, each of which is a table of its own.

A table of any size is so answered by many processes, and its parts may be answered again.
"""

import io
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from engine.records.blocks import MOST_ROWS, whole_lines
from engine.records.charsets import as_utf8
from engine.records.csv_layout import Layout
from engine.records.csv_lines import Lines
from engine.records.csv_reader import read_layout
from engine.records.media_types import CSV, LINES
from engine.records.problems import BadRequest
from engine.records.upload import Upload
from engine.records.writers import csv_text
from engine.schema.record_schema import Schema

#: What a file and its parts look like; JSON lines have no names.
Cut = tuple[Layout, Iterator[bytes]]


def cut_file(
    file: IO[bytes], kind: str, schema: Schema, *, charset: str, delimiter: str, most: int
) -> Cut:
    """Cut a file into parts of so many bytes, about, at least one; text is UTF-8 in them.

    The file stays open until the last part is taken. Raise `BadRequest` where it cannot be read.
    """
    upload = as_utf8(Upload(file, length=None, most=sys.maxsize), charset)
    if kind == LINES:
        return Layout(delimiter, []), _lines(upload, most)
    if kind != CSV:
        return _cut_parquet(Path(file.name), schema, most)
    lines = Lines(upload, delimiter)
    layout = read_layout(lines, schema)._replace(delimiter=lines.delimiter)
    return layout, _records(lines, layout, most)


def cut_rows(
    names: Sequence[str], batches: Iterator[Sequence[Sequence[Any]]], schema: Schema, most: int
) -> Iterator[bytes]:
    """Write values, as a database has them, as parts in CSV of so many bytes, about."""
    found = schema.find_columns(names).sources
    fields = {found[field.name]: field for field in schema.fields if field.name in found}
    by_place = {place: fields[name] for place, name in enumerate(names) if name in fields}

    def written(row: Sequence[Any]) -> list[str]:
        return [_cell(by_place[at].from_array(each) if at in by_place else each)
                for at, each in enumerate(row)]  # fmt: skip

    pieces = ((_csv_text(map(written, rows), ","), True) for rows in batches)
    return _csv_parts(names, ",", pieces, most)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _records(lines: Lines, layout: Layout, most: int) -> Iterator[bytes]:
    """Cut between records; what has quotes is written anew, since these may hide a line end."""

    def pieces() -> Iterator[tuple[str, bool]]:
        while (text := lines.take()) is not None:
            # Empty rows at the end of a part would not be counted as rows.
            last = text.rstrip("\r\n").replace("\r", "\n").rpartition("\n")[2]
            may_end = bool(last.strip(f'{layout.delimiter} "'))
            if '"' in text:
                text = _csv_text(lines.records(text), layout.delimiter)
            yield text, may_end

    return _csv_parts(layout.names, layout.delimiter, pieces(), most)


def _csv_parts(
    names: Sequence[str], delimiter: str, pieces: Iterable[tuple[str, bool]], most: int
) -> Iterator[bytes]:
    """Gather pieces of CSV below the header; a part ends only after a piece that may end it."""
    part, has_part = io.StringIO(newline=""), False
    part.write(_csv_text([names], delimiter))
    start = part.tell()
    for text, may_end in pieces:
        part.write(text)
        if may_end and part.tell() >= most:
            yield part.getvalue().encode()
            has_part = True
            part.truncate(part.seek(start))
    if part.tell() > start or not has_part:
        yield part.getvalue().encode()


def _csv_text(rows: Iterable[Sequence[str]], delimiter: str) -> str:
    return "".join(csv_text(rows, delimiter, "\r\n"))


def _lines(upload: Upload, most: int) -> Iterator[bytes]:
    pieces: list[bytes] = []
    has_part = False
    for piece in whole_lines(upload, ends=(b"\n",)):
        pieces.append(piece if pieces or has_part else piece.removeprefix(BOM_UTF8))
        if sum(map(len, pieces)) >= most:
            yield b"".join(pieces)
            pieces, has_part = [], True
    if pieces or not has_part:
        yield b"".join(pieces)


def _cut_parquet(path: Path, schema: Schema, most: int) -> Cut:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    from engine.records.arrow.columns import is_read

    try:
        file = ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise BadRequest(400, f"it is not a whole Parquet file: {error}") from error
    columns = file.schema_arrow
    fields = {field.name: field for field in schema.fields}
    for name, column in schema.find_columns(columns.names).sources.items():
        kind = columns.field(column).type
        if not is_read(kind, fields[name]):
            raise BadRequest(400, f"{column!r} is a column of {kind}: write numbers or text")
    return Layout("", columns.names), _batches(file, most)


def _batches(file: Any, most: int) -> Iterator[bytes]:
    import pyarrow
    from pyarrow.parquet import write_table

    def part(batches: Sequence[Any]) -> bytes:
        out = io.BytesIO()
        write_table(pyarrow.Table.from_batches(batches, file.schema_arrow), out)
        return out.getvalue()

    batches: list[Any] = []
    has_part = False
    with file:
        for batch in file.iter_batches(MOST_ROWS):
            batches.append(batch)
            if sum(each.nbytes for each in batches) >= most:
                yield part(batches)
                batches, has_part = [], True
        if batches or not has_part:
            yield part(batches)
