"""The attackers: what each sends, how slowly, and whether it reads what it is answered."""

import asyncio
import contextlib
import gzip
import io
import itertools
import resource
import socket
import string
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.siege.target import Target

#: A body of the default limit, nearly.
_FULL = 5 * 2**20 - 1_000


class Attack(NamedTuple):
    """One kind of attacker, on many connections at once, each opened again when it ends.

    `opening` makes what a connection sends first, from the target, the key's
    header line and the connection's number. Then it reads the whole answer, or
    sends `drip` every second and reads nothing until the end.
    """

    name: str
    connections: int
    opening: Callable[[Target, bytes, int], bytes]
    reads: bool = False
    drip: bytes = b""


def run(name: str, target: Target, key: str, seconds: float, begun: Any, opened: Any) -> None:
    """Attack for so many seconds in a process of its own; count the connections in `opened`.

    The first opening is made before the seconds begin: some take a while.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attack = ATTACKS[name]
    line = f"x-api-key: {key}\r\n".encode() if key else b""
    attack.opening(target, line, 0)
    begun.set()
    asyncio.run(_run(attack, target, line, time.monotonic() + seconds, opened))


async def _run(attack: Attack, target: Target, key: bytes, end: float, opened: Any) -> None:
    async def attacker(place: int) -> None:
        opening = attack.opening(target, key, place)
        for turn in itertools.count():
            with contextlib.suppress(OSError):
                await _talk(attack, target, opening.replace(b"TURN", b"%d" % turn), end, opened)
            await asyncio.sleep(0.02)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + end - time.monotonic()):
            await asyncio.gather(*map(attacker, range(attack.connections)))


async def _talk(attack: Attack, target: Target, opening: bytes, end: float, opened: Any) -> None:
    connection = socket.socket()
    if not attack.reads:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(connection, ("127.0.0.1", target.port))
        opened.value += 1
        await loop.sock_sendall(connection, opening)
        while attack.reads and await loop.sock_recv(connection, 2**20):
            pass
        while not attack.reads and time.monotonic() < end:
            await asyncio.sleep(1)
            await loop.sock_sendall(connection, attack.drip)
    finally:
        connection.close()


def _head(target: Target, key: bytes, size: int, kind: bytes = b"application/json") -> bytes:
    return (
        b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n" % (target.path.encode(), key, kind, size)
    )


def _body(
    make: Callable[[], bytes], kind: bytes = b"application/json", more: bytes = b""
) -> Callable[[Target, bytes, int], bytes]:
    """Return an opening that sends a whole body."""
    made = cache(make)

    def opening(target: Target, key: bytes, _: int) -> bytes:
        body = made()
        return _head(target, key + more, len(body), kind) + body

    return opening


def _unfinished(size: int, sent: int) -> Callable[[Target, bytes, int], bytes]:
    """Return an opening that announces a body and sends a part of it."""
    return lambda target, key, _: _head(target, key, size) + b"[" * sent


def _fields(target: Target, key: bytes, _: int) -> bytes:
    return _head(target, key, 100)[:-2] + _ten_thousand_fields()


@cache
def _ten_thousand_fields() -> bytes:
    letters = string.ascii_lowercase + string.digits
    names = map("".join, itertools.product(letters, repeat=3))
    return "".join(f"{name}:\r\n" for name in itertools.islice(names, 10_800)).encode()


def _start(rest: bytes) -> Callable[[Target, bytes, int], bytes]:
    """Return an opening that begins a head and does not end it."""
    return lambda target, key, _: (
        b"POST %s HTTP/1.1\r\nHost: a\r\n%s%s" % (target.path.encode(), key, rest)
    )


def _pipeline(target: Target, key: bytes, _: int) -> bytes:
    request = _head(target, key, len(target.record)).replace(b"Connection: close\r\n", b"")
    return (request + target.record) * 2_000


def _chunks(target: Target, key: bytes, _: int) -> bytes:
    head = _start(b"Transfer-Encoding: chunked\r\n\r\n")(target, key, 0)
    return head + b"1;a=bcdefgh\r\n[\r\n" * 20_000


def _malformed(target: Target, key: bytes, place: int) -> bytes:
    heads = (b"\x16\x03\x01\x02", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"A: b\r\n\r\n",
             b"POST / HTTP/1.1\r\nno colon\r\n\r\n", b"\r\n" * 5_000)  # fmt: skip
    return heads[place % len(heads)]


def _table(rows: int) -> bytes:
    return b"weight,pieces,height,colour,shape,fragile,express\n" + (
        b'12.5,3,40.0,"dark, blue",tube,true,false\n' * rows
    )


def _parquet() -> bytes:
    rows = 2_000_000
    one = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["tube"]))
    columns = {
        "weight": pa.array(np.full(rows, 12.5)), "pieces": pa.array(np.full(rows, 3)),
        "height": pa.array(np.full(rows, 40.0)), "colour": one, "shape": one,
        "fragile": pa.array(np.full(rows, True)), "express": pa.array(np.full(rows, False)),
    }  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _nested() -> bytes:
    return b"[" + b",".join([b"[" * 30 + b"]" * 30] * (_FULL // 61)) + b"]"


def _keys() -> bytes:
    return b"{" + b",".join(b'"%x":0' % number for number in range(_FULL // 11)) + b"}"


def _digits() -> bytes:
    return b'{"weight":' + b"9" * (_FULL - 20) + b"}"


def _values() -> bytes:
    return b"[" + b"0," * (_FULL // 2 - 1) + b"0]"


_LISTED = (
    Attack("heads of 10,800 fields, unfinished", 600, _fields),
    Attack("one long header line, unfinished", 600, _start(b"X-Long: " + b"a" * 60_000), drip=b"a"),
    Attack("heads that come a byte a second", 1_200, _start(b""), drip=b"a"),
    Attack("bodies of which 60 bytes come", 2_100, _unfinished(100_000, 60)),
    Attack("bodies that lack their end", 40, _unfinished(5_000_000, 4_500_000)),
    Attack("bodies of one-byte chunks", 100, _chunks, drip=b"1\r\n[\r\n"),
    Attack("JSON of nested lists", 4, _body(_nested), reads=True),
    Attack("JSON of 470,000 keys", 4, _body(_keys), reads=True),
    Attack("JSON of 2.6 million zeros", 4, _body(_values), reads=True),
    Attack("a number of five million digits", 4, _body(_digits), reads=True),
    Attack("gzip of 1 GB", 4, _body(lambda: gzip.compress(gzip.compress(bytes(2**30), 1)),
           more=b"Content-Encoding: gzip\r\n"), reads=True),
    Attack("4 MB of line ends as CSV", 4, _body(lambda: b"\r" * 4_000_000, b"text/csv"),
           reads=True),
    Attack("a quote that never closes", 4, _body(lambda: b'a,"' + b"b\n" * 2_000_000,
           b"text/csv"), reads=True),
    Attack("tables whose answers nobody reads", 16, _body(lambda: _table(90_000), b"text/csv",
           b"Accept: application/x-ndjson\r\n")),
    Attack("tables of 20,000 rows", 8, _body(lambda: _table(20_000), b"text/csv"), reads=True),
    Attack("Parquet of two million equal rows", 3,
           _body(_parquet, b"application/vnd.apache.parquet"), reads=True),
    Attack("2,000 pipelined requests, unread", 20, _pipeline),
    Attack("malformed heads", 30, _malformed, reads=True),
    Attack("connections that ask nothing", 900, lambda target, key, place: b""),
    Attack("a new Idempotency-Key each time", 8, _body(lambda: b"[" + b"0," * 999 + b"0]",
           more=b'Idempotency-Key: "TURN"\r\n'), reads=True),
    Attack("lists and pages", 16, lambda target, key, place: (
           b"GET %s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n" % (
               (b"/v0/models", b"/openapi.json", b"/docs", b"/metrics")[place % 4], key)),
           reads=True),
)  # fmt: skip

ATTACKS = {attack.name: attack for attack in _LISTED}
