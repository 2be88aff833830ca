"""Answers on the event loop: whether there may be any, and how they are logged."""

import os
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from engine.worker import hooks
from engine.worker.application import FastPath
from engine.worker.connection import Connection


def usable(fast_path: FastPath | None, cfg: Any, log: Any) -> FastPath | None:
    """Return the fast path; None where there is none, or something must not be skipped.

    What the loop would skip, such as a user's own hook, is logged.
    """
    if fast_path is None:
        return None
    obstacles = fast_path.obstacles()
    if os.environ.get("SCRIPT_NAME"):
        obstacles.append("SCRIPT_NAME is set")
    for hook in ("pre_request", "post_request"):
        setting = cfg.settings[hook]
        if setting.get() not in (setting.default, hooks.pre_request):
            obstacles.append(f"gunicorn's hook {hook}")
    if obstacles:
        reasons = "; ".join(obstacles)
        log.warning("the fast path is off, threads answer everything: %s", reasons)
    return None if obstacles else fast_path


def log_access(log: Any, conn: Connection, head: bytes, body: bytes, *, seconds: float) -> None:
    """Log an answer with gunicorn's logger, as gunicorn does for one of a thread."""
    status, *lines = head.decode("latin-1").split("\r\n")[:-2]
    # gunicorn does not count the fields that it writes itself.
    own = ("Server: ", "Date: ", "Connection: ")
    fields = [tuple(line.split(": ", 1)) for line in lines if not line.startswith(own)]
    answer = SimpleNamespace(status=status.partition(" ")[2], sent=len(body), headers=fields)
    pairs = conn.headers.items()
    headers = {name.decode("latin-1").upper(): value.decode("latin-1") for name, value in pairs}
    url = conn.url.decode("latin-1")
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": "POST",
        "RAW_URI": url,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": conn.client[0] if isinstance(conn.client, tuple) else conn.client,
    } | {f"HTTP_{name.replace('-', '_')}": value for name, value in headers.items()}
    log.access(answer, SimpleNamespace(headers=headers), environ, timedelta(seconds=seconds))
