"""How gunicorn serves the application; read by ``gunicorn app:app`` by itself.

Sized for two workers in 512 MB. The master loads the default model once and
never asks it anything: a library that has started threads of its own would
not survive the fork.
"""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from engine.api.log_format import formatter
from engine.records.arrow import reader
from engine.runtime.memory import give_back
from engine.serving.hot_swap import watch
from engine.worker.master import extend
from engine.worker.restarts import Deaths, wait_for_start
from engine.worker.shutdown import keep_signals_over_forks
from engine.worker.subprocess_starter import Starter
from persistence.checked_files import UntrustedArtifact
from persistence.model_persistence import ModelNotFound, StoreUnavailable
from settings import InvalidSettings, Settings

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


def on_starting(server: Any) -> None:
    """Train the default model when none is stored, before any port is bound."""
    keep_signals_over_forks()
    _look_after_workers(server)
    _refuse_strangers(server)
    name = _settings.default_model
    if not _settings.train_if_absent or _is_stored(server, name):
        return
    server.log.info("no version of %s is stored: training one", name)
    command = [sys.executable, "build_model.py", name, "--if-absent"]
    if subprocess.run(command, check=False).returncode:  # noqa: S603
        sys.exit(f"gunicorn: no version of {name} could be trained; the reason stands above")


def _look_after_workers(server: Any) -> None:
    counted = server.app.wsgi().extensions["metrics"]
    starter = Starter(reader.start_reader, server.log)
    reader.start_elsewhere = starter.ask
    extend(server, Deaths(server.log, counted.count_death), starter)


def _is_stored(server: Any, name: str) -> bool:
    """Tell whether a version is promoted, or may be: the reason is told when it is read."""
    store = server.app.wsgi().extensions["models"].store
    store.ask_apart(True)
    try:
        store.pointer(name)
    except ModelNotFound:
        return False
    except (UntrustedArtifact, StoreUnavailable):
        pass
    return True


def _refuse_strangers(server: Any) -> None:
    """Stop when others can reach the service and nothing says who may ask it."""
    callers = server.app.wsgi().extensions["callers"]
    if callers.are_asked or callers.is_open:
        return
    for address in server.cfg.address:
        host = address[0] if isinstance(address, tuple) else str(address)
        if host not in ("localhost", "::1") and not host.startswith("127."):
            sys.exit(
                f"gunicorn: others can reach {host}, and there is no API key. Make one with "
                "`flask keys make NAME`, or set API_KEY; or set OPEN_ACCESS=true where a "
                "gateway checks the callers"
            )


def when_ready(server: Any) -> None:
    """Load the default model before the workers fork, so that they share its memory."""
    models = server.app.wsgi().extensions["models"]
    models.store.ask_apart(True)
    try:
        models.reload()
    except (LookupError, UntrustedArtifact, StoreUnavailable) as error:
        server.log.error("not ready: %s", error)
    gc.collect()
    gc.freeze()  # a collection in a worker would copy what is shared
    give_back()


def pre_fork(server: Any, worker: Any) -> None:
    """Choose where the worker counts, and when it starts."""
    worker.starts_at = time.monotonic() + server.deaths.pause()
    if counted := _metrics(worker):
        worker.slot = counted.free_slot(getattr(one, "slot", 0) for one in server.WORKERS.values())


def post_fork(server: Any, worker: Any) -> None:
    """Start when it may, count there, and ask the store from there: a worker does not fork."""
    wait_for_start(worker)
    if models := getattr(worker.app.wsgi(), "extensions", {}).get("models"):
        models.store.ask_apart(False)
    if counted := _metrics(worker):
        counted.begin(worker.slot)


def post_worker_init(worker: Any) -> None:
    """Serve what is promoted, from the first request on."""
    parts = getattr(worker.wsgi, "extensions", {})
    if {"models", "metrics", "stopping"} <= parts.keys():
        parts["watch"] = watch(parts["models"], parts["metrics"], parts["stopping"])


def worker_exit(server: Any, worker: Any) -> None:
    """Let the watching thread end, and wait for no other.

    Cut off while it loads a model, that thread would abort the process. Other
    threads may be at work still, or stuck.
    """
    parts = getattr(getattr(worker, "wsgi", None), "extensions", {})  # None before it has started
    if "watch" in parts:
        parts["stopping"].set()
        parts["watch"].join(5)
    if getattr(worker, "running", 0) or getattr(worker, "given_up", ()):
        sys.stdout.flush()
        os._exit(0)


def child_exit(server: Any, worker: Any) -> None:
    """Forget what only a living worker says; what it has counted stays."""
    if counted := _metrics(worker):
        counted.end(worker.slot)


def _metrics(worker: Any) -> Any:
    return getattr(worker.app.wsgi(), "extensions", {}).get("metrics") if preload_app else None


def on_exit(server: Any) -> None:
    """Remove what does not outlive the service."""
    if kept := getattr(server.app.wsgi(), "extensions", {}).get("idempotency_cache"):
        kept.remove()


def on_reload(server: Any) -> None:
    """Load the version that is promoted now; the old one goes on if that fails."""
    server.deaths.forget()
    when_ready(server)
