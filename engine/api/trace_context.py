"""W3C trace context: the trace that a request belongs to."""

import random
import re

from flask import g, has_request_context, request

# Version, trace, parent, flags; a later version may go on after a dash.
_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NOTHING = re.compile("0+")


def trace_id(parent: str) -> str:
    """Return the trace of a ``traceparent`` header, or a new one where it is not valid."""
    match = _PARENT.fullmatch(parent)
    is_valid = match and not (
        _NOTHING.fullmatch(match[2])
        or _NOTHING.fullmatch(match[3])
        or (match[1] == "00" and match[5])
    )
    return match[2] if match and is_valid else f"{random.getrandbits(128):032x}"


def name_trace() -> None:
    """Put the request's trace into ``g.trace_id``, if the request names one."""
    if parent := request.headers.get("traceparent"):
        g.trace_id = trace_id(parent.strip())


def current() -> str:
    """Return the trace of the current request; empty when there is none."""
    return str(g.get("trace_id", "")) if has_request_context() else ""
