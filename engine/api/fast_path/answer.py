"""Predictions answered without Flask's dispatch, byte for byte as with it.

The worker comes here first. Whatever is not a plain request to predict, plainly
valid and quick to answer, is left to the application.
"""

import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from flask import Flask

from engine.api.fast_path.obstacles import obstacles
from engine.api.middleware import access_log
from engine.api.middleware.auth import HEADERS, key_text, may_ask
from engine.api.middleware.order import ORDER
from engine.api.middleware.request_id import request_id
from engine.api.rate_counts import RedisCounts, Standing
from engine.api.requests import CANARY_KEY
from engine.api.resources import Resources
from engine.api.response_head import head_template
from engine.api.trace_context import trace_id
from engine.records.http_date import http_date
from engine.serving.prediction import QuickAnswer, each
from engine.serving.request import PredictRequest
from persistence.api_keys import Key

#: Bodies above this are left to the threads.
MOST_BYTES = 16 * 1024

#: Headers that change the meaning of a request, or how it is to be answered.
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

_CANARY_KEY = CANARY_KEY.lower().encode()
_KEY_HEADERS = tuple(name.encode() for name in HEADERS)

#: The target as it came; the headers, their names in small letters; the body; whether
#: the connection is to be closed, whatever the client wants.
Request = tuple[bytes, Mapping[bytes, bytes], bytes, bool]

#: Head and body as they go over the wire; whether the connection is closed afterwards.
Answer = tuple[bytes, bytes, bool]


class _Route(NamedTuple):
    rule: str
    model: str | None = None
    version: str | None = None


class FastPath:
    """What may be answered on the worker's event loop, by versions in memory alone.

    The application answers everything else.
    """

    def __init__(self, app: Flask, resources: Resources) -> None:
        self._app = app
        self._predictor = resources.predictor
        self._models = resources.models
        self._callers = resources.callers
        self._limit = resources.limit
        self._logs = resources.logs_requests
        self._doubtful = _DOUBTFUL.union((b"origin",) if resources.origins else ())
        self._metrics = resources.metrics

    def answers(self, requests: Sequence[Request]) -> list[Answer | None]:
        """Answer whole POSTs over HTTP/1.1, of whose headers none is repeated.

        None stands for a request that is left to the application.
        """
        start = time.perf_counter()
        fall_back = self._metrics.count_fallback
        parsed = each("parse", self._parse, requests, fall_back)
        standings = self._take(parsed)
        answers = self._predictor.answer_at_once(parsed, fall_back)
        self._count(requests, answers, seconds=time.perf_counter() - start)
        if self._logs:
            self._log(requests, answers, seconds=time.perf_counter() - start)
        return list(map(self._finish, requests, standings, answers))

    def _take(self, requests: list[PredictRequest | None]) -> list[Standing | None]:
        """Count the requests of each caller together; take out those beyond the limit."""
        standings: list[Standing | None] = [None] * len(requests)
        callers: dict[str | None, list[int]] = {}
        for place, request in enumerate(requests):
            if request is not None:
                callers.setdefault(request.key.id if request.key else None, []).append(place)
        for places in callers.values():
            first = requests[places[0]]
            counted = self._limit.take(first.key if first else None, len(places)) or ()
            for place, standing in zip(places, counted, strict=False):
                if standing.is_refused:
                    requests[place] = None
                else:
                    standings[place] = standing
        return standings

    def _count(
        self, requests: Sequence[Request], answers: Sequence[QuickAnswer | None], *, seconds: float
    ) -> None:
        rules: dict[str, int] = {}
        for (url, *_), answer in zip(requests, answers, strict=True):
            if answer is not None and (route := _route(url)):
                rules[route.rule] = rules.get(route.rule, 0) + 1
        for rule, count in rules.items():
            self._metrics.count_requests(rule, "POST", 200, seconds=seconds, count=count)

    def _finish(
        self, request: Request, standing: Standing | None, answer: QuickAnswer | None
    ) -> Answer | None:
        if answer is None:
            if standing:
                self._limit.give_back(standing)
            return None
        decided, body = answer
        _, headers, _, is_last = request
        is_last = is_last or headers.get(b"connection", b"").lower() == b"close"
        after = "close" if is_last else "keep-alive"
        more = "Cache-Control: no-store\r\n"
        if standing:
            more += "".join(f"{name}: {value}\r\n" for name, value in standing.headers().items())
        name = decided.chosen.request.request_id
        head = _HEAD.format(http_date(), after, len(body), more, name)
        return head.encode("latin-1"), body, is_last

    def _log(
        self, requests: Sequence[Request], answers: Sequence[QuickAnswer | None], *, seconds: float
    ) -> None:
        for (url, headers, *_), answer in zip(requests, answers, strict=True):
            if answer is None or (route := _route(url)) is None:
                continue
            decided, body = answer
            request, version = decided.chosen.request, decided.chosen.version
            parent = headers.get(b"traceparent")
            access_log.log_request(
                method="POST",
                route=route.rule,
                status=200,
                seconds=seconds,
                bytes=len(body),
                request_id=request.request_id,
                trace_id=trace_id(parent.decode("latin-1").strip()) if parent else None,
                model=version.name,
                version=version.version,
                key=request.key.name if request.key else None,
            )

    def _parse(self, request: Request) -> PredictRequest | None:
        url, headers, body, _ = request
        route = _route(url)
        if route is None:
            return None
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
        if self._callers.need_keys:
            key = self._find_key(headers, route.model)
            if key is None:
                return None
        kind = headers.get(b"content-type", b"").decode("latin-1")
        canary = headers.get(_CANARY_KEY, b"").decode("latin-1").strip()
        return PredictRequest(
            body, kind, name, route.model, route.version, key=key, canary_key=canary
        )

    def _find_key(self, headers: Mapping[bytes, bytes], model: str | None) -> Key | None:
        """Return the caller's key, if it may ask the model."""
        given = [headers.get(name, b"").decode("latin-1") for name in _KEY_HEADERS]
        key = self._callers.find(given[0] or key_text(given))
        model = self._models.default if model is None else model
        return key if key and may_ask(key, "predict", model) else None

    def obstacles(self) -> list[str]:
        """List what was added to the application and would be skipped here."""
        is_redis = isinstance(self._limit.counts, RedisCounts)
        redis = ["RATE_LIMIT_REDIS counts requests"] if is_redis else []
        own = [function for part in ORDER if part.on_loop for function in part.functions]
        return [*redis, *obstacles(self._app, own)]


@lru_cache(1000)
def _route(url: bytes) -> _Route | None:
    """Return the route of a target, the model and the version; None where it does not predict."""
    if url == b"/v0/predict":
        return _Route("/v0/predict")
    parts = _NAMED.fullmatch(url)
    if not parts:
        return None
    if parts[3]:
        return _Route("/inference/<name>", parts[3].decode())
    if parts[2]:
        rule = "/v0/models/<name>/versions/<version>/predict"
        return _Route(rule, parts[1].decode(), parts[2].decode())
    return _Route("/v0/models/<name>/predict", parts[1].decode())
