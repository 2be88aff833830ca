"""gunicorn's hooks: what the master and the workers do at the turns of a service's life."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from gunicorn.errors import HaltServer

from engine.worker.application import Application, application_of
from engine.worker.malloc import give_memory_back
from engine.worker.restarts import Deaths, wait_for_start
from engine.worker.shutdown import keep_signals_over_forks
from engine.worker.subprocess_starter import Starter


def on_starting(server: Any, *, train: str = "") -> None:
    """Prepare the master before any port is bound; train a model of which no version is stored."""
    keep_signals_over_forks()
    give_memory_back()
    application = _application(server)
    starters = []
    for start, use in application.lifecycle.processes:
        starters.append(Starter(start, server.log))
        use(starters[-1].ask)
    _extend(server, Deaths(server.log, application.metrics.count_death), starters)
    for address in server.cfg.address if not application.lifecycle.is_guarded() else ():
        host = address[0] if isinstance(address, tuple) else str(address)
        if host not in ("localhost", "::1") and not host.startswith("127."):
            sys.exit(
                f"gunicorn: others can reach {host}, and there is no API key. Make one with "
                "`flask keys make NAME`, or set API_KEY; or set OPEN_ACCESS=true where a "
                "gateway checks the callers"
            )
    if not train or application.lifecycle.has_version():
        return
    server.log.info("no version of %s is stored: training one", train)
    command = [sys.executable, "build_model.py", train, "--if-absent"]
    if subprocess.run(command, check=False).returncode:  # noqa: S603
        sys.exit(f"gunicorn: no version of {train} could be trained; the reason stands above")


def _extend(server: Any, deaths: Deaths, starters: Sequence[Starter]) -> None:
    """Let the master note its workers' deaths and start processes for them; call it once.

    gunicorn has no hook that says how a worker has ended, and none for signals.
    Its arbiter, the server, calls `reap_workers` whenever a child has ended, or
    it got a SIGCHLD.
    """
    server.deaths = deaths
    reap, reload = server.reap_workers, server.app.reload

    def reap_workers() -> None:
        workers = {**server.WORKERS}
        deaths.look(workers)
        try:
            reap()
        except HaltServer:  # a worker could not start, and has logged why
            if server.LISTENERS and not deaths.has_survivor(server.WORKERS):
                raise
            for pid in workers.keys() - server.WORKERS.keys():
                workers[pid].tmp.close()
                server.cfg.child_exit(server, workers[pid])
        for starter in starters:
            starter.start_requested()

    def reload_or_stay() -> None:
        before = server.app.cfg
        try:
            reload()
        except SystemExit:  # what is wrong is printed
            server.app.cfg = before
            gc.enable()
            server.log.error("the new configuration cannot be read: the one before goes on")

    server.reap_workers, server.app.reload = reap_workers, reload_or_stay


def when_ready(server: Any) -> None:
    """Load the default model before the workers fork, so that they share its memory."""
    _application(server).lifecycle.load(server.log)
    gc.enable()  # the configuration disables it for the start


def pre_fork(server: Any, worker: Any) -> None:
    """Choose the slot in which the worker counts, and when it starts."""
    worker.starts_at = time.monotonic() + server.deaths.pause()
    if application := _shared(worker):
        application.lifecycle.before_fork()
        taken = (getattr(other, "slot", 0) for other in server.WORKERS.values())
        worker.slot = application.metrics.free_slot(taken)


def pre_exec(server: Any) -> None:
    """Prepare the environment of a new master, which SIGUSR2 starts beside this one."""
    if application := application_of(server.app.wsgi()):
        application.lifecycle.hand_on(server.cfg.env_orig)


def post_fork(_: Any, worker: Any) -> None:
    """Wait in the worker until it may start, then begin as a worker."""
    wait_for_start(worker)
    if application := application_of(worker.app.wsgi()):
        application.lifecycle.after_fork(worker.slot if _shared(worker) else None)


def post_worker_init(worker: Any) -> None:
    """Serve the promoted version, from the first request on."""
    if application := application_of(worker.wsgi):
        application.lifecycle.begin()


def pre_request(_worker: Any, _request: Any) -> None:
    """Log nothing: gunicorn's own hook writes the address at level debug, which may be a key."""


def worker_exit(_: Any, worker: Any) -> None:
    """End the thread that watches for promotions, and wait for no other.

    That thread would abort the process if it were cut off while it loads a model.
    Other threads may still be at work, or stuck.
    """
    application = application_of(getattr(worker, "wsgi", None))  # None before it has started
    has_ended = application is None or application.lifecycle.end()
    is_busy = getattr(worker, "running", 0) or getattr(worker, "given_up", ())
    if is_busy or not has_ended:
        sys.stdout.flush()
        os._exit(0)


def child_exit(_: Any, worker: Any) -> None:
    """Forget what only a living worker reports; what it has counted stays."""
    if application := _shared(worker):
        application.metrics.end(worker.slot)


def on_exit(server: Any) -> None:
    """Store what waits for the log, and remove what does not outlive the service."""
    if application := application_of(server.app.wsgi()):
        application.lifecycle.finish()


def on_reload(server: Any) -> None:
    """Load the version that is promoted now; the old one goes on if that fails."""
    server.deaths.forget()
    when_ready(server)


def _application(server: Any) -> Application:
    if application := application_of(server.app.wsgi()):
        return application
    sys.exit("gunicorn: serve the application that `app.create_app` returns, as `app:app`")


def _shared(worker: Any) -> Application | None:
    """Return the application that master and workers share; None where each loads its own."""
    return application_of(worker.app.wsgi()) if worker.cfg.preload_app else None
