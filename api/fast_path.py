"""Predictions answered without Flask's dispatch, byte for byte as it would.

The worker asks here first. Whatever is not a plain request to predict, plainly
valid and quick, is left to the application.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import flask
import msgspec
from flask import Flask

from api import access_log, predict, steps
from api.dates import http_date
from api.loaded import LoadedModels
from api.metrics import note_predicted
from api.prediction import Asked, answer_at_once, each
from api.request_id import finish, name_request, request_id
from api.tallies import Count
from api.trace import name_trace, trace_id

#: Bodies above this are left to the threads.
MOST_BYTES = 16 * 1024

#: Headers that change what is asked, or how it is to be answered.
_DOUBTFUL = frozenset(
    (
        b"expect", b"transfer-encoding", b"upgrade", b"content-encoding", b"te", b"trailer",
        b"x-forwarded-protocol", b"x-forwarded-ssl",  # gunicorn refuses two that disagree
        b"x-server-timing",
    )
)  # fmt: skip
_HOST = re.compile(rb"(?:[A-Za-z0-9-]{1,63}\.){0,9}[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?")
_is_host = lru_cache(1000)(_HOST.fullmatch)
_ACCEPTED = (b"*/*", b"application/json", None)
_NAMED = re.compile(
    rb"/v0/models/([a-z0-9_]{1,64})(?:/versions/([0-9]{8}T[0-9]{6}Z-[0-9a-f]{5}))?/predict"
    rb"|/inference/([a-z0-9_]{1,64})"
)

_HEAD = (
    "HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: {}\r\nConnection: {}\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
    "X-Request-Id: {}\r\nX-Content-Type-Options: nosniff\r\n\r\n"
)

#: What this module does itself when it answers; all else must run.
_KNOWN = (
    name_request, finish, name_trace, access_log.start, access_log.finish, steps.begin, steps.finish
)  # fmt: skip


class Written(msgspec.Struct, frozen=True, gc=False):
    """An answer as it goes over the wire.

    Attributes
    ----------
    head, body : bytes
        One follows the other.
    is_last : bool
        Whether the connection is closed afterwards.
    """

    head: bytes
    body: bytes
    is_last: bool


class FastPath:
    """What may be answered on the worker's event loop.

    Parameters
    ----------
    app : Flask
        Asked what a user has added to it.
    models : LoadedModels
        Asked for what is in memory; nothing is loaded here.
    logs : bool
        Whether each request gets a line in the log.
    """

    def __init__(self, app: Flask, models: LoadedModels, *, logs: bool = False) -> None:
        self._app = app
        self._models = models
        self._logs = logs
        self._metrics = app.extensions["metrics"]

    def answers(
        self, requests: Sequence[tuple[bytes, Mapping[bytes, bytes], bytes, bool]]
    ) -> list[Written | None]:
        """Answer whole POSTs over HTTP/1.1.

        Parameters
        ----------
        requests : sequence of (url, headers, body, is_last)
            The target as it came; the headers' names in small letters, none of
            them repeated; whether the connection is to be closed, whatever the
            client wants.

        Returns
        -------
        list of Written or None
            None for a request that is left to the application.
        """
        start = time.perf_counter()
        asked = each(self._asked, requests)
        counts: list[Count] = []
        bodies = answer_at_once(self._models, asked, tell=partial(note_predicted, counts))
        routes: dict[str, int] = {}
        for (url, *_), body in zip(requests, bodies, strict=True):
            if body is not None:
                route = _route(url)
                routes[route] = routes.get(route, 0) + 1
        if routes:
            self._metrics.count_at_once(routes, time.perf_counter() - start, counts)
        if self._logs:
            self._log(requests, asked, bodies, seconds=time.perf_counter() - start)
        return [
            None if body is None else _written(headers, one.request_id, body, is_last=is_last)
            for (_, headers, _, is_last), one, body in zip(requests, asked, bodies, strict=True)
        ]

    def _log(
        self,
        requests: Sequence[tuple[bytes, Mapping[bytes, bytes], bytes, bool]],
        asked: Sequence[Asked | None],
        bodies: Sequence[bytes | None],
        *,
        seconds: float,
    ) -> None:
        for (url, headers, *_), one, body in zip(requests, asked, bodies, strict=True):
            if one is None or body is None:
                continue
            served = self._models.loaded(one.model, one.version)
            parent = headers.get(b"traceparent")
            access_log.log_request(
                method="POST",
                route=_route(url),
                path=url.decode("latin-1"),
                status=200,
                seconds=seconds,
                bytes=len(body),
                request_id=one.request_id,
                trace_id=trace_id(parent.decode("latin-1").strip()) if parent else None,
                model=served.name if served else None,
                version=served.version if served else None,
            )

    def _asked(self, request: tuple[bytes, Mapping[bytes, bytes], bytes, bool]) -> Asked | None:
        url, headers, body, _ = request
        model = version = None
        if url != b"/v0/predict":
            named = _NAMED.fullmatch(url)
            if not named:
                return None
            model = (named[1] or named[3]).decode()
            version = named[2].decode() if named[2] else None
        given = headers.get(b"x-request-id")
        name = request_id(given.decode("latin-1") if given else "")
        if (
            len(body) > min(MOST_BYTES, self._app.config["MAX_CONTENT_LENGTH"] or MOST_BYTES)
            or not _DOUBTFUL.isdisjoint(headers)
            or headers.get(b"connection", b"keep-alive").lower() not in (b"keep-alive", b"close")
            or headers.get(b"accept") not in _ACCEPTED
            or not _is_host(headers.get(b"host", b""))
            or (given and name.encode("latin-1") != given)
        ):
            return None
        kind = headers.get(b"content-type", b"").decode("latin-1")
        return Asked(body, kind, "", name, model, version)

    def obstacles(self) -> list[str]:
        """Name what was added to the application and would be passed over here."""
        return [*self._added_functions(), *self._replaced(), *self._listeners()]

    def _added_functions(self) -> Iterator[str]:
        known = (*_KNOWN, self._metrics.start, self._metrics.finish)
        for kind in ("before_request", "after_request", "teardown_request"):
            for scope, functions in getattr(self._app, f"{kind}_funcs").items():
                if scope in (None, "predict"):
                    yield from (f"{kind} {_name(one)}" for one in functions if one not in known)
        for one in self._app.teardown_appcontext_funcs:
            yield f"teardown_appcontext {_name(one)}"
        for scope, functions in self._app.url_value_preprocessors.items():
            if scope in (None, "predict"):
                yield from (f"url_value_preprocessor {_name(one)}" for one in functions)

    def _replaced(self) -> Iterator[str]:
        app = self._app
        if type(app) is not Flask:
            yield "the application's class is another"
        for name in filter(lambda one: callable(getattr(Flask, one, None)), vars(app)):
            yield f"the application's {name} is another"
        for name in ("__call__", "wsgi_app", "full_dispatch_request", "process_response"):
            if getattr(Flask, name).__module__ != "flask.app":
                yield f"Flask.{name} is another"
        if app.config["TRUSTED_HOSTS"] or app.url_map.host_matching or app.subdomain_matching:
            yield "the application looks at the host"
        for name in ("request_class", "response_class", "session_interface"):
            if getattr(app, name) is not getattr(Flask, name):
                yield f"the application's {name} is another"
        view = getattr(app.view_functions["predict.predict"], "__code__", None)
        if view is None or view.co_filename != predict.__file__:
            yield "the view of /v0/predict is another"
        routes = app.url_map.bind("localhost")
        if routes.match("/v0/predict", "POST") != (
            "predict.predict",
            {"name": None, "version": None},
        ):
            yield "another route answers /v0/predict"

    def _listeners(self) -> Iterator[str]:
        for name in (
            "appcontext_popped", "appcontext_pushed", "appcontext_tearing_down",
            "request_finished", "request_started", "request_tearing_down",
        ):  # fmt: skip
            if getattr(flask, name).receivers:
                yield f"the signal {name} has a receiver"


def _route(url: bytes) -> str:
    if url == b"/v0/predict":
        return "/v0/predict"
    if url.startswith(b"/inference/"):
        return "/inference/<name>"
    named = b"/versions/" in url
    return f"/v0/models/<name>{'/versions/<version>' if named else ''}/predict"


def _written(
    headers: Mapping[bytes, bytes], request_id: str, body: bytes, *, is_last: bool
) -> Written:
    is_last = is_last or headers.get(b"connection", b"").lower() == b"close"
    after = "close" if is_last else "keep-alive"
    head = _HEAD.format(http_date(), after, len(body), request_id)
    return Written(head.encode("latin-1"), body, is_last)


def _name(function: Any) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"
