"""Messages between the service and the process that reads Arrow."""

import socket
import struct
from typing import Any

import msgspec

_SIZES = struct.Struct("<II")


def send(connection: socket.socket, message: Any, content: Any = b"") -> None:
    """Send a message, and bytes that belong to it."""
    header = msgspec.json.encode(message)
    connection.sendall(_SIZES.pack(len(header), len(content)) + header)
    if len(content):
        connection.sendall(content)


def receive(connection: socket.socket) -> tuple[bytes, bytearray]:
    """Receive what `send` has sent.

    Raises
    ------
    EOFError
        When there is nobody at the other end.
    """
    sizes = _SIZES.unpack(_receive_exactly(connection, _SIZES.size))
    return bytes(_receive_exactly(connection, sizes[0])), _receive_exactly(connection, sizes[1])


def _receive_exactly(connection: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    left = memoryview(content)
    while left:
        received = connection.recv_into(left)
        if not received:
            raise EOFError
        left = left[received:]
    return content
