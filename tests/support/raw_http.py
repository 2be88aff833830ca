"""HTTP as bytes: requests sent as they stand, answers taken apart."""

import json
import re
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from tests.support.serving import DEADLINE

_MADE_UP = re.compile(rb"[0-9a-f]{32}")
_DATE = rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
_PAGE = re.compile(
    rb"(<html>\n  <head>\n    <title>[A-Za-z ]+</title>.*</h1>\n {4}).*(\n  </body>\n</html>\n)",
    re.DOTALL,
)
_DATED = re.compile(rb'"(prediction_time|now)":"(' + _DATE + rb')"')


class Answer(NamedTuple):
    """One answer.

    Attributes
    ----------
    line : bytes
        The first, with version, status and reason.
    fields : tuple of (bytes, bytes)
        Names and values, as they came and in their order.
    body : bytes
        All of it.
    """

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def status(self) -> int:
        """The status as a number."""
        return int(self.line.split()[1])

    def field(self, name: bytes) -> bytes | None:
        """Give a field's value, the last if it is repeated."""
        return {one.lower(): value for one, value in self.fields}.get(name.lower())

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


class Garbled(AssertionError):
    """What came is not HTTP, or not whole."""


def request(
    body: bytes | str = b"", *, method: bytes = b"POST", path: bytes = b"/v0/predict",
    version: bytes = b"HTTP/1.1", fields: Iterable[tuple[bytes, bytes]] = (), end: bytes = b"\r\n",
) -> bytes:  # fmt: skip
    """Write a request with a host, a length, JSON's type, and other fields as given.

    A field given replaces the one that would be written.
    """
    body = body.encode() if isinstance(body, str) else body
    usual = {b"Host": b"here"}
    if method in (b"POST", b"PUT"):
        usual |= {b"Content-Type": b"application/json", b"Content-Length": b"%d" % len(body)}
    fields = list(fields)
    given = {name.lower() for name, _ in fields}
    lines = [b" ".join((method, path, version))]
    lines += [b"%s: %s" % one for one in usual.items() if one[0].lower() not in given]
    lines += [b"%s: %s" % one for one in fields]
    return end.join([*lines, b"", b""]) + body


def connect(port: int, *, receive_bytes: int = 0) -> socket.socket:
    """Open a connection that sends at once what it is given."""
    link = socket.socket()
    if receive_bytes:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    link.settimeout(DEADLINE)
    link.connect(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def exchange(port: int, pieces: Iterable[bytes]) -> bytes:
    """Send pieces and an end, and give all that comes back."""
    with connect(port) as link:
        with suppress(OSError):  # the server may have read enough
            for piece in pieces:
                link.sendall(piece)
            link.shutdown(socket.SHUT_WR)
        return read_to_end(link)


def read_to_end(link: socket.socket) -> bytes:
    """Read until the other side ends or breaks the connection."""
    found = bytearray()
    with suppress(ConnectionError):
        while part := link.recv(65536):
            found += part
    return bytes(found)


def read_answer(
    link: socket.socket, *, of_head: bool = False, held: bytearray | None = None
) -> Answer:
    """Read one answer; interim ones are passed over.

    Parameters
    ----------
    of_head : bool
        Whether it answers HEAD, so that no body follows.
    held : bytearray, optional
        What was read already, and afterwards what was read beyond the answer;
        without it nothing may follow.
    """
    held = bytearray() if (is_alone := held is None) else held
    while True:
        while (end := held.find(b"\r\n\r\n")) < 0:
            _read_more(link, held)
        answer = _read_head(bytes(held[:end]))
        length = 0 if of_head else int(answer.field(b"Content-Length") or 0)
        while len(held) < end + 4 + length:
            _read_more(link, held)
        body = bytes(held[end + 4 : end + 4 + length])
        del held[: end + 4 + length]
        if answer.status >= 200:
            break
    if is_alone and held:
        raise Garbled(f"{bytes(held)!r} follows the answer")
    return answer._replace(body=body)


def _read_more(link: socket.socket, held: bytearray) -> None:
    part = link.recv(65536)
    if not part:
        raise ConnectionResetError("the connection ended within an answer")
    held += part


def _read_head(head: bytes) -> Answer:
    line, *lines = head.split(b"\r\n")
    if not re.fullmatch(rb"HTTP/1\.[0-9] [1-5][0-9]{2}( [ -~]+)?", line):
        raise Garbled(f"{line!r} is no status line")
    fields = [one.partition(b": ")[::2] for one in lines]
    return Answer(line, tuple(fields), b"")


def read_answers(found: bytes, methods: Sequence[bytes] = ()) -> list[Answer]:
    """Take apart all that came over a connection.

    Parameters
    ----------
    methods : sequence of bytes
        Those of the requests: an answer to HEAD may be without its body.
    """
    answers: list[Answer] = []
    asked = iter(methods)
    while found:
        head, blank, found = found.partition(b"\r\n\r\n")
        if not blank:
            raise Garbled(f"{head!r} is no whole head")
        answer = _read_head(head)
        length = int(answer.field(b"Content-Length") or 0)
        if answer.status >= 200 and next(asked, b"") == b"HEAD" and found[:7] in (b"", b"HTTP/1."):
            length = 0
        if len(found) < length:
            raise Garbled(f"{len(found)} of {length} bytes came after {head!r}")
        answers.append(answer._replace(body=found[:length]))
        found = found[length:]
    return answers


def masked(answer: Answer) -> Answer:
    """Replace dates and ids that were made up; each must be what it should be.

    The sentence in gunicorn's own error pages is replaced too: it tells how
    much had come when gunicorn stumbled.
    """
    if page := _PAGE.fullmatch(answer.body):
        others = dict(answer.fields) | {b"Content-Length": b""}
        return Answer(answer.line, tuple(others.items()), page[1] + page[2])
    fields = []
    body = answer.body
    for name, value in answer.fields:
        if name == b"Date":
            parsedate_to_datetime(value.decode())
            value = b"now"
        elif name == b"X-Request-Id" and _MADE_UP.fullmatch(value):
            body = body.replace(b'"request_id":"%s"' % value, b'"request_id":"made up"')
            value = b"made up"
        fields.append((name, value))
    for _, date in _DATED.findall(body):
        parsedate_to_datetime(date.decode())
    return Answer(answer.line, tuple(fields), _DATED.sub(rb'"\1":"now"', body))
