"""Arrow streams and Parquet files, block by block, from the process that reads them."""

import select
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.languages import gettext as _
from engine.languages import language, mark
from engine.records.arrow.messages import SILENT_SECONDS, TableMessage, TableRequest, receive, send
from engine.records.blocks import PIECE, Block
from engine.records.problems import BadRequest
from engine.records.spool import Spool
from engine.records.upload import Upload


class Readers:
    """The processes that read files for this one; one waits, so that not every file starts one.

    Attributes
    ----------
    starter : callable or None
        Has a process started at the other end of a connection, where this
        process must start none, as gunicorn's workers; returns whether it could.
    """

    def __init__(self) -> None:
        self.starter: Callable[[socket.socket], bool] | None = None
        self.idle: list[_Reader] = []

    def read(self, upload: Upload, schema: Mapping[str, Any], kind: str) -> Generator[Block]:
        """Read a file, as `engine.records.arrow_support.read_arrow` describes."""
        spool = Spool(upload.most, what=mark("the body"))
        while piece := upload.read(PIECE):
            spool.write(piece)
        if not spool.size:
            raise BadRequest(400, _("the body is empty: send a table"))
        reader = self._take()
        try:
            entry = msgspec.Raw(msgspec.json.encode(schema))
            request = TableRequest(kind, upload.most, entry, language())
            yield from reader.read(request, spool)
        finally:
            spool.close()
            if reader.is_ready and not self.idle:
                self.idle.append(reader)
            else:
                reader.end()

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        """Start a process that reads the files which come over a connection."""
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "engine.records.arrow.process", str(descriptor)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
        )

    def _take(self) -> "_Reader":
        """Return a reader that waits, or a new one."""
        with suppress(IndexError):
            while True:
                reader = self.idle.pop()
                if reader.is_waiting():
                    return reader
                reader.end()
        connection, other = socket.socketpair()
        with other:
            is_started = self.starter and self.starter(other)
            return _Reader(connection, None if is_started else self.start(other.fileno()))


#: The readers of this process.
readers = Readers()


class _Reader:
    """A process that reads files, if this one has started it, and the connection to it."""

    def __init__(
        self, connection: socket.socket, process: "subprocess.Popen[bytes] | None"
    ) -> None:
        self.is_ready = True
        self.process = process
        self._connection = connection

    def is_waiting(self) -> bool:
        """Return whether it waits for a file; it sends nothing until then."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return not poll.poll(0)

    def read(self, request: TableRequest, spool: Spool) -> Iterator[Block]:
        """Return the blocks of a file."""
        self.is_ready = False
        self._connection.settimeout(SILENT_SECONDS + 5)
        with _damage_as_refusal():
            send(self._connection, request)
            socket.send_fds(self._connection, [b"F"], [spool.descriptor()])
        yield from iter(self._receive, None)
        self.is_ready = True

    def _receive(self) -> Block | None:
        with _damage_as_refusal():
            header, content = receive(self._connection)
        message = msgspec.json.decode(header, type=TableMessage)
        if message.refusal:
            self.is_ready = True
            status, detail = message.refusal
            raise BadRequest(status, detail) if status < 500 else RuntimeError(detail)
        if message.block is None:
            return None
        first, size, problems, warnings = message.block
        matrix: Any
        if message.has_text:
            matrix = np.array(msgspec.msgpack.decode(content), dtype=object)
        else:
            matrix = np.frombuffer(content).reshape(size, -1) if content else None
        return Block(first, size, matrix, problems, warnings)

    def end(self) -> None:
        """Close the connection, which ends the process when it next uses it, and kill it."""
        self._connection.close()
        if self.process:
            self.process.kill()
            self.process.wait()


@contextmanager
def _damage_as_refusal() -> Iterator[None]:
    """Blame the file when the process ends or is silent."""
    try:
        yield
    except (EOFError, OSError) as error:
        detail = _("the body cannot be read: it is damaged, or takes too much memory to read")
        raise BadRequest(400, detail) from error
