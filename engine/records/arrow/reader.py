"""Arrow streams and Parquet files, block by block, from the process that reads them."""

import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.records.arrow.messages import receive, send
from engine.records.arrow.process import SILENT_SECONDS, Asked, Told
from engine.records.blocks import PIECE, Block
from engine.records.problems import BadRequest
from engine.records.spool import Spool
from engine.records.upload import Upload

#: Has a process started at the other end of a connection, where this process is to start
#: none, as gunicorn's workers are; tells whether it could.
start_elsewhere: Callable[[socket.socket], bool] | None = None

#: Readers that wait for a file; one is kept, so that not every file waits for its start.
_idle: "list[_Reader]" = []


def has_pyarrow() -> bool:
    """Tell whether pyarrow is installed; it is not among the packages of the service."""
    try:
        return find_spec("pyarrow") is not None
    except (ImportError, ValueError):
        return False


def missing_pyarrow(status: int) -> BadRequest:
    """Phrase that pyarrow is not installed."""
    detail = "Arrow and Parquet need a package that is not installed here: pip install pyarrow"
    return BadRequest(status, detail)


def read_binary(upload: Upload, schema: Mapping[str, Any], kind: str) -> Generator[Block]:
    """Read an Arrow stream or a Parquet file.

    Parameters
    ----------
    schema : mapping
        As a card has it.
    kind : str
        The media type.

    Raises
    ------
    BadRequest
        400 when the file is damaged, 413 when it is too large in some way,
        415 when pyarrow is not installed.
    """
    if not has_pyarrow():
        raise missing_pyarrow(415)
    spool = Spool(upload.most, what="the body")
    while piece := upload.read(PIECE):
        spool.write(piece)
    if not spool.size:
        raise BadRequest(400, "the body is empty: send a table")
    reader = _Reader.take()
    try:
        asked = Asked(kind, upload.most, msgspec.Raw(msgspec.json.encode(schema)))
        yield from reader.read(asked, spool)
    finally:
        spool.close()
        reader.give_back()


def start_reader(descriptor: int) -> "subprocess.Popen[bytes]":
    """Start a process that reads the files which come over a connection."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "engine.records.arrow.process", str(descriptor)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
    )


class _Reader:
    """A process that reads files, and the connection to it."""

    def __init__(self) -> None:
        self._connection, other = socket.socketpair()
        self._is_ready = True
        self._process: subprocess.Popen[bytes] | None = None
        with other:
            if not start_elsewhere or not start_elsewhere(other):
                self._process = start_reader(other.fileno())

    @classmethod
    def take(cls) -> "_Reader":
        """Give one that waits, or start one."""
        with suppress(IndexError):
            while True:
                found = _idle.pop()
                if found._is_there():
                    return found
                found._end()
        return cls()

    def _is_there(self) -> bool:
        """Tell whether it waits for a file; it has nothing to say until then."""
        self._connection.settimeout(0)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def give_back(self) -> None:
        """Keep it for the next file, unless it is in the middle of one or there is another."""
        if self._is_ready and not _idle:
            _idle.append(self)
        else:
            self._end()

    def read(self, asked: Asked, spool: Spool) -> Iterator[Block]:
        """Give the blocks of a file."""
        self._is_ready = False
        self._connection.settimeout(SILENT_SECONDS + 5)
        with _damage_as_refusal():
            send(self._connection, asked)
            socket.send_fds(self._connection, [b"F"], [spool.descriptor()])
        while block := self._receive():
            yield block
        self._is_ready = True

    def _receive(self) -> Block | None:
        with _damage_as_refusal():
            message, content = receive(self._connection)
        told = msgspec.json.decode(message, type=Told)
        if told.refusal:
            self._is_ready = True
            status, detail = told.refusal
            raise BadRequest(status, detail) if status < 500 else RuntimeError(detail)
        if told.block is None:
            return None
        first, size, problems, warnings = told.block
        matrix = np.frombuffer(content).reshape(size, -1) if content else None
        return Block(first, size, matrix, problems, warnings)

    def _end(self) -> None:
        self._connection.close()  # which ends it, at the latest when it has something to say
        if self._process:
            self._process.kill()
            self._process.wait()


@contextmanager
def _damage_as_refusal() -> Iterator[None]:
    """Take the end of the process, or its silence, for the file's fault."""
    try:
        yield
    except (EOFError, OSError) as error:
        detail = "the body cannot be read: it is damaged, or takes too much memory to read"
        raise BadRequest(400, detail) from error
