"""Arrow and Parquet, read in a process of its own: ``python -m engine.records.arrow.process FD``.

pyarrow trusts what a file says about itself, so a damaged or hostile file may exhaust the memory
or crash the process. This process has a limit on its memory and is replaced when it ends. It
receives files over a socket, one after the other, and sends back their blocks.
"""

import mmap
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.ipc
import pyarrow.parquet

from engine.languages import choose, mark
from engine.languages import gettext as _
from engine.records.arrow import END_OF_STREAM
from engine.records.arrow.columns import (
    index_columns,
    is_read,
    read_columns,
    text_size,
    values_of,
)
from engine.records.arrow.messages import SILENT_SECONDS, TableMessage, TableRequest, receive, send
from engine.records.blocks import MOST_ROWS, PIECE, Block, read_slowly, too_long
from engine.records.media_types import ARROW
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import pointer_to, refuse_repeated_names
from engine.schema.json_decoder import Decoder
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Columns, Schema

#: The memory that reading a file may take, in bytes.
MOST_MEMORY = 2**28

#: Text that is taken out of a batch at a time, in bytes; a longer row is refused.
_MOST_TEXT = 2**22

#: The values of a table, as doubles, may take so many times the bytes of its file; the first
#: bytes may take more.
_MOST_TIMES, _FIRST_BYTES = 200, 2**24

#: The batches of a stream, or the row groups of a file.
_MOST_PARTS = 10_000

#: What pyarrow raises for a damaged file.
_DAMAGED = (
    pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError, ArithmeticError,
    RuntimeError,
)  # fmt: skip


