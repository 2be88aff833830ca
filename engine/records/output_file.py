"""Predictions in a file of their own, or beside the columns that they were made from."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from engine.records.media_types import ARROW, CSV
from engine.records.spool import Spool

#: Rows of a row group of Parquet.
_GROUP_ROWS = 2**16

#: Rows that are read of a file of Parquet at a time.
_BATCH_ROWS = 8192


class CannotJoin(ValueError):
    """Predictions cannot be written beside the columns of a file; the message says why."""


class FileChanged(CannotJoin):
    """The file is not what it was when it was answered."""

    def __init__(self) -> None:
        super().__init__("the file has changed since its records were answered: begin again")


def text_records(spool: Spool, kind: str, source: Path | None) -> Iterator[bytes]:
    """Give an answer in CSV or JSON lines, record by record; the header is one.

    Parameters
    ----------
    kind : str
        The media type of the answer, and of the source.
    source : Path or None
        The answered file, whose columns come before the predictions; None
        for the predictions alone.

    Raises
    ------
    CannotJoin
        When the file has a column of the predictions.
    """
    spool.file.seek(0)
    answers = _csv_records(spool.file) if kind == CSV else iter(spool.file)
    if source is None:
        return answers
    join = _keep_csv if kind == CSV else _keep_lines
    return join(source, answers)


def write_binary(out: IO[bytes], spool: Spool, kind: str, source: Path | None) -> int:
    """Write an answer in Arrow as a stream or as Parquet; give the number of rows.

    Parameters
    ----------
    source : Path or None
        As for `text_records`.

    Raises
    ------
    CannotJoin
        When the file has a column of the predictions.
    """
    import pyarrow

    spool.file.seek(0)
    answers = pyarrow.ipc.open_stream(spool.file)
    schema, batches = answers.schema, iter(answers)
    if source is not None:
        schema, batches = _keep_columns(source, kind, answers)
    rows = 0
    try:
        with _writer(out, schema, kind) as writer:
            for table in _groups(batches, schema):
                writer.write_table(table)
                rows += table.num_rows
    except pyarrow.ArrowException as error:
        raise CannotJoin(f"the columns cannot be written: {error}") from error
    return rows


def _csv_records(file: Any) -> Iterator[bytes]:
    """Give the records of CSV that we wrote; one with a line end in quotes is several lines."""
    held = b""
    for line in file:
        held += line
        if held.count(b'"') % 2 == 0:
            yield held
            held = b""


class _Line:
    """A file for `csv.writer`, which then gives back what it writes."""

    def write(self, text: str) -> str:
        """Give it back."""
        return text


def _keep_csv(source: Path, answers: Iterator[bytes]) -> Iterator[bytes]:
    # The writer quotes the characters of its line end: so it needs both, to be cut off again.
    write: Any = csv.writer(_Line(), lineterminator="\r\n").writerow
    with source.open(encoding="utf-8-sig", newline="") as file:
        rows = (row for row in csv.reader(file, strict=True) if row)
        for number, (row, answer) in enumerate(_pairs(rows, answers)):
            if not number:
                _refuse_doubles(row, next(csv.reader(io.StringIO(answer.decode(), newline=""))))
            yield write(row)[:-2].encode() + b"," + answer


def _keep_lines(source: Path, answers: Iterator[bytes]) -> Iterator[bytes]:
    read = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    with source.open("rb") as file:
        records = (record for line in file if (record := line.strip()))
        for record, answer in _pairs(records, answers):
            known = read(record)
            _refuse_doubles([*known], [*read(answer)])
            yield record[:-1] + (b"," if known else b"") + answer[1:]


def _pairs(left: Iterator[Any], right: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    try:
        yield from zip(left, right, strict=True)
    except (ValueError, csv.Error) as error:
        raise FileChanged from error


def _keep_columns(source: Path, kind: str, answers: Any) -> tuple[Any, Iterator[Any]]:
    import pyarrow
    import pyarrow.parquet

    if kind == ARROW:
        records = pyarrow.ipc.open_stream(source.open("rb"))
        kept, batches = records.schema, iter(records)
    else:
        file = pyarrow.parquet.ParquetFile(source)
        kept, batches = file.schema_arrow, file.iter_batches(_BATCH_ROWS)
    _refuse_doubles(kept.names, answers.schema.names)
    schema = pyarrow.schema([*kept, *answers.schema], metadata=kept.metadata)
    joined = (
        pyarrow.RecordBatch.from_arrays([*left.columns, *right.columns], schema=schema)
        for left, right in _aligned(batches, iter(answers))
    )
    return schema, joined


def _aligned(left: Iterator[Any], right: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """Cut two sequences of batches so that they have the same rows."""
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        size = min(one.num_rows, other.num_rows)
        if size:
            yield one.slice(0, size), other.slice(0, size)
        one = one.slice(size) if size < one.num_rows else next(left, None)
        other = other.slice(size) if size < other.num_rows else next(right, None)
    if any(rest is not None and rest.num_rows for rest in (one, other)):
        raise FileChanged


def _writer(out: IO[bytes], schema: Any, kind: str) -> Any:
    import pyarrow
    import pyarrow.parquet

    if kind == ARROW:
        return pyarrow.ipc.new_stream(out, schema)
    return pyarrow.parquet.ParquetWriter(out, schema)


def _groups(batches: Iterator[Any], schema: Any) -> Iterator[Any]:
    """Gather batches into tables of many rows."""
    import pyarrow

    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) >= _GROUP_ROWS:
            yield pyarrow.Table.from_batches(held, schema)
            held = []
    if held:
        yield pyarrow.Table.from_batches(held, schema)


def _refuse_doubles(kept: Sequence[str], added: Sequence[str]) -> None:
    doubles = [name for name in added if name in kept]
    if doubles:
        raise CannotJoin(
            f"the file has a column {doubles[0]!r}, and so have the predictions: "
            "rename it, or ask for --columns predictions"
        )
