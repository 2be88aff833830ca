"""What gunicorn's master does besides gunicorn's own work."""

from typing import Any

from gunicorn.errors import HaltServer

from engine.worker.restarts import Deaths
from engine.worker.subprocess_starter import Starter


def extend(server: Any, deaths: Deaths, starter: Starter) -> None:
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
        starter.start_requested()

    def reload_or_stay() -> None:
        before = server.app.cfg
        try:
            reload()
        except SystemExit:  # what is wrong is printed
            server.app.cfg = before
            server.log.error("the new configuration cannot be read: the one before goes on")

    server.reap_workers, server.app.reload = reap_workers, reload_or_stay