def read_table(request: TableRequest, buffer: Any) -> Iterator[Block]:
    """Read a whole file.

    Raise `BadRequest` with 400 when it is damaged, with 413 when it has too many rows, too long a
    row or takes too much memory, and `InvalidRecords` for columns of a kind that is not read.
    """
    choose(request.language)
    is_arrow = request.kind == ARROW
    read, name = (
        (_read_arrow, _("Arrow stream")) if is_arrow else (_read_parquet, _("Parquet file"))
    )
    try:
        schema, decoder = _load_schema(bytes(request.schema))
        most, parts = request.most, sys.maxsize
        if most < sys.maxsize:  # a request, in which few bytes may stand for millions of rows
            most, parts = min(most, max(_FIRST_BYTES, _MOST_TIMES * len(buffer))), _MOST_PARTS
        yield from read(buffer, _Table(schema, decoder, most // (8 * len(schema.fields)), parts))
    except MemoryError as error:
        detail = _(
            "the {name} takes too much memory to read: write smaller batches or row groups"
        ).format(name=name)
        raise BadRequest(413, detail) from error
    except _DAMAGED as error:
        detail = _("the body is not a whole {name}: it is something else, or damaged").format(
            name=name
        )
        raise BadRequest(400, detail) from error


def _read_arrow(buffer: Any, table: "_Table") -> Iterator[Block]:
    source = pyarrow.BufferReader(buffer)
    reader = pyarrow.ipc.open_stream(source)
    table.begin(reader.schema)
    for batch in table.in_fewer_batches(reader):
        yield from table.blocks(batch)
    # A stream may simply stop. Without its end mark nobody could tell whether it was cut off.
    if source.tell() != len(buffer) or buffer[-8:] != END_OF_STREAM:
        raise BadRequest(400, _("the Arrow stream is cut off, or something follows it"))


def _read_parquet(buffer: Any, table: "_Table") -> Iterator[Block]:
    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(buffer), pre_buffer=False)
    table.begin(file.schema_arrow)
    table.check_count(file.metadata.num_rows)
    table.check_parts(file.metadata.num_row_groups, _("row groups"))
    for batch in file.iter_batches(MOST_ROWS, columns=table.names, use_threads=False):
        yield from table.blocks(batch)


@lru_cache(maxsize=8)
def _load_schema(entry: bytes) -> tuple[Schema, Decoder]:
    schema = Schema.from_json(msgspec.json.decode(entry))
    return schema, Decoder(schema)


class _Table:
    """Turns the batches of a table, of at most so many rows and parts, into blocks.

    Attributes
    ----------
    names : list of str
        The columns that are fields of the model.
    """

    def __init__(self, schema: Schema, decoder: Decoder, most: int, most_parts: int) -> None:
        self.names: list[str] = []
        self._columns = Columns({}, [], [])
        self._schema = schema
        self._decoder = decoder
        self._most = most
        self._most_parts = most_parts
        self._first = 0

    def begin(self, columns: pyarrow.Schema) -> None:
        """Check that the columns of the table can be read."""
        refuse_repeated_names([name for name in columns.names if name], mark("table"))
        index = index_columns(columns).difference(self._schema.sources)
        self._columns = self._schema.find_columns(
            name for name in columns.names if name not in index
        )
        self.names = [*self._columns.sources.values()]
        fields = {self._columns.sources.get(field.name): field for field in self._schema.fields}
        problems = [
            Problem(
                f"/0{pointer_to(column.name)}",
                _("is a column of {type}: send numbers, booleans, dates or text").format(
                    type=str(column.type)[:60]
                ),
                Code.WRONG_TYPE,
            )
            for column in columns
            if column.name in self.names and not is_read(column.type, fields[column.name])
        ]
        if problems:
            raise InvalidRecords(problems)

    def check_count(self, rows: int) -> None:
        """Check that this number of further rows is allowed."""
        if self._first + rows > self._most:
            detail = _("there are more than {most} rows: send them in several requests").format(
                most=self._most
            )
            raise BadRequest(413, detail)

    def check_parts(self, parts: int, noun: str) -> None:
        """Check that so many batches or row groups are allowed."""
        if parts > self._most_parts:
            detail = _("there are more than {most_parts} {noun}: write larger ones").format(
                most_parts=self._most_parts, noun=noun
            )
            raise BadRequest(413, detail)

    def in_fewer_batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Join small batches, each of which would cost as much as a thousand rows."""
        group: list[Any] = []
        rows = 0
        for number, batch in enumerate(batches, start=1):
            self.check_parts(number, "batches")
            small = batch.select(self.names)
            small.validate(full=True)
            group.append(small)
            rows += small.num_rows
            if rows >= MOST_ROWS or small.nbytes > PIECE:
                yield from _join(group)
                group, rows = [], 0
        yield from _join(group)

    def blocks(self, batch: pyarrow.RecordBatch) -> Iterator[Block]:
        """Return the rows of a batch."""
        self.check_count(batch.num_rows)
        batch = batch.select(self.names)
        batch.validate(full=True)
        for start in range(0, batch.num_rows, MOST_ROWS):
            yield from self._split(batch.slice(start, MOST_ROWS))

    def _split(self, batch: pyarrow.RecordBatch) -> Iterator[Block]:
        if sum(map(text_size, batch.columns)) <= _MOST_TEXT:
            yield self._read(batch)
        elif batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self._split(batch.slice(0, half))
            yield from self._split(batch.slice(half))
        else:
            raise too_long()

    def _read(self, batch: pyarrow.RecordBatch) -> Block:
        first, self._first = self._first, self._first + batch.num_rows
        sources, repeated, extras = self._columns
        if not (extras or repeated):
            matrix = read_columns(batch, self._schema, self._decoder)
            if matrix is not None:
                return Block(first, len(matrix), matrix, [], [])
        rows: list[Any] = [{} for _ in range(batch.num_rows)]
        rows[:1] = [dict.fromkeys(extras) for _ in rows[:1]]  # the first stands for all
        for field in self._schema.fields:
            if name := sources.get(field.name):
                for row, value in zip(rows, values_of(batch[name]), strict=True):
                    row[name] = field.from_cell(value)
        for row in rows[:1]:
            row.update(dict.fromkeys(name for name, _ in repeated))
        return read_slowly(rows, self._schema, first=first, is_table=True)


def _join(group: list[Any]) -> list[Any]:
    """Join batches; those that pyarrow cannot join are left as they are."""
    if len(group) < 2:
        return group
    with suppress(pyarrow.ArrowException):
        table = pyarrow.Table.from_batches(group).unify_dictionaries()
        return list(table.combine_chunks().to_batches())
    return group


def send_blocks(connection: socket.socket, blocks: Iterator[Block]) -> None:
    """Send the blocks of a file, then whether it could be read."""
    end = TableMessage()
    try:
        for block in in_time(blocks):
            message = TableMessage((block.first, block.size, block.problems, block.warnings))
            matrix = b"" if block.matrix is None else block.matrix
            if not isinstance(matrix, bytes) and matrix.dtype.hasobject:
                message.has_text, matrix = True, msgspec.msgpack.encode(matrix.tolist())
            send(connection, message, memoryview(matrix).cast("B"))
    except InvalidRecords as error:
        send(connection, TableMessage((0, 0, error.problems, [])))
    except BadRequest as error:
        end = TableMessage(refusal=(error.status, error.detail))
    except Exception as error:  # noqa: BLE001  the service phrases it, the log has it
        traceback.print_exception(error)
        end = TableMessage(refusal=(500, repr(error)[:200]))
    send(connection, end)


def in_time(blocks: Iterator[Block]) -> Iterator[Block]:
    """Return the blocks of a file; end this process when one takes more than `SILENT_SECONDS`.

    The system ends it, because Python cannot interrupt the code that reads the file.
    """
    while True:
        signal.setitimer(signal.ITIMER_REAL, SILENT_SECONDS)
        try:
            block = next(blocks, None)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if block is None:
            return
        yield block


def main() -> None:
    """Read files until the other end closes the connection."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker ends, and then this
    with suppress(ValueError, OSError):  # only Linux reports the memory and enforces the limit
        imported = int(Path("/proc/self/statm").read_text().split()[5]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_DATA, (imported + MOST_MEMORY, imported + MOST_MEMORY))
    connection = socket.socket(fileno=int(sys.argv[1]))
    with suppress(EOFError, ConnectionError):
        while True:
            message, _ = receive(connection)
            _, (file, *_), _, _ = socket.recv_fds(connection, 1, 1)
            buffer = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
            os.close(file)
            request = msgspec.json.decode(message, type=TableRequest)
            send_blocks(connection, read_table(request, buffer))


if __name__ == "__main__":
    main()
