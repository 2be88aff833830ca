"""A proxy that breaks HTTP on purpose, between a client and a server of this machine.

Every connection carries one request. What a fault does:

    delay      the answer comes after `SECONDS`
    stall      no answer comes, until the proxy is healed
    cut        the connection ends in the middle of the answer's body
    reset      the connection is reset; the server has not heard of the request
    lost       the connection is reset; the server has done what was asked
    trickle    the answer comes byte by byte, one each `SECONDS`
    partial    a whole answer, with half of the body
    etag       the answer has another ETag
    403, 500   that status, and the server has not heard of the request
"""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

FAULTS = (
    "delay", "stall", "cut", "reset", "lost", "trickle", "partial", "etag", "403", "404", "500",
)  # fmt: skip

#: What a delay takes, and what lies between two bytes that trickle.
SECONDS = 0.2


class Request(NamedTuple):
    """What the proxy sees of a request: its method, its path with the query."""

    method: str
    path: str


def every(_: Request) -> bool:
    """Take every request."""
    return True


class FaultProxy:
    """Passes requests on to a port of this machine, until it is told to fail.

    Attributes
    ----------
    port : int
        Where it listens on 127.0.0.1.
    seen : list of Request
        What was asked, the faulty ones as well.
    answered : int
        How many of them are over.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.seen: list[Request] = []
        self.answered = 0
        self._mode, self._left = "", 0.0
        self._when: Callable[[Request], bool] = every
        self._healed = asyncio.Event()

    def fail(
        self, mode: str, *, when: Callable[[Request], bool] = every, times: float = float("inf")
    ) -> None:
        """Apply a fault from now on to the requests that `when` takes, so many times."""
        assert mode in FAULTS
        self._mode, self._when, self._left = mode, when, times

    def heal(self) -> None:
        """Pass everything on again; what is stalled gets its answer."""
        self._left = 0
        self._loop.call_soon_threadsafe(self._healed.set)

    async def run(self, is_ready: threading.Event, is_over: asyncio.Event) -> None:
        """Serve until it is over."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await is_over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            sized = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(sized[1])) if sized else b""
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            try:
                await self._answer(Request(method, path), head + body, writer)
            finally:
                self.answered += 1
        writer.close()

    async def _answer(self, asked: Request, raw: bytes, writer: asyncio.StreamWriter) -> None:
        self.seen.append(asked)
        mode = ""
        if self._left > 0 and self._when(asked):
            mode, self._left = self._mode, self._left - 1
        if mode == "stall":
            self._healed.clear()
            await self._healed.wait()
        if mode.isdecimal():
            head, body = f"HTTP/1.1 {mode} Made Up".encode(), b"<Error/>"
        elif mode != "reset":
            head, body = await self._ask(raw)
        if mode in ("reset", "lost"):
            reset(writer)
            return
        if mode == "partial":
            body = body[: len(body) // 2]
        if mode == "etag":
            head = re.sub(rb'(?i)(\r\netag: *)"[^"]*"', rb'\1"0123456789abcdef"', head)
        if asked.method != "HEAD":
            head = re.sub(rb"(?i)\r\ncontent-length: *\d+", b"", head)
            head += b"\r\nContent-Length: %d" % len(body)
        await send(writer, head + b"\r\nConnection: close\r\n\r\n", body, mode)

    async def _ask(self, raw: bytes) -> tuple[bytes, bytes]:
        """Give head and body of the server's answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(re.sub(rb"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", raw, count=1))
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head), body


async def send(writer: asyncio.StreamWriter, head: bytes, body: bytes, mode: str) -> None:
    """Send an answer, in the way that a fault has it."""
    if mode == "delay":
        await asyncio.sleep(SECONDS)
    if mode == "trickle":
        for place in range(len(head + body)):
            writer.write((head + body)[place : place + 1])
            await writer.drain()
            await asyncio.sleep(SECONDS)
    else:
        writer.write(head + (body[: len(body) // 2] if mode == "cut" else body))
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def fault_proxy(target: int) -> Iterator[FaultProxy]:
    """Run a proxy in front of a port of this machine."""
    is_ready = threading.Event()
    found: list[tuple[FaultProxy, asyncio.Event]] = []

    async def run() -> None:
        proxy, is_over = FaultProxy(target), asyncio.Event()
        found.append((proxy, is_over))
        await proxy.run(is_ready, is_over)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert is_ready.wait(10)
    proxy, is_over = found[0]
    try:
        yield proxy
    finally:
        proxy.heal()
        proxy._loop.call_soon_threadsafe(is_over.set)
        thread.join(10)
