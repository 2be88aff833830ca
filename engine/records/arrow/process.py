"""Arrow and Parquet, read in a process of its own: ``python -m engine.records.arrow.process FD``.

pyarrow believes what a file says about itself, and a damaged or hostile one may
make it take all the memory or end its process. So this is another process than
the service's, with a limit on its memory, and it is replaced when it ends. It
takes files over a socket, one after the other, and gives back their blocks.
"""

import mmap
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from engine.records.arrow.columns import kind_of, read_columns, text_size, values_of
from engine.records.arrow.messages import receive, send
from engine.records.blocks import MOST_ROWS, Block, read_slowly, too_long
from engine.records.media_types import ARROW
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import pointer_to
from engine.records.validation import Accepted
from engine.schema.json_decoder import Decoder
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema

#: The memory that a file may take to read, in bytes.
MOST_MEMORY = 2**28

#: When it takes longer to find the next block of a file, this process ends.
SILENT_SECONDS = 60

#: What a stream ends with.
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"

#: Text that is taken out of a batch at a time, in bytes; a longer row is refused.
_MOST_TEXT = 2**22

#: What is raised for a damaged file, beside pyarrow's own.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError)


class TableRequest(msgspec.Struct, array_like=True):
    """A file to read, which comes along as a descriptor.

    Attributes
    ----------
    kind : str
        Its media type.
    most : int
        What its values may take as doubles, in bytes.
    schema : msgspec.Raw
        As a card has it.
    """

    kind: str
    most: int
    schema: msgspec.Raw


class TableMessage(msgspec.Struct, array_like=True):
    """A block, or the end; the matrix of a block without problems follows.

    Attributes
    ----------
    block : tuple or None
        First row, rows, problems and warnings; None at the end.
    refusal : tuple of int and str, or None
        At the end of a file that cannot be read: status and detail.
    """

    block: tuple[int, int, list[Problem], list[Accepted]] | None = None
    refusal: tuple[int, str] | None = None


def read_table(request: TableRequest, buffer: Any) -> Iterator[Block]:
    """Read a file.

    Parameters
    ----------
    buffer : mmap or bytes
        The whole file.

    Raises
    ------
    BadRequest
        400 when it is damaged, 413 when it has too many rows, too long a row
        or takes too much memory.
    InvalidRecords
        When its columns are not of a kind that is read.
    """
    import pyarrow

    what = "Arrow stream" if request.kind == ARROW else "Parquet file"
    try:
        schema, decoder = _schema(bytes(request.schema))
        most = request.most // (8 * len(schema.fields))
        if request.kind == ARROW:
            yield from _read_arrow(buffer, _Table(schema, decoder, most=most))
        else:
            yield from _read_parquet(buffer, _Table(schema, decoder, most=most))
    except MemoryError as error:
        detail = f"the {what} takes too much memory to read: write smaller batches or row groups"
        raise BadRequest(413, detail) from error
    except (*_DAMAGED, pyarrow.ArrowException) as error:
        raise BadRequest(
            400, f"the body is not a whole {what}: it is something else, or damaged"
        ) from error


def _read_arrow(buffer: Any, table: "_Table") -> Iterator[Block]:
    import pyarrow
    import pyarrow.ipc

    source = pyarrow.BufferReader(buffer)
    reader = pyarrow.ipc.open_stream(source)
    table.begin(reader.schema)
    for batch in reader:
        yield from table.blocks(batch)
    # A stream may simply stop: then nobody knows whether it was cut off.
    if source.tell() != len(buffer) or buffer[-8:] != END_OF_STREAM:
        raise BadRequest(400, "the Arrow stream is cut off, or something follows it")


def _read_parquet(buffer: Any, table: "_Table") -> Iterator[Block]:
    import pyarrow
    import pyarrow.parquet

    source = pyarrow.BufferReader(buffer)
    file = pyarrow.parquet.ParquetFile(source, pre_buffer=False)
    table.begin(file.schema_arrow)
    table.expect(file.metadata.num_rows)
    for batch in file.iter_batches(MOST_ROWS, columns=table.names, use_threads=False):
        yield from table.blocks(batch)


