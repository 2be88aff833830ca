"""Predictions answered without Flask's dispatch, byte for byte as with it.

The worker comes here first. Whatever is not a plain request to predict, plainly
valid and quick to answer, is left to the application.
"""

import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from flask import Flask

from engine.api.fast_path.obstacles import obstacles
from engine.api.middleware import access_log
from engine.api.middleware.auth import HEADERS, key_text, may_ask
from engine.api.middleware.order import ORDER
from engine.api.middleware.prediction_log import header
from engine.api.middleware.request_id import is_plain, new_id
from engine.api.rate_counts import Standing
from engine.api.requests import CANARY_KEY
from engine.api.resources import Resources
from engine.api.response_head import head_template
from engine.api.trace_context import trace_id
from engine.languages import ENGLISH, LANGUAGES
from engine.languages.accept_language import preferred
from engine.records.http_date import http_date
from engine.serving.prediction import QuickAnswer
from engine.serving.request import PredictRequest

#: Bodies above this are left to the threads.
MOST_BYTES = 16 * 1024

#: Headers that change the meaning of a request, or how it is to be answered.
_DOUBTFUL = frozenset(
    (
        b"expect", b"transfer-encoding", b"upgrade", b"content-encoding", b"te", b"trailer",
        b"x-forwarded-protocol", b"x-forwarded-ssl",  # gunicorn refuses two that disagree
        b"x-server-timing", b"idempotency-key", b"prefer",
    )
)  # fmt: skip
_HOST = re.compile(rb"(?:[A-Za-z0-9-]{1,63}\.){0,9}[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?")
_ACCEPTED = (b"*/*", b"application/json", None)
_NAMED = re.compile(
    rb"/v0/models/([a-z0-9_]{1,64})(?:/versions/([0-9]{8}T[0-9]{6}Z-[0-9a-f]{5}))?/predict"
    rb"|/inference/([a-z0-9_]{1,64})"
)

