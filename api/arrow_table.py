"""Arrow streams and Parquet files, block by block; answers as Arrow streams."""

import mmap
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from api.arrow_columns import import_pyarrow, kind_of, read_columns, text_size, values_of
from api.arrow_limits import END_OF_STREAM, check_arrow, check_pages, check_parquet
from api.blocks import LONGEST_ROW, MOST_ROWS, PIECE, Block, read_slowly, too_long
from api.body import step
from api.errors import BadRequest, InvalidRecords, Problem
from api.records import Accepted
from api.upload import MOST_IN_MEMORY, Spool, Upload
from api.written import by_row, column_names, warning_text, with_chosen
from models.decoder import Decoder
from models.fields import shown
from models.schema import Schema
from persistence.version import Decisions, StoredVersion

#: Words that are taken out of a batch at a time, in bytes.
_MOST_TEXT = 2**22

#: What is raised for a damaged file, by pyarrow and by the checks before it.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, MemoryError, RecursionError, struct.error)


def read_arrow(upload: Upload, schema: Schema, decoder: Decoder) -> Iterator[Block]:
    """Read an Arrow IPC stream.

    Raises
    ------
    BadRequest
        400 when it is damaged, 413 when it or a row of it is too large, 415
        when it is compressed or pyarrow is not installed.
    InvalidRecords
        When its columns are not of a kind that is read.
    """
    pyarrow = import_pyarrow(415)
    buffer = _take(upload)
    try:
        check_arrow(pyarrow, buffer)
        reader = pyarrow.ipc.open_stream(pyarrow.BufferReader(buffer))
        table = _Table(reader.schema, schema, decoder, most=upload.most)
        for batch in reader:
            yield from table.blocks(batch)
    except _DAMAGED as error:
        raise BadRequest(400, "the body is no Arrow stream, or a damaged one") from error


def read_parquet(upload: Upload, schema: Schema, decoder: Decoder) -> Iterator[Block]:
    """Read a Parquet file; raises as `read_arrow`."""
    pyarrow = import_pyarrow(415)
    buffer = _take(upload)
    try:
        check_parquet(buffer)
        options = {"pre_buffer": False, "arrow_extensions_enabled": False}
        open_file = pyarrow.parquet.ParquetFile
        file = open_file(pyarrow.BufferReader(buffer), **options)
        table = _Table(file.schema_arrow, schema, decoder, most=upload.most)
        check_pages(buffer, file.metadata, table.names)
        # Repeated words stay where they are, so that a batch is no larger than its pages.
        words = [one.name for one in file.schema_arrow if kind_of(one.type) == "text"]
        file = open_file(pyarrow.BufferReader(buffer), read_dictionary=words, **options)
        for batch in file.iter_batches(MOST_ROWS, columns=table.names, use_threads=False):
            yield from table.blocks(batch)
    except _DAMAGED as error:
        raise BadRequest(400, "the body is no Parquet file, or a damaged one") from error


def _take(upload: Upload) -> Any:
    """Give a whole body as a buffer; a large one stays in a file without a name."""
    spool = Spool(upload.most, what="the body")
    while piece := upload.read(PIECE):
        spool.write(piece)
    spool.seal()
    if not spool.size:
        raise BadRequest(400, "the body is empty: send a table")
    if spool.size <= MOST_IN_MEMORY:
        return spool.whole()
    buffer = mmap.mmap(spool.file.fileno(), 0, access=mmap.ACCESS_READ)
    spool.close()
    return buffer


