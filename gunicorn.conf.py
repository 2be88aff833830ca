"""How gunicorn serves the application; read by ``gunicorn app:app`` by itself.

Sized for two workers in 512 MB. The master loads the default model once and
never asks it anything: a library that has started threads of its own would
not survive the fork.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from engine.api.log_format import formatter
from engine.worker import hooks
from settings import InvalidSettings, Settings

# Little of what a start makes is garbage: looking for it takes an eighth of the start. The
# hooks enable it again, also after a reload, for which this file is read again.
gc.disable()

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    _settings = Settings.from_environment()
except InvalidSettings as error:
    sys.exit(f"gunicorn: {error}")


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's own log, written as the application's."""

    def setup(self, cfg: Any) -> None:
        """Set up gunicorn's log, then change how lines are written."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            if getattr(handler, "_gunicorn", False):  # not one that a user has configured
                handler.setFormatter(formatter(_settings.log_format))


logger_class = _Log
# What gunicorn writes by itself has the address and the headers, which may be a record or a key.
access_log_format = "%(m)s %(s)s %(B)s bytes, %(D)s microseconds, %({x-request-id}o)s"
bind = _settings.address
workers = _settings.web_concurrency
worker_class = "engine.worker.gunicorn_worker.Worker"
threads = _settings.threads
preload_app = True
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
timeout = 30
graceful_timeout = 20  # platforms kill after 30
worker_connections = 10_000
keepalive = 95  # longer than a router's 90 s, so that the router closes first
forwarded_allow_ips = "*"
forwarder_headers = ""  # no client says where the application is mounted


when_ready, on_reload, on_exit = hooks.when_ready, hooks.on_reload, hooks.on_exit
pre_fork, post_fork, child_exit = hooks.pre_fork, hooks.post_fork, hooks.child_exit
pre_exec, pre_request = hooks.pre_exec, hooks.pre_request
post_worker_init, worker_exit = hooks.post_worker_init, hooks.worker_exit


def on_starting(server: Any) -> None:
    """Train the default model when none is stored, before any port is bound."""
    hooks.on_starting(server, train=_settings.default_model if _settings.train_if_absent else "")
