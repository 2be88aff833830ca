"""Requests that two readers could cut apart differently: one answer, and the connection ends.

The forms are those of RFC 9112, sections 2.2, 5.1, 6.1 to 6.3 and 11.2. Behind
each hides a second request, which must never be answered.
"""

import json
from collections.abc import Iterator

import pytest

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import exchange, read_answers, request
from tests.support.serving import Server, running

BODY = json.dumps(EXAMPLES["parcel"]).encode()
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: here\r\n\r\n"

LENGTH = b"Content-Length: %d\r\n" % len(BODY)


def post(fields: bytes, body: bytes = BODY, *, line: bytes = b"POST /v0/predict HTTP/1.1") -> bytes:
    """Write a request whose framing is given."""
    start = line + b"\r\nHost: here\r\nContent-Type: application/json\r\n"
    return start + fields + b"\r\n" + body


AMBIGUOUS = {
    "length and chunks": post(LENGTH + b"Transfer-Encoding: chunked\r\n", CHUNKS),
    "chunks and length": post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", CHUNKS),
    "two lengths": post(LENGTH + b"Content-Length: 0\r\n"),
    "two equal lengths": post(LENGTH + LENGTH),
    "a list of lengths": post(LENGTH[:-2] + b", %d\r\n" % len(BODY)),
    "a signed length": post(b"Content-Length: +%d\r\n" % len(BODY)),
    "a length in hexadecimal": post(b"Content-Length: 0x%x\r\n" % len(BODY)),
    "a length with an underscore": post(b"Content-Length: 1_0\r\n"),
    "a length of other digits": post("Content-Length: ١٢\r\n".encode()),
    "an empty length": post(b"Content-Length: \r\n"),
    "a space before the colon": post(LENGTH.replace(b":", b" :")),
    "a tab before the colon": post(LENGTH.replace(b":", b"\t:")),
    "a folded length": post(b"Content-Length:\r\n %d\r\n" % len(BODY)),
    "a field that begins with a space": post(b" " + LENGTH),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
    "chunked but not last": post(b"Transfer-Encoding: chunked, identity\r\n", CHUNKS),
    "an unknown coding": post(b"Transfer-Encoding: xchunked\r\n", CHUNKS),
    "a coding in quotes": post(b'Transfer-Encoding: "chunked"\r\n', CHUNKS),
    "a coding behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
    "a null in a value": post(LENGTH + b"X-A: b\x00c\r\n"),
    "a lone carriage return in a value": post(LENGTH + b"X-A: b\rContent-Length: 0\r\n"),
    "chunks in HTTP/1.0": post(
        b"Transfer-Encoding: chunked\r\n", CHUNKS, line=b"POST /v0/predict HTTP/1.0"
    ),
    "a chunk of signed size": post(b"Transfer-Encoding: chunked\r\n", b"+" + CHUNKS),
    "a chunk with a prefix": post(b"Transfer-Encoding: chunked\r\n", b"0x" + CHUNKS),
    "a chunk that ends with a line feed": post(
        b"Transfer-Encoding: chunked\r\n", CHUNKS.replace(b"\r\n", b"\n", 1)
    ),
    "a chunk longer than its size": post(
        b"Transfer-Encoding: chunked\r\n", b"2\r\n" + BODY + b"\r\n0\r\n\r\n"
    ),
    "a target in two words": post(LENGTH, line=b"POST /v0/predict x HTTP/1.1"),
    "two hosts": post(LENGTH + b"Host: there\r\n"),
    "a host with a user": post(LENGTH).replace(b"Host: here", b"Host: a@here"),
    "no host": post(LENGTH).replace(b"Host: here\r\n", b""),
    "no version": post(LENGTH, line=b"POST /v0/predict"),
}


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server"), until="/readyz", model_store=toy_store.root,
        default_model="parcel",
    ) as started:  # fmt: skip
        yield started


@pytest.mark.parametrize("name", AMBIGUOUS)
@pytest.mark.parametrize("place", ["alone", "in two parts", "after another"])
def test_request_when_it_is_ambiguous_is_refused_and_ends_the_connection(
    server: Server, name: str, place: str
) -> None:
    asked = AMBIGUOUS[name] + HIDDEN
    half = asked.find(b"\r\n\r\n") - 3
    before = request(BODY) if place == "after another" else b""
    pieces = [before + asked[:half], asked[half:]] if place == "in two parts" else [before + asked]

    answers = read_answers(exchange(server.port, pieces))

    assert [200] * bool(before) == [one.status for one in answers[:-1]]
    assert answers[-1].status in (400, 501)
    # With a broken chunk gunicorn ends the connection without saying so.
    assert b"close" == answers[-1].field(b"Connection") or name.startswith("a chunk")


def test_requests_when_they_are_plain_are_both_answered(server: Server) -> None:
    answers = read_answers(exchange(server.port, [post(LENGTH) + HIDDEN]))

    assert [200, 404] == [one.status for one in answers]
