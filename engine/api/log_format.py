"""Each record of the log as one line, whatever a client has written into it."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

from engine.api import trace_context

#: Characters that begin a line, or steer a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class JsonLines(logging.Formatter):
    """Formats a record as a JSON object: time, level, logger, event, then its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line, which contains the traceback."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
            "pid": record.process,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)  # ASCII: no character of another script ends a line


class TextLines(logging.Formatter):
    """Formats a record for a person; the lines of a traceback are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a line, and the traceback below it."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        head = f"{time} [{record.process}] {record.levelname} {record.name}: {record.getMessage()}"
        lines = [head + fields]
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            lines += [f"  {line}" for line in traceback.split("\n")]
        return "\n".join(_CONTROL.sub(_escape, line) for line in lines)


def formatter(form: str) -> logging.Formatter:
    """Return the formatter of a form: ``json``, one object per line, or ``text``."""
    return JsonLines() if form == "json" else TextLines()


def init(form: str) -> None:
    """Set up the log in a form, unless it is set up already."""
    if not logging.root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter(form))
        logging.root.addHandler(handler)
        logging.root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given: Mapping[str, Any] = getattr(record, "fields", {})
    fields = {name: value for name, value in given.items() if value is not None}
    if has_request_context():
        own = {"request_id": g.get("request_id"), "trace_id": trace_context.current()}
        fields = {name: value for name, value in own.items() if value} | fields
    return fields


def _escape(match: "re.Match[str]") -> str:
    return match[0].encode("unicode_escape").decode("ascii")
