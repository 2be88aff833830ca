"""What the worker answers in place of the application, which is overloaded or too slow."""

import logging
from collections.abc import Mapping

from flask import Flask

from engine.api.errors import Failure, phrase_of
from engine.api.middleware.auth import public_paths
from engine.api.middleware.request_id import request_id
from engine.api.resources import resources
from engine.api.response_head import EVERY_LINE, head_template
from engine.records.http_date import http_date

_log = logging.getLogger(__name__)

_TOO_MUCH = Failure(503, "the service has too much to do: try again as Retry-After says")
_TOO_LATE = Failure(
    504, "there is no answer in time: send fewer records at once, or try again later"
)


class Rejections:
    """Writes what the worker answers in place of the application.

    The public routes of the application are always answered, and its protocols
    phrase failures. A request may wait `most_seconds` for a thread, and its answer
    must begin `answer_seconds` after it has come; 0 stands for any time.
    """

    headers = EVERY_LINE.encode()

    def __init__(self, app: Flask, *, most_seconds: float, answer_seconds: float) -> None:
        self.most_seconds = most_seconds
        self.answer_seconds = answer_seconds
        self._phrases = resources(app).phrases
        self._spared = {path.encode() for path in (*public_paths(app), "/metrics")}

    def spares(self, url: bytes) -> bool:
        """Return whether an address is answered under any load, as those of health are."""
        return url.partition(b"?")[0] in self._spared

    def refusal(self, url: bytes, headers: Mapping[bytes, bytes], *, is_last: bool) -> bytes:
        """Write a 503 in the form of the protocol that is spoken at an address."""
        name = _request_id(headers)
        return self._write(_TOO_MUCH, url, name, after="close" if is_last else "keep-alive")

    def lateness(self, url: bytes, headers: Mapping[bytes, bytes]) -> bytes:
        """Write a 504 in such a form, and log the request that was not answered."""
        name, path = _request_id(headers), url.partition(b"?")[0].decode("latin-1")
        fields = {"path": path[:200], "request_id": name}
        _log.error("no answer in time, so 504", extra={"fields": fields})
        return self._write(_TOO_LATE, url, name, after="close")

    def _write(self, failure: Failure, url: bytes, name: str, *, after: str) -> bytes:
        body, kind = phrase_of(self._phrases, url.decode("latin-1"))(failure, name)
        more = "Retry-After: 1\r\n" if failure.status == 503 else ""
        head = head_template(failure.status, kind).format(http_date(), after, len(body), more, name)
        return head.encode("latin-1") + body


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    return request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
