"""Messages between the service and the process that reads Arrow, over a socket.

Each is two lengths, of a header in JSON and of the bytes that follow it, then both.
"""

import socket
import struct
from typing import Any

import msgspec

from engine.records.problems import Problem
from engine.records.validation import Accepted

#: When it takes longer to read the next block of a file, the reading process ends.
SILENT_SECONDS = 60

_SIZES = struct.Struct("<II")


class TableRequest(msgspec.Struct, array_like=True):
    """A file to read, whose descriptor follows: its media type, and the schema of a card.

    Its values may take `most` bytes as doubles; the language is that of what is said of them.
    """

    kind: str
    most: int
    schema: msgspec.Raw
    language: str


class TableMessage(msgspec.Struct, array_like=True):
    """A block, or the end; the matrix of a block without problems follows.

    Attributes
    ----------
    block : tuple or None
        First row, number of rows, problems and warnings; None at the end.
    refusal : tuple of int and str, or None
        At the end of a file that cannot be read: status and detail.
    has_text : bool
        Whether the matrix is of objects, not of doubles.
    """

    block: tuple[int, int, list[Problem], list[Accepted]] | None = None
    refusal: tuple[int, str] | None = None
    has_text: bool = False


def send(connection: socket.socket, message: msgspec.Struct, content: Any = b"") -> None:
    """Send a message, and bytes that belong to it."""
    header = msgspec.json.encode(message)
    connection.sendall(_SIZES.pack(len(header), len(content)) + header)
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[bytearray, bytearray]:
    """Receive a header and its bytes; raise `EOFError` when the other end is closed."""
    sizes = _SIZES.unpack(_receive_exactly(connection, _SIZES.size))
    return _receive_exactly(connection, sizes[0]), _receive_exactly(connection, sizes[1])


def _receive_exactly(connection: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    left = memoryview(content)
    while left:
        received = connection.recv_into(left)
        if not received:
            raise EOFError
        left = left[received:]
    return content
