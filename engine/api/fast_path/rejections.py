"""What the worker answers in place of the application: by a request's head alone, or too late."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from urllib.parse import unquote

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_cookie

from engine.api import session
from engine.api.errors import Failure, Phrased, phrase_of
from engine.api.middleware import access_log, cors, language
from engine.api.middleware.auth import (
    HEADERS,
    challenge,
    key_text,
    public_paths,
    unknown_caller,
)
from engine.api.middleware.request_id import request_id
from engine.api.resources import resources
from engine.api.response_head import head_template
from engine.languages import ENGLISH, choose, choose_preferred, mark
from engine.languages import gettext as _
from engine.records.http_date import http_date
from engine.serving.metrics import NONE
from persistence.api_keys import Key

_log = logging.getLogger(__name__)

_TOO_MUCH = Failure(503, mark("the service has too much to do: try again as Retry-After says"))
_TOO_LATE = Failure(
    504, mark("there is no answer in time: send fewer records at once, or try again later")
)

#: The longest body at an address that needs no key.
_MOST_PUBLIC = 2**16

Headers = Mapping[bytes, bytes]


class Rejections:
    """Writes what the worker answers in place of the application.

    The public routes of the application are always answered, and its protocols
    phrase failures. A request may wait `most_seconds` for a thread, and its answer
    must begin `answer_seconds` after it has come; 0 stands for any time.
    """

    def __init__(self, app: Flask, *, most_seconds: float, answer_seconds: float) -> None:
        self.most_seconds = most_seconds
        self.answer_seconds = answer_seconds
        shared = resources(app)
        self._phrases = shared.phrases
        self._callers = shared.callers
        self._origins = shared.origins
        self._metrics = shared.metrics
        self._logs = shared.logs_requests
        self._urls = app.url_map
        self._public = {path.encode() for path in public_paths(app)}

    def spares(self, url: bytes) -> bool:
        """Return whether an address is answered under any load, as those of health are."""
        path = url.partition(b"?")[0]
        return path in self._public or path == b"/metrics"

    def admission(self, method: bytes, url: bytes, headers: Headers) -> bytes | None:
        """Return the refusal of a request by its head; None where its body may be read.

        Without a key that is known no body is collected. What else a key allows,
        the application decides.
        """
        if not self._callers.need_keys:
            return None
        path = url.partition(b"?")[0]
        if path in self._public:
            length = headers.get(b"content-length", b"")
            if length.isdigit() and len(length) < 10 and int(length) <= _MOST_PUBLIC:
                return None
            failure, more = Failure(413, mark("so much is not to be sent to this address")), {}
        else:
            text = key_text([_text(headers, name.encode()) for name in HEADERS])
            if self._callers.find(text) if text else self._signed_in(method, headers):
                return None
            failure = Failure(401, unknown_caller(text))
            more = {"WWW-Authenticate": challenge(text)}
        name = request_id(_text(headers, b"x-request-id"))
        self._metrics.count_refused(failure.status)
        if self._logs:
            access_log.log_request(
                method=access_log.method_name(method.decode("latin-1")), route=NONE,
                status=failure.status, seconds=0.0, request_id=name,
            )  # fmt: skip
        return self._write(failure, url, headers, name, more=more)

    def _signed_in(self, method: bytes, headers: Headers) -> Key | None:
        cookie = parse_cookie(_text(headers, b"cookie")).get(session.COOKIE, "")
        texts = {name: _text(headers, name.lower().encode()) for name in session.ORIGINS}
        if session.is_foreign(method.decode("latin-1"), texts, _text(headers, b"host")):
            return None
        return session.find(self._callers, cookie)

    def refusal(self, url: bytes, headers: Headers, *, is_last: bool) -> bytes:
        """Write a 503 in the form of the protocol that is spoken at an address."""
        name = request_id(_text(headers, b"x-request-id"))
        more = {"Retry-After": "1"}
        return self._write(_TOO_MUCH, url, headers, name, more=more, is_last=is_last)

    def lateness(self, url: bytes, headers: Headers) -> bytes:
        """Write a 504 in such a form, and log the request that was not answered."""
        name = request_id(_text(headers, b"x-request-id"))
        fields = {"route": self._route(url), "request_id": name}
        _log.error("no answer in time, so 504", extra={"fields": fields})
        return self._write(_TOO_LATE, url, headers, name)

    def _route(self, url: bytes) -> str:
        adapter = self._urls.bind("")
        path = unquote(url.partition(b"?")[0].decode("latin-1"))
        with suppress(HTTPException):
            for method in adapter.allowed_methods(path):
                return str(adapter.match(path, method, return_rule=True)[0].rule)
        return NONE

    def fault(
        self, status: int, detail: str, url: bytes, headers: Headers,
        *, values: Mapping[str, int] = MappingProxyType({}),
    ) -> bytes:  # fmt: skip
        """Write the last answer on a connection whose request is not as it should be."""
        name = request_id(_text(headers, b"x-request-id"))
        more = {"Retry-After": "1"} if status == 503 else {}
        return self._write(Failure(status, detail), url, headers, name, more=more, values=values)

    def _write(
        self, failure: Failure, url: bytes, headers: Headers, name: str,
        *, more: Mapping[str, str] | None = None, is_last: bool = True,
        values: Mapping[str, int] = MappingProxyType({}),
    ) -> bytes:  # fmt: skip
        write = phrase_of(self._phrases, url.decode("latin-1"), _text(headers, b"accept"))
        wish = parse_cookie(_text(headers, b"cookie")).get(language.COOKIE, "")
        choose_preferred(_text(headers, b"accept-language"), wish)
        try:
            detail = _(failure.detail)
            for word, value in values.items():
                detail = detail.replace(f"{{{word}}}", str(value))
            body, kind, own = Phrased(*write(failure._replace(detail=detail), name))
            fields = {**(more or {}), **own, **language.headers()}
        finally:
            choose(ENGLISH)  # in which the event loop logs, and answers on the fast path
        if self._origins:
            origin = _text(headers, b"origin")
            fields |= {"Vary": f"{fields['Vary']}, Origin", **cors.allowed(origin, self._origins)}
        lines = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
        after = "close" if is_last else "keep-alive"
        head = head_template(failure.status, kind)
        return head.format(http_date(), after, len(body), lines, name).encode("latin-1") + body


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
