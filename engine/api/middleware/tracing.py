"""Traces for OpenTelemetry; imported only where an endpoint for them is set.

What is imported here starts no thread before a worker asks for its tracer:
threads would not survive the fork.
"""

import os
import threading
from contextlib import AbstractContextManager
from typing import Any

from flask import Response, g, request
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


class Spans:
    """A span for each request that Flask answers, and spans within it.

    The environment may give the service another name.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._made: tuple[int, trace.Tracer] | None = None

    def begin(self) -> None:
        """Begin the request's span, in the trace that the client names, if any."""
        names = ("traceparent", "tracestate")
        given = {name: request.headers[name] for name in names if name in request.headers}
        route = request.url_rule.rule if request.url_rule else ""
        span = self._tracer().start_span(
            f"{request.method} {route}".strip() if route else "HTTP",
            TraceContextTextMapPropagator().extract(given),
            kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": request.method[:20], "http.route": route},
        )
        g.trace_id = f"{span.get_span_context().trace_id:032x}"
        g.span, g.span_token = span, context.attach(trace.set_span_in_context(span))

    def finish(self, response: Response) -> Response:
        """Record in the span how the request was answered."""
        g.span.set_attribute("http.response.status_code", response.status_code)
        g.span.set_attribute("service.request_id", g.get("request_id", ""))
        if version := g.get("version"):
            g.span.set_attribute("service.model", version.name)
            g.span.set_attribute("service.model_version", version.version)
        if response.status_code >= 500:
            g.span.set_status(trace.StatusCode.ERROR)
        return response

    def end(self, _: BaseException | None) -> None:
        """End the request's span."""
        if "span" in g:
            context.detach(g.span_token)
            g.span.end()

    def span(self, name: str) -> AbstractContextManager[Any]:
        """Open a span within the request's."""
        return self._tracer().start_as_current_span(name)

    def _tracer(self) -> trace.Tracer:
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                service = os.environ.get("OTEL_SERVICE_NAME") or self._service
                provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
                provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
                self._made = os.getpid(), provider.get_tracer("api")
            return self._made[1]
