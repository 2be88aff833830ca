"""A request is read from a connection only as far as it must be, and never quoted."""

import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http import errors

from engine.worker.connection import MOST_HEAD, Connection
from engine.worker.faults import BAD_HOST, BARE_LINE, LONG_HEAD, fault_of, places

FIELDS = 100
PLAIN = b"POST /v0/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def conn() -> Iterator[Connection]:
    ours, theirs = socket.socketpair()
    connection = Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2), most_fields=FIELDS)
    yield connection
    connection.close()
    theirs.close()


def test_head_when_it_has_too_many_fields_is_not_parsed_to_its_end(conn: Connection) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"a%x:\r\n" % n for n in range(9000))

    conn.feed(head)

    assert LONG_HEAD == conn.fault(head)
    assert FIELDS >= len(conn.headers)


def test_head_when_it_is_long_without_an_end_is_refused(conn: Connection) -> None:
    conn.feed(b"GET / HTTP/1.1\r\nA: ")
    assert conn.fault(b"") is None

    conn.feed(b"x" * MOST_HEAD)

    assert LONG_HEAD == conn.fault(b"x")


def test_line_when_it_ends_without_a_carriage_return_is_refused(conn: Connection) -> None:
    conn.feed(b"GET / HTTP/1.1\nHost: a\n")

    assert BARE_LINE == conn.fault(b"\n")


def test_chunks_when_all_are_tiny_are_joined(conn: Connection) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in [head, *[b"1\r\na\r\n" * 5000] * 4, b"0\r\n\r\n"]:
        conn.feed(piece)
        assert conn.fault(piece) is None

    conn.init()
    conn.pass_on()

    assert b"a" * 20_000 == next(conn.parser).body.read()


def test_requests_when_they_come_together_are_parsed_one_at_a_time(conn: Connection) -> None:
    conn.feed(PLAIN * 500)

    assert (1, 2) == (conn.completed, conn.begun)
    assert not conn.is_alone()
    conn.init()
    conn.pass_on()
    assert b"{}" == next(conn.parser).body.read()
    assert PLAIN * 499 == conn.rest


def test_body_when_it_is_large_is_passed_on_in_pieces(conn: Connection) -> None:
    body = bytes(range(256)) * 20_000
    conn.feed(PLAIN.replace(b": 2", b": %d" % len(body))[:-2])
    conn.feed(body)
    conn.init()
    conn.pass_on()

    request = next(conn.parser)

    assert body[:10] == request.body.read(10)
    assert body[10:] == request.body.read()


def test_body_when_it_comes_in_chunks_is_joined(conn: Connection) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    conn.feed(head + b"".join(b"%x;a=b\r\n%b\r\n" % (n, b"z" * n) for n in range(1, 300)))
    conn.feed(b"0\r\nA: b\r\n\r\n")
    conn.init()
    conn.pass_on()

    request = next(conn.parser)

    assert b"z" * sum(range(300)) == request.body.read()
    assert conn.parser.finish_body()
    assert b"" == conn.parser.unreader.take_buffered()


def test_requests_in_chunks_when_they_come_together_are_read_one_by_one(conn: Connection) -> None:
    chunked = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    conn.feed(chunked + PLAIN)
    conn.init()
    conn.pass_on()

    assert b"{}" == next(conn.parser).body.read()
    assert PLAIN == conn.parser.unreader.take_buffered() + conn.rest


def test_field_when_it_stands_behind_the_body_is_no_header(conn: Connection) -> None:
    conn.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nToken: a\r\n\r\n")
    conn.feed(b"0\r\nToken: b\r\n\r\n")

    assert b"a" == conn.headers[b"token"]


def test_version_when_it_is_newer_is_read_as_the_newest_that_is_spoken(conn: Connection) -> None:
    conn.feed(b"GET /livez HTTP/1.2\r\nHost: a\r\n\r\n")

    assert conn.is_odd_whole()
    conn.read_oddly()
    assert (b"/livez", b"GET", 1) == (conn.url, conn.method, conn.completed)
    conn.init()
    conn.pass_on()
    assert (1, 1) == next(conn.parser).version