class _Table:
    """Turns batches of a table into blocks.

    Parameters
    ----------
    described : pyarrow.Schema
        The table's.
    most : int
        What its values may take as doubles, in bytes.

    Attributes
    ----------
    names : list of str
        The columns that are fields of the model.
    """

    def __init__(self, described: Any, schema: Schema, decoder: Decoder, *, most: int) -> None:
        self._schema = schema
        self._decoder = decoder
        self._types = dict(zip(described.names, described.types, strict=True))
        self._most_rows = most // (8 * len(schema.fields))
        self._first = 0
        fields = {one.name for one in schema.fields}
        self.names = [name for name in self._types if name in fields]
        self._extras = [
            name for name in self._types if name not in fields and not schema.ignores(name)
        ]
        self._is_plain = not self._extras
        if len(self._types) < len(described.names):
            repeated = [name for name in self._types if described.names.count(name) > 1]
            detail = f"the table names {', '.join(map(shown, repeated[:5]))} twice"
            raise BadRequest(400, detail)
        self._refuse_columns()

    def _refuse_columns(self) -> None:
        detail = "is a column of {}: send numbers, booleans or text"
        problems = [
            Problem(f"/0{step(name)}", detail.format(str(self._types[name])[:60]), "wrong_type")
            for name in self.names
            if not kind_of(self._types[name])
        ]
        if problems:
            raise InvalidRecords(problems)

    def blocks(self, batch: Any) -> Iterator[Block]:
        """Give the rows of a batch.

        Raises
        ------
        BadRequest
            413 for too many rows, or one that is too long.
        """
        if self._first + batch.num_rows > self._most_rows:
            detail = f"there are more than {self._most_rows} rows: send them in several requests"
            raise BadRequest(413, detail)
        batch = batch.select(self.names)
        batch.validate(full=True)
        for start in range(0, batch.num_rows, MOST_ROWS):
            yield from self._part(batch.slice(start, MOST_ROWS))

    def _part(self, batch: Any) -> Iterator[Block]:
        size = sum(text_size(column, enough=LONGEST_ROW) for column in batch.columns)
        if size > _MOST_TEXT and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self._part(batch.slice(0, half))
            yield from self._part(batch.slice(half))
            return
        if size > _MOST_TEXT:
            raise too_long()
        matrix = read_columns(batch, self._schema, self._decoder) if self._is_plain else None
        if matrix is not None:
            block = Block(self._first, len(matrix), matrix, [], [])
        else:
            columns = zip(*map(values_of, batch.columns), strict=True) if self.names else ()
            extras = dict.fromkeys(self._extras)
            rows = [dict(zip(self.names, row, strict=True)) | extras for row in columns]
            rows = rows or [extras] * batch.num_rows
            block = read_slowly(rows, self._schema, first=self._first, is_table=True)
        self._first += block.size
        yield block


class ArrowWriter:
    """An Arrow stream with a column for each of a prediction's parts, and one for warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        self._pyarrow = pyarrow = import_pyarrow(406)
        classes = version.card["classes"]
        self._classes = classes and pyarrow.array(classes)
        kinds = [pyarrow.float64()] * len(column_names(version))
        kinds[0] = self._classes.type if classes else kinds[0]
        kinds[-1] = pyarrow.string()
        self._described = pyarrow.schema([*zip(column_names(version), kinds, strict=True)])
        self._spool = spool
        self._spool.write(self._described.serialize().to_pybytes())
        self._first = 0

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows as a batch."""
        texts: list[str | None] = [None] * decisions.size
        for row, found in by_row(warnings).items():
            texts[row - self._first] = warning_text(found)
        self._first += decisions.size
        if decisions.chosen is None:
            values = decisions.numbers
        else:
            values = self._classes.take(self._pyarrow.array(decisions.chosen))
        shares = () if decisions.probabilities is None else with_chosen(decisions).T
        columns = [values, *map(np.ascontiguousarray, shares), texts]
        arrays = [
            self._pyarrow.array(column, kind)
            for column, kind in zip(columns, self._described.types, strict=True)
        ]
        batch = self._pyarrow.RecordBatch.from_arrays(arrays, schema=self._described)
        self._spool.write(batch.serialize().to_pybytes())

    def finish(self) -> None:
        """Write the end of the stream."""
        self._spool.write(END_OF_STREAM)
