"""What is wrong with a request that is not HTTP as the RFCs have it.

gunicorn's own errors quote the request. Here each kind has a status and a
sentence that quotes nothing: neither an answer nor the log repeats a line that
may be a key or a record.
"""

import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gunicorn.http import errors

from engine.languages import mark


class Fault(NamedTuple):
    """A status, and a sentence for whoever sent the request, with places for the values."""

    status: int
    detail: str
    values: Mapping[str, int] = MappingProxyType({})


TOO_LATE = Fault(408, mark("the request came too slowly, or stopped midway: send it again"))
TOO_BUSY = Fault(503, mark("the service has too much to do: try again as Retry-After says"))
FAILED = Fault(500, mark("the service failed; the request id finds the cause in its log"))
LONG_HEAD = Fault(431, mark("the headers are too long, or too many: send fewer"))
BARE_LINE = Fault(
    400, mark("a line of the head ends without a carriage return: end lines with CRLF")
)
SHORT_BODY = Fault(400, mark("the body ends within its chunks: send the last one, of size 0"))

SHORT_OF = Fault(400, mark("the body ends after {read} of {length} bytes"))

BAD_HOST = Fault(400, mark("the header Host is missing or malformed: send it once, as `name:port`"))

_BAD_HEADER = Fault(400, mark("a header line is malformed: send `Name: value`, each name once"))
_BAD_CHUNK = Fault(400, mark("the body cannot be read: its chunks are malformed"))
_BAD_LINE = Fault(400, mark("the request line is malformed: send `METHOD /path HTTP/1.1`"))


class BadHost(errors.ParseException):  # type: ignore[misc]
    """A request does not say which host it is for."""


_FAULTS: dict[type[BaseException], Fault] = {
    errors.InvalidResponseHeader: FAILED,
    errors.InvalidResponseHeaderName: FAILED,
    errors.InvalidRequestLine: _BAD_LINE,
    errors.InvalidRequestMethod: _BAD_LINE,
    errors.InvalidHTTPVersion: Fault(
        505, mark("this version of HTTP is not spoken here: send HTTP/1.1")
    ),
    errors.LimitRequestLine: Fault(414, mark("the address is too long")),
    errors.LimitRequestHeaders: LONG_HEAD,
    errors.ExpectationFailed: Fault(417, mark("only `Expect: 100-continue` is known here")),
    errors.UnsupportedTransferCoding: Fault(
        501, mark("the only transfer coding that is known here is `chunked`")
    ),
    errors.ObsoleteFolding: Fault(400, mark("a header is folded: write each header in one line")),
    errors.InvalidSchemeHeaders: Fault(400, mark("the headers contradict each other about https")),
    BadHost: BAD_HOST,
    errors.InvalidHeaderName: _BAD_HEADER,
    errors.InvalidHeader: _BAD_HEADER,
    errors.InvalidChunkSize: _BAD_CHUNK,
    errors.ChunkMissingTerminator: _BAD_CHUNK,
    errors.InvalidChunkExtension: _BAD_CHUNK,
    errors.InvalidH2CPreface: _BAD_LINE,
    errors.InvalidProxyLine: Fault(400, mark("the line of the proxy protocol is malformed")),
    errors.InvalidProxyHeader: Fault(400, mark("the header of the proxy protocol is malformed")),
    errors.ForbiddenProxyRequest: Fault(
        403, mark("this proxy is not among those that are trusted")
    ),
}


def fault_of(error: BaseException) -> Fault:
    """Return what is wrong with a request that gunicorn refuses; `FAILED` for any other error."""
    if isinstance(error, errors.InvalidHTTPVersion) and isinstance(error.version, str):
        return _BAD_LINE  # what should be the version is none, as after a blank in the path
    kinds = (_FAULTS[kind] for kind in type(error).__mro__ if kind in _FAULTS)
    return next(kinds, FAILED)


def places(error: BaseException) -> str:
    """Return where an error arose: its traceback without any message, which may quote a request."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{frames}{type(error).__name__}"


def without_body(answer: bytes) -> bytes:
    """Return the head of an answer, which is all that a HEAD request may get (RFC 9110, 9.3.2)."""
    return answer[: answer.find(b"\r\n\r\n") + 4]