@pytest.mark.parametrize("codings", [b"gzip, chunked", b"chunked, gzip", b"identity", b"x"])
def test_coding_when_it_is_not_chunks_alone_is_not_known(conn: Connection, codings: bytes) -> None:
    conn.feed(b"POST / HTTP/1.1\r\nHost: a\r\n")
    conn.raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %b\r\n\r\n" % codings

    with pytest.raises(errors.UnsupportedTransferCoding) as caught:
        conn.read_oddly()

    assert 501 == fault_of(caught.value).status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /a b HTTP/1.1", 400), (b"GET / http/1.1", 400), (b"GET / HTTP/11", 400),
        (b"GET / HTTP/2.0", 505), (b"GET / HTTP/0.9", 505),
    ],
)  # fmt: skip
def test_version_when_it_is_none_is_a_fault_of_the_line(
    conn: Connection, line: bytes, status: int
) -> None:
    conn.raw = line + b"\r\nHost: a\r\n\r\n"

    with pytest.raises(errors.InvalidHTTPVersion) as caught:
        conn.read_oddly()

    assert status == fault_of(caught.value).status


#: Fields, and whether a request may have them, by RFC 9112 (3.2) and RFC 3986 (3.2).
HOSTS = [
    (b"", False), (b"Host: a\r\n", True), (b"host:a.b-c_d~e,f:\r\n", True),
    (b"HOST: 10.0.0.1:80\r\n", True), (b"Host: [::1]\r\n", True), (b"Host: [::1]:80\r\n", True),
    (b"Host:\r\n", True), (b"Host: %c3%a9\r\n", True), (b"Host: a:b\r\n", False),
    (b"Host: a b\r\n", False), (b"Host: a@b\r\n", False), (b"Host: a/\r\n", False),
    (b"Host: ::1\r\n", False), (b"Host: [1]\r\n", False), (b"Host: [::1\r\n", False),
    (b"Host: \xc3\xa9\r\n", False), (b"Host: %g1\r\n", False), (b"Host: a\r\nHost: a\r\n", False),
    (b"Host: a\r\nhost: b\r\n", False), (b"Host: a\r\nX: b\r\nX: c\r\n", True),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "is_valid"), HOSTS)
def test_host_when_it_is_not_named_once_is_refused_on_the_loop_and_in_a_thread(
    conn: Connection, fields: bytes, *, is_valid: bool
) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n%b\r\n" % fields
    conn.feed(head)
    assert (None if is_valid else BAD_HOST) == conn.fault(head)

    conn.feed(b"[]")
    conn.init()
    conn.pass_on()
    if is_valid:
        assert b"[]" == next(conn.parser).body.read()
        return
    with pytest.raises(errors.ParseException) as caught:
        next(conn.parser)
    assert 400 == fault_of(caught.value).status


def test_host_when_the_version_is_1_0_need_not_be_named(conn: Connection) -> None:
    head = b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n"
    conn.feed(head)
    assert conn.fault(head) is None

    conn.feed(b"[]")
    conn.init()
    conn.pass_on()
    assert b"[]" == next(conn.parser).body.read()


SECRET = "zz-secret-zz"  # noqa: S105
KINDS = [
    kind for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ParseException)
    and kind not in (errors.ParseException, errors.InvalidSchemeHeaders)
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_error_of_gunicorn_when_it_is_explained_quotes_nothing(kind: type[Exception]) -> None:
    with pytest.raises(kind, match=SECRET) as caught:
        raise kind(SECRET)

    fault, where = fault_of(caught.value), places(caught.value)
    assert SECRET not in fault.detail + where
    assert kind.__name__ in where
    is_ours = kind.__name__.startswith(("InvalidResponse", "Configuration"))
    assert is_ours == (fault.status == 500)


def test_end_of_a_head_when_it_comes_early_is_not_quoted(conn: Connection) -> None:
    conn.raw = b"GET / HTTP/1.1\r\nx-api-key: " + SECRET.encode()
    conn.init()
    conn.pass_on()
    conn.sock.shutdown(socket.SHUT_RD)

    with pytest.raises(OSError) as caught:  # noqa: PT011
        next(conn.parser)

    assert SECRET not in str(caught.value)


def test_header_when_blanks_stand_behind_its_value_has_none(conn: Connection) -> None:
    first = b"POST / HTTP/1.1\r\nContent-Length: 2 \t\r\nX-Api-Key: key \r\n\r\n[]"

    conn.feed(first + b"GET /next HTTP/1.1\r\n\r\n")

    assert {b"content-length": b"2", b"x-api-key": b"key"} == conn.headers
    conn.init()
    conn.pass_on()
    assert b"GET /next HTTP/1.1\r\n\r\n" == bytes(conn.rest)


@pytest.mark.parametrize(
    ("digits", "length"), [(b"0" * 4400 + b"2", 2), (b"9" * 4400, 10**18 - 1), (b"0", 0)]
)
def test_length_when_it_has_thousands_of_digits_is_read(
    conn: Connection, digits: bytes, length: int
) -> None:
    conn.headers = {b"content-length": digits}

    assert length == conn.length
