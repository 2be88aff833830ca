"""What is answered in place of the application when its threads have too much to do."""

from collections.abc import Mapping

from flask import Flask

from api.auth import public_paths
from api.dates import http_date
from api.errors import Failure, phrase_of
from api.request_id import request_id

_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\nServer: gunicorn\r\nDate: {}\r\nConnection: {}\r\n"
    "Content-Type: {}\r\nContent-Length: {}\r\nRetry-After: 1\r\n"
    "X-Request-Id: {}\r\nX-Content-Type-Options: nosniff\r\n\r\n"
)
_TOO_MUCH = Failure(503, "the service has too much to do: ask again, as Retry-After says")


class Overload:
    """How the worker sheds what it cannot answer in time.

    Parameters
    ----------
    app : Flask
        Asked for its routes and its forms of failures.
    most_seconds : float
        How long a request may have to wait for a thread; 0 for any time.

    Attributes
    ----------
    most_seconds : float
        As above.
    """

    def __init__(self, app: Flask, *, most_seconds: float) -> None:
        self.most_seconds = most_seconds
        self._app = app
        self._spared = {path.encode() for path in (*public_paths(app), "/metrics")}

    def spares(self, url: bytes) -> bool:
        """Tell whether an address is answered however much there is to do, as those of health."""
        return url.partition(b"?")[0] in self._spared

    def refusal(self, url: bytes, headers: Mapping[bytes, bytes], *, is_last: bool) -> bytes:
        """Write a 503 in the form of the protocol that is spoken at an address."""
        name = request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        body, kind = phrase_of(self._app, url.decode("latin-1"))(_TOO_MUCH, name)
        after = "close" if is_last else "keep-alive"
        head = _HEAD.format(http_date(), after, kind, len(body), name)
        return head.encode("latin-1") + body