@lru_cache(maxsize=8)
def _schema(written: bytes) -> tuple[Schema, Decoder]:
    schema = Schema.from_json(msgspec.json.decode(written))
    return schema, Decoder(schema)


class _Table:
    """Turns batches of a table into blocks.

    Parameters
    ----------
    most : int
        The rows that it may have.

    Attributes
    ----------
    names : list of str
        The columns that are fields of the model.
    """

    def __init__(self, schema: Schema, decoder: Decoder, *, most: int) -> None:
        self.names: list[str] = []
        self._extras: list[str] = []
        self._schema = schema
        self._decoder = decoder
        self._most = most
        self._first = 0

    def begin(self, described: Any) -> None:
        """Take the schema of the table, and see that its columns can be read."""
        names = described.names
        fields = {field.name for field in self._schema.fields}
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            detail = f"the table names {', '.join(map(shown, repeated[:5]))} twice"
            raise BadRequest(400, detail)
        problems = [
            Problem(f"/0{pointer_to(column.name)}", _other_kind(column.type), Code.WRONG_TYPE)
            for column in described
            if column.name in fields and not kind_of(column.type)
        ]
        if problems:
            raise InvalidRecords(problems)
        self.names = [name for name in names if name in fields]
        self._extras = [
            name for name in names if name not in fields and not self._schema.ignores(name)
        ]

    def expect(self, rows: int) -> None:
        """See that so many more rows are not too many."""
        if self._first + rows > self._most:
            detail = f"there are more than {self._most} rows: send them in several requests"
            raise BadRequest(413, detail)

    def blocks(self, batch: Any) -> Iterator[Block]:
        """Return the rows of a batch."""
        self.expect(batch.num_rows)
        batch = batch.select(self.names)
        batch.validate(full=True)
        for start in range(0, batch.num_rows, MOST_ROWS):
            yield from self._parts(batch.slice(start, MOST_ROWS))

    def _parts(self, batch: Any) -> Iterator[Block]:
        if sum(map(text_size, batch.columns)) <= _MOST_TEXT:
            yield self._read(batch)
        elif batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self._parts(batch.slice(0, half))
            yield from self._parts(batch.slice(half))
        else:
            raise too_long()

    def _read(self, batch: Any) -> Block:
        first, self._first = self._first, self._first + batch.num_rows
        if not self._extras:
            matrix = read_columns(batch, self._schema, self._decoder)
            if matrix is not None:
                return Block(first, len(matrix), matrix, [], [])
        rows: list[Any] = [dict.fromkeys(self._extras) for _ in range(batch.num_rows)]
        for name, column in zip(self.names, batch.columns, strict=True):
            for row, value in zip(rows, values_of(column), strict=True):
                row[name] = value
        return read_slowly(rows, self._schema, first=first, is_table=True)


def _other_kind(described: Any) -> str:
    return f"is a column of {str(described)[:60]}: send numbers, booleans or text"


def tell(connection: socket.socket, blocks: Iterator[Block]) -> None:
    """Send the blocks of a file, then whether it could be read."""
    end = TableMessage()
    try:
        for block in in_time(blocks):
            message = TableMessage((block.first, block.size, block.problems, block.warnings))
            matrix = b"" if block.matrix is None else memoryview(block.matrix).cast("B")
            send(connection, message, matrix)
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

    The system ends it, whatever the code that reads the file is at.
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


def _limit_memory() -> None:
    """Let this process take `MOST_MEMORY` more than it has with all imported."""
    import pyarrow
    import pyarrow.ipc
    import pyarrow.parquet

    assert pyarrow.parquet
    with suppress(ValueError, OSError):  # only Linux tells, and keeps the limit
        taken = int(Path("/proc/self/statm").read_text().split()[5]) * mmap.PAGESIZE
        most = taken + MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main() -> None:
    """Read files until there is nobody who asks."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker ends, and then this
    _limit_memory()
    connection = socket.socket(fileno=int(sys.argv[1]))
    with suppress(EOFError, ConnectionError):
        while True:
            message, _ = receive(connection)
            _, (file, *_), _, _ = socket.recv_fds(connection, 1, 1)
            buffer = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
            os.close(file)
            tell(connection, read_table(msgspec.json.decode(message, type=TableRequest), buffer))


if __name__ == "__main__":
    main()
