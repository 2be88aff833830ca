"""What every request passes on its way in and out, in order: a new middleware is an entry here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Flask, Response

from engine.api import trace_context
from engine.api.middleware import (
    access_log,
    auth,
    compression,
    cors,
    idempotency,
    language,
    prediction_log,
    query,
    rate_limit,
    request_id,
    server_timing,
)


class Middleware(NamedTuple):
    """The functions around a request.

    A response that `before` returns is the answer; `after` returns the answer,
    perhaps with more headers; `end` is called at last, whatever was raised. With one
    that is not `on_loop`, an application has no fast path: whoever sets it has written
    there what these functions do.
    """

    before: Callable[[], Response | None] | None
    after: Callable[[Response], Response] | None
    on_loop: bool = False
    end: Callable[[BaseException | None], None] | None = None

    @property
    def functions(self) -> tuple[Any, ...]:
        """All functions around the request."""
        return self.before, self.after, self.end


#: The middleware that observes a request. It sees every request, refused ones as well.
OBSERVING = (
    Middleware(access_log.start, access_log.finish, on_loop=True),
    Middleware(request_id.name_request, request_id.finish, on_loop=True),
    Middleware(trace_context.name_trace, None, on_loop=True),
    Middleware(server_timing.begin, server_timing.finish, on_loop=True),
)

#: The middleware that may answer in place of the route.
GUARDING = (
    Middleware(language.choose, language.finish, on_loop=True),
    Middleware(None, compression.compress, on_loop=True),
    Middleware(cors.answer_preflight, cors.allow_origin, on_loop=True),
    Middleware(auth.check_caller, auth.keep_private, on_loop=True),
    Middleware(rate_limit.count_request, rate_limit.show_standing, on_loop=True),
    Middleware(query.refuse_parameters, None, on_loop=True),
    Middleware(idempotency.begin, idempotency.store, on_loop=True, end=idempotency.end),
    Middleware(prediction_log.refuse_early, prediction_log.finish, on_loop=True),
)

#: All of it. The answer passes it in the opposite order.
ORDER = (*OBSERVING, *GUARDING)


def add_middleware(app: Flask, tracing: Any = None) -> None:
    """Add the middleware; `tracing` comes after the id, before anything can refuse a request."""
    traced = (Middleware(tracing.begin, tracing.finish),) if tracing else ()
    for middleware in (*OBSERVING, *traced, *GUARDING):
        if middleware.before:
            app.before_request(middleware.before)
        if middleware.after:
            app.after_request(middleware.after)
        if middleware.end:
            app.teardown_request(middleware.end)
    if tracing:
        app.teardown_request(tracing.end)
