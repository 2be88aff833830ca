"""Predictions answered without Flask's dispatch, byte for byte as it would.

The worker asks here first. Whatever is not a plain request to predict, plainly
valid and quick, is left to the application.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import flask
import msgspec
from flask import Flask

from api import predict
from api.auth import HEADERS, Callers, check_caller, key_text
from api.dates import http_date
from api.loaded import LoadedModels
from api.prediction import Asked, answer_at_once, each
from api.rate_limit import RateLimit, RedisCounts, Standing, count_request, show_standing
from api.request_id import finish, name_request, request_id
from persistence.keys import Key

#: Bodies above this are left to the threads.
MOST_BYTES = 16 * 1024

#: Headers that change what is asked, or how it is to be answered.
_DOUBTFUL = frozenset(
    (
        b"expect", b"transfer-encoding", b"upgrade", b"content-encoding", b"te", b"trailer",
        b"x-forwarded-protocol", b"x-forwarded-ssl",  # gunicorn refuses two that disagree
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
    "{}X-Request-Id: {}\r\nX-Content-Type-Options: nosniff\r\n\r\n"
)

#: What this module does itself when it answers; all else must run.
_KNOWN = (name_request, check_caller, count_request, show_standing, finish)
_KEY_HEADERS = tuple(name.encode() for name in HEADERS)


#: The target as it came; the headers, their names in small letters; the body; whether
#: the connection is to be closed, whatever the client wants.
Request = tuple[bytes, Mapping[bytes, bytes], bytes, bool]


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
    """

    def __init__(self, app: Flask, models: LoadedModels) -> None:
        self._app = app
        self._models = models
        self._callers: Callers = app.extensions["callers"]
        self._limit: RateLimit = app.extensions["rate_limit"]

    def answers(self, requests: Sequence[Request]) -> list[Written | None]:
        """Answer whole POSTs over HTTP/1.1.

        Parameters
        ----------
        requests : sequence of Request
            With headers of which none is repeated.

        Returns
        -------
        list of Written or None
            None for a request that is left to the application.
        """
        asked = each(self._asked, requests)
        standings = [self._limit.take(one.key) if one else None for one in asked]
        for place, standing in enumerate(standings):
            if standing and standing.is_refused:
                asked[place] = standings[place] = None
        bodies = answer_at_once(self._models, asked)
        found: list[Written | None] = []
        for request, one, standing, body in zip(requests, asked, standings, bodies, strict=True):
            if body is not None:
                found.append(_written(request, one.request_id, standing, body))
                continue
            found.append(None)
            if standing:
                self._limit.give_back(standing)
        return found

    def _asked(self, request: Request) -> Asked | None:
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
        key = None
        if self._callers.are_asked:
            key = self._find_key(headers, model)
            if key is None:
                return None
        kind = headers.get(b"content-type", b"").decode("latin-1")
        return Asked(body, kind, "", name, model, version, key=key)

    def _find_key(self, headers: Mapping[bytes, bytes], model: str | None) -> Key | None:
        """Give the caller's key, if it is good for the model."""
        given = (headers.get(name, b"").decode("latin-1") for name in _KEY_HEADERS)
        key = self._callers.find(key_text(given))
        model = self._models.default if model is None else model
        is_good = key is not None and "predict" in key.scopes and key.may_ask(model)
        return key if is_good else None

    def obstacles(self) -> list[str]:
        """Name what was added to the application and would be passed over here."""
        is_redis = isinstance(self._limit.counts, RedisCounts)
        found = ["RATE_LIMIT_REDIS counts requests"] if is_redis else []
        return [*found, *self._added_functions(), *self._replaced(), *self._listeners()]

    def _added_functions(self) -> Iterator[str]:
        for kind in ("before_request", "after_request", "teardown_request"):
            for scope, functions in getattr(self._app, f"{kind}_funcs").items():
                if scope in (None, "predict"):
                    yield from (f"{kind} {_name(one)}" for one in functions if one not in _KNOWN)
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


def _written(request: Request, request_id: str, standing: Standing | None, body: bytes) -> Written:
    _, headers, _, is_last = request
    is_last = is_last or headers.get(b"connection", b"").lower() == b"close"
    after = "close" if is_last else "keep-alive"
    more = (
        "".join(f"{name}: {one}\r\n" for name, one in standing.headers().items())
        if standing
        else ""
    )
    head = _HEAD.format(http_date(), after, len(body), more, request_id)
    return Written(head.encode("latin-1"), body, is_last)


def _name(function: Any) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"