_JSON = frozenset(
    (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
)

#: What stands between the date, the value of ``Connection``, the length, more lines and the id.
_HEAD = head_template(200, "application/json").split("{}")

_CANARY_KEY = CANARY_KEY.lower().encode()
_KEY_HEADERS = tuple(name.encode() for name in HEADERS)


class _Route(NamedTuple):
    rule: str
    model: str | None = None
    version: str | None = None


class Head(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the head of a request says; another request may have the same."""

    length: int  # of the body
    is_last: bool  # whether the client closes the connection afterwards
    route: _Route
    model: str  # the one that is meant
    content_type: str
    request_id: str  # the client's own, or empty
    key: str  # the text of the API key, or empty
    canary_key: str
    trace_parent: str


#: The head; the body; whether the connection is to be closed, whatever the client wants.
Request = tuple[Head, bytes, bool]

#: Head and body as they go over the wire.
Answer = tuple[bytes, bytes]


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
        self._prediction_log = resources.log
        self._doubtful = _DOUBTFUL.union((b"origin",) if resources.origins else ())
        self._metrics = resources.metrics

    def head(self, url: bytes, headers: Mapping[bytes, bytes]) -> Head | None:
        """Read the head of a POST over HTTP/1.1, of whose headers none is repeated.

        None stands for a request that is left to the application.
        """
        route, length = _route(url), headers.get(b"content-length", b"")
        kind, given = headers.get(b"content-type", b""), headers.get(b"x-request-id", b"")
        after = headers.get(b"connection", b"keep-alive").lower()
        if (
            route is None
            or not (length.isdigit() and len(length) < 10)
            or int(length) > min(MOST_BYTES, self._app.config["MAX_CONTENT_LENGTH"] or MOST_BYTES)
            or not self._doubtful.isdisjoint(headers)
            or after not in (b"keep-alive", b"close")
            or headers.get(b"accept") not in _ACCEPTED
            or not _is_english(headers.get(b"accept-language", b""))
            or b"language=" in headers.get(b"cookie", b"")
            or not _HOST.fullmatch(headers.get(b"host", b""))
            or (given and not is_plain(given.decode("latin-1")))
            or kind.lower() not in _JSON
        ):
            return None
        return Head(
            length=int(length), is_last=after == b"close", route=route,
            model=self._models.default if route.model is None else route.model,
            content_type=kind.decode(), request_id=given.decode(),
            key=key_text(_text(headers, name) for name in _KEY_HEADERS),
            canary_key=_text(headers, _CANARY_KEY).strip(),
            trace_parent=_text(headers, b"traceparent").strip(),
        )  # fmt: skip

    def answers(self, requests: Sequence[Request]) -> list[Answer | None]:
        """Answer whole requests whose heads `head` has read.

        None stands for a request that is left to the application.
        """
        start = time.perf_counter()
        log = self._prediction_log
        if log and (log.is_sync or log.refusal(sum(len(body) for _, body, _ in requests))):
            return [None] * len(requests)
        admitted: list[PredictRequest | None] = [None] * len(requests)
        standings: list[tuple[Standing, int] | None] = [None] * len(requests)
        callers: dict[str, list[int]] = {}
        for place, (head, *_) in enumerate(requests):
            callers.setdefault(head.key, []).append(place)
        for text, places in callers.items():
            try:
                self._admit(text, places, requests, admitted, standings, came=start)
            except Exception:  # noqa: BLE001  the application meets it again, and phrases it
                self._metrics.count_fallback("parse")
        answers = self._predictor.answer_at_once(admitted, self._metrics.count_fallback)
        seconds = time.perf_counter() - start
        self._count(requests, answers, seconds=seconds)
        if self._logs:
            self._log(requests, answers, seconds=seconds)
        return list(map(self._finish, requests, standings, answers))

    def _admit(
        self, text: str, places: list[int], requests: Sequence[Request],
        admitted: list[PredictRequest | None], standings: list[tuple[Standing, int] | None],
        *, came: float,
    ) -> None:  # fmt: skip
        """Admit what a caller may ask and is within its limit, at some places of the requests."""
        key = None
        if self._callers.need_keys:
            key = self._callers.find(text)
            places = [n for n in places if key and may_ask(key, "predict", requests[n][0].model)]
            if not places:
                return
        if self._limit.may_wait(key):
            return
        standing = self._limit.take(key, len(places))
        for further, place in enumerate(places):
            if standing is not None:
                if standing.used + further > standing.rate.requests:
                    return
                standings[place] = standing, further
            head, body, _ = requests[place]
            admitted[place] = PredictRequest(
                body, head.content_type, head.request_id or new_id(), head.route.model,
                head.route.version, key, head.canary_key, came=came,
                is_alias=not head.route.rule.startswith("/v0"),
            )  # fmt: skip

    def _count(
        self, requests: Sequence[Request], answers: Sequence[QuickAnswer | None], *, seconds: float
    ) -> None:
        rules: dict[str, int] = {}
        for (head, *_), answer in zip(requests, answers, strict=True):
            if answer is not None:
                rule = head.route.rule
                rules[rule] = rules.get(rule, 0) + 1
        for rule, count in rules.items():
            self._metrics.count_requests(rule, "POST", 200, seconds=seconds, count=count)

    def _finish(
        self, request: Request, standing: tuple[Standing, int] | None, answer: QuickAnswer | None
    ) -> Answer | None:
        if answer is None:
            if standing is not None:
                self._limit.give_back(standing[0])
            return None
        decided, body = answer
        head, _, is_last = request
        status, date, kind, length, name, rest = _HEAD
        after = "close" if is_last or head.is_last else "keep-alive"
        limit = "" if standing is None else standing[0].lines(standing[1])
        predicted = decided.chosen.request
        logged = header(predicted)
        lines = f"{logged[0]}: {logged[1]}\r\n{limit}" if logged else limit
        return (
            f"{status}{http_date()}{date}{after}{kind}{len(body)}{length}"
            f"Cache-Control: no-store\r\n{lines}{name}{predicted.request_id}{rest}"
        ).encode(), body

    def _log(
        self, requests: Sequence[Request], answers: Sequence[QuickAnswer | None], *, seconds: float
    ) -> None:
        for (head, *_), answer in zip(requests, answers, strict=True):
            if answer is None:
                continue
            decided, body = answer
            request, version = decided.chosen.request, decided.chosen.version
            access_log.log_request(
                method="POST",
                route=head.route.rule,
                status=200,
                seconds=seconds,
                bytes=len(body),
                request_id=request.request_id,
                trace_id=trace_id(head.trace_parent) if head.trace_parent else None,
                model=version.name,
                version=version.version,
                key=request.key.name if request.key else None,
            )

    def obstacles(self) -> list[str]:
        """List what was added to the application and would be skipped here."""
        redis = ["SHARED_REDIS counts requests"] if self._limit.may_wait(None) else []
        own = [function for part in ORDER if part.on_loop for function in part.functions]
        return [*redis, *obstacles(self._app, own)]


@lru_cache(1000)
def _route(url: bytes) -> _Route | None:
    """Return the route of a target, the model and the version; None where it does not predict."""
    if url in (b"/v0/predict", b"/get_prediction"):
        return _Route(url.decode())
    parts = _NAMED.fullmatch(url)
    if not parts:
        return None
    if parts[3]:
        return _Route("/inference/<name>", parts[3].decode())
    if parts[2]:
        rule = "/v0/models/<name>/versions/<version>/predict"
        return _Route(rule, parts[1].decode(), parts[2].decode())
    return _Route("/v0/models/<name>/predict", parts[1].decode())


@lru_cache(1000)
def _is_english(accept_language: bytes) -> bool:
    """Return whether answers, which may have warnings, are in English."""
    return preferred(accept_language.decode("latin-1"), tuple(LANGUAGES)) == ENGLISH


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
