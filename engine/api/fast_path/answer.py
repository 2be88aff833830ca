"""Predictions answered without Flask's dispatch, byte for byte as it would.

The worker asks here first. Whatever is not a plain request to predict, plainly
valid and quick, is left to the application.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec
from flask import Flask

from engine.api.fast_path.obstacles import obstacles
from engine.api.middleware import access_log, cors, idempotency, server_timing
from engine.api.middleware.auth import HEADERS, Callers, check_caller, key_text, may_ask
from engine.api.middleware.rate_limit import (
    RateLimit,
    RedisCounts,
    Standing,
    count_request,
    show_standing,
)
from engine.api.middleware.request_id import finish, name_request, request_id
from engine.api.response_head import head_template
from engine.api.trace_context import name_trace, trace_id
from engine.records.http_date import http_date
from engine.runtime.version import StoredVersion
from engine.schema.json_decoder import Decoded
from engine.serving.candidates import HEADER as CANARY_KEY
from engine.serving.metrics import note_predicted
from engine.serving.model_cache import ModelCache
from engine.serving.prediction import answer_at_once, each
from engine.serving.request import PredictRequest
from engine.serving.shared_counters import Count
from persistence.api_keys import Key
from persistence.promotions import Candidate

#: Bodies above this are left to the threads.
MOST_BYTES = 16 * 1024

#: Headers that change what is asked, or how it is to be answered.
_DOUBTFUL = frozenset(
    (
        b"expect", b"transfer-encoding", b"upgrade", b"content-encoding", b"te", b"trailer",
        b"x-forwarded-protocol", b"x-forwarded-ssl",  # gunicorn refuses two that disagree
        b"x-server-timing", b"idempotency-key",
    )
)  # fmt: skip
_HOST = re.compile(rb"(?:[A-Za-z0-9-]{1,63}\.){0,9}[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?")
_is_host = lru_cache(1000)(_HOST.fullmatch)
_ACCEPTED = (b"*/*", b"application/json", None)
_NAMED = re.compile(
    rb"/v0/models/([a-z0-9_]{1,64})(?:/versions/([0-9]{8}T[0-9]{6}Z-[0-9a-f]{5}))?/predict"
    rb"|/inference/([a-z0-9_]{1,64})"
)

_HEAD = head_template(200, "application/json")

#: What this module does itself when it answers; all else must run.
_KNOWN = (
    name_request, finish, name_trace, access_log.start, access_log.finish, server_timing.begin,
    server_timing.finish, check_caller, count_request, show_standing, cors.answer_preflight,
    cors.allow_origin, idempotency.begin, idempotency.store,
)  # fmt: skip
_CANARY_KEY = CANARY_KEY.lower().encode()
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
    models : ModelCache
        Asked for what is in memory; nothing is loaded here.
    logs : bool
        Whether each request gets a line in the log.
    """

    def __init__(self, app: Flask, models: ModelCache, *, logs: bool = False) -> None:
        self._app = app
        self._models = models
        self._callers: Callers = app.extensions["callers"]
        self._limit: RateLimit = app.extensions["rate_limit"]
        self._logs = logs
        pages = (b"origin",) if app.extensions["origins"] else ()
        self._doubtful = _DOUBTFUL.union(pages)
        self._metrics = app.extensions["metrics"]
        self._shadow = app.extensions["shadow"]

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
        start = time.perf_counter()
        asked = each(self._asked, requests)
        standings = self._take(asked)
        counts: list[Count] = []
        served: list[StoredVersion] = []
        bodies = answer_at_once(self._models, asked, tell=partial(self._tell, counts, served))
        self._count(requests, bodies, counts, time.perf_counter() - start)
        if self._logs:
            self._log(requests, asked, bodies, served, seconds=time.perf_counter() - start)
        return list(map(self._finish, requests, asked, standings, bodies))

    def _tell(
        self, counts: list[Count], served: list[StoredVersion], version: StoredVersion,
        decoded: Decoded, shadow: Candidate | None, found: Any,
    ) -> None:  # fmt: skip
        """Note what has answered, and what."""
        note_predicted(counts, version, found)
        served.append(version)
        if shadow is not None:
            self._shadow.offer(version, shadow, decoded.matrix, found)

    def _take(self, asked: list[PredictRequest | None]) -> list[Standing | None]:
        """Count the requests of each caller together; take those out that are one too many."""
        standings: list[Standing | None] = [None] * len(asked)
        callers: dict[str | None, list[int]] = {}
        for place, one in enumerate(asked):
            if one is not None:
                callers.setdefault(one.key.id if one.key else None, []).append(place)
        for places in callers.values():
            first = asked[places[0]]
            found = self._limit.take(first.key if first else None, len(places)) or ()
            for place, standing in zip(places, found, strict=False):
                if standing.is_refused:
                    asked[place] = None
                else:
                    standings[place] = standing
        return standings

    def _count(
        self, requests: Sequence[Request], bodies: Sequence[bytes | None],
        counts: Sequence[Count], seconds: float,
    ) -> None:  # fmt: skip
        routes: dict[str, int] = {}
        for (url, *_), body in zip(requests, bodies, strict=True):
            if body is not None:
                route = _route(url)
                routes[route] = routes.get(route, 0) + 1
        if routes:
            self._metrics.count_at_once(routes, seconds, counts)

    def _finish(
        self,
        request: Request,
        asked: PredictRequest | None,
        standing: Standing | None,
        body: bytes | None,
    ) -> Written | None:
        if asked is None or body is None:
            if standing:
                self._limit.give_back(standing)
            return None
        return _written(request, asked.request_id, standing, body)

    def _log(
        self, requests: Sequence[Request], asked: Sequence[PredictRequest | None],
        bodies: Sequence[bytes | None], served: Iterable[StoredVersion], *, seconds: float,
    ) -> None:  # fmt: skip
        in_turn = iter(served)
        for (url, headers, *_), one, body in zip(requests, asked, bodies, strict=True):
            if one is None or body is None:
                continue
            version = next(in_turn)
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
                model=version.name,
                version=version.version,
                key=one.key.name if one.key else None,
            )

    def _asked(self, request: Request) -> PredictRequest | None:
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
            or not self._doubtful.isdisjoint(headers)
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
        sticky = headers.get(_CANARY_KEY, b"").decode("latin-1").strip()
        return PredictRequest(body, kind, "", name, model, version, key=key, canary_key=sticky)

    def _find_key(self, headers: Mapping[bytes, bytes], model: str | None) -> Key | None:
        """Give the caller's key, if it is good for the model."""
        given = [headers.get(name, b"").decode("latin-1") for name in _KEY_HEADERS]
        key = self._callers.find(given[0] or key_text(given))
        model = self._models.default if model is None else model
        return key if key and may_ask(key, "predict", model) else None

    def obstacles(self) -> list[str]:
        """Name what was added to the application and would be passed over here."""
        is_redis = isinstance(self._limit.counts, RedisCounts)
        found = ["RATE_LIMIT_REDIS counts requests"] if is_redis else []
        known = (*_KNOWN, self._metrics.start, self._metrics.finish)
        return [*found, *obstacles(self._app, known)]


def _route(url: bytes) -> str:
    if url == b"/v0/predict":
        return "/v0/predict"
    if url.startswith(b"/inference/"):
        return "/inference/<name>"
    named = b"/versions/" in url
    return f"/v0/models/<name>{'/versions/<version>' if named else ''}/predict"


def _written(request: Request, request_id: str, standing: Standing | None, body: bytes) -> Written:
    _, headers, _, is_last = request
    is_last = is_last or headers.get(b"connection", b"").lower() == b"close"
    after = "close" if is_last else "keep-alive"
    more = "Cache-Control: no-store\r\n"
    if standing:
        more += "".join(f"{name}: {value}\r\n" for name, value in standing.headers().items())
    head = _HEAD.format(http_date(), after, len(body), more, request_id)
    return Written(head.encode("latin-1"), body, is_last)
