"""Predictions in a file of their own, or beside the columns that they were made from."""

import csv
import io
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from engine.records.blocks import whole_lines
from engine.records.charsets import as_utf8
from engine.records.csv_reader import read_rows
from engine.records.media_types import ARROW, CSV
from engine.records.problems import BadRequest
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.records.writers import csv_line
from engine.schema.record_schema import Schema

#: Rows of a row group of Parquet.
_GROUP_ROWS = 2**16

#: Rows that are read of a Parquet file at a time.
_BATCH_ROWS = 8192

_CHANGED = "the file has changed since its records were answered: begin again"


class Source(NamedTuple):
    """A file that was answered: where it is, of which schema, and how its text is written."""

    path: Path
    schema: Schema
    charset: str
    delimiter: str

    def open_text(self, file: IO[bytes]) -> Upload:
        """Return the text of the file, opened, in UTF-8."""
        return as_utf8(Upload(file, length=None, most=sys.maxsize), self.charset)


class CannotJoin(ValueError):
    """Predictions cannot be written beside the columns of a file; the message says why."""


def text_records(spool: Spool, kind: str, source: Source | None) -> Iterator[bytes]:
    """Return an answer in CSV or JSON lines, record by record; the header of CSV is a record.

    Parameters
    ----------
    kind : str
        The media type of the answer, and of the source.
    source : Source or None
        The answered file, whose columns come before the predictions; None
        for the predictions alone. `CannotJoin` when it has a column of theirs.
    """
    spool.file.seek(0)
    answers = _csv_records(spool.file) if kind == CSV else iter(spool.file)
    if source is None:
        return answers
    join = _join_csv if kind == CSV else _join_lines
    return join(source, answers)


def write_binary(out: IO[bytes], spool: Spool, kind: str, source: Source | None) -> int:
    """Write an answer as an Arrow stream or as Parquet, and return the number of its rows.

    The parameters and errors are those of `text_records`.
    """
    import pyarrow.ipc
    import pyarrow.parquet

    spool.file.seek(0)
    answers = pyarrow.ipc.open_stream(spool.file)
    schema, batches = answers.schema, iter(answers)
    if source is not None:
        schema, batches = _join_columns(source.path, kind, answers)
    new_writer = pyarrow.ipc.new_stream if kind == ARROW else pyarrow.parquet.ParquetWriter
    rows = 0
    try:
        with new_writer(out, schema) as writer:
            for group in _groups(batches):
                writer.write_table(pyarrow.Table.from_batches(group, schema))
                rows += sum(batch.num_rows for batch in group)
    except pyarrow.ArrowException as error:
        raise CannotJoin(f"the columns cannot be written: {error}") from error
    return rows


def _csv_records(file: Any) -> Iterator[bytes]:
    """Return the records of CSV that we wrote; a line end in quotes does not end a record."""
    record = b""
    for line in file:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""


def _join_csv(source: Source, answers: Iterator[bytes]) -> Iterator[bytes]:
    with source.path.open("rb") as file:
        text = source.open_text(file)
        layout, rows = read_rows(text, source.schema, delimiter=source.delimiter)
        lines = chain([layout.names], rows)
        for number, (row, answer) in enumerate(_pairs(lines, answers)):
            if not number:
                _refuse_repeated(row, next(csv.reader(io.StringIO(answer.decode(), newline=""))))
            yield csv_line(row) + b"," + answer


def _join_lines(source: Source, answers: Iterator[bytes]) -> Iterator[bytes]:
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    with source.path.open("rb") as file:
        lines = _text_lines(source.open_text(file))
        records = (record for line in lines if (record := line.strip()))
        for record, answer in _pairs(records, answers):
            names = [*decode(record)]
            _refuse_repeated(names, [*decode(answer)])
            yield record[:-1] + (b"," if names else b"") + answer[1:]


def _text_lines(upload: Upload) -> Iterator[bytes]:
    for piece in whole_lines(upload, ends=(b"\n",)):
        yield from piece.removeprefix(BOM_UTF8).split(b"\n")


def _pairs(left: Iterator[Any], right: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    try:
        yield from zip(left, right, strict=True)
    except (ValueError, BadRequest) as error:
        raise CannotJoin(_CHANGED) from error


def _join_columns(source: Path, kind: str, answers: Any) -> tuple[Any, Iterator[Any]]:
    import pyarrow.ipc
    import pyarrow.parquet

    if kind == ARROW:
        records = pyarrow.ipc.open_stream(source.open("rb"))
        fields, batches = records.schema, iter(records)
    else:
        file = pyarrow.parquet.ParquetFile(source)
        fields, batches = file.schema_arrow, file.iter_batches(_BATCH_ROWS)
    _refuse_repeated(fields.names, answers.schema.names)
    schema = pyarrow.schema([*fields, *answers.schema], metadata=fields.metadata)
    joined = (
        pyarrow.RecordBatch.from_arrays([*left.columns, *right.columns], schema=schema)
        for left, right in _aligned(batches, iter(answers))
    )
    return schema, joined


def _aligned(left_batches: Iterator[Any], right_batches: Iterator[Any]) -> Iterator[Any]:
    """Cut two sequences of batches so that they have the same rows."""
    left, right = next(left_batches, None), next(right_batches, None)
    while left is not None and right is not None:
        size = min(left.num_rows, right.num_rows)
        if size:
            yield left.slice(0, size), right.slice(0, size)
        left = left.slice(size) if size < left.num_rows else next(left_batches, None)
        right = right.slice(size) if size < right.num_rows else next(right_batches, None)
    if any(rest is not None and rest.num_rows for rest in (left, right)):
        raise CannotJoin(_CHANGED)


def _groups(batches: Iterator[Any]) -> Iterator[list[Any]]:
    """Gather batches into groups of many rows."""
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if sum(batch.num_rows for batch in group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _refuse_repeated(names: Sequence[str], added: Sequence[str]) -> None:
    if repeated := [name for name in added if name in names]:
        raise CannotJoin(
            f"the file has a column {repeated[0]!r}, and so have the predictions: "
            "rename it, or ask for --columns predictions"
        )
