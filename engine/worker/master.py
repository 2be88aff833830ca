"""What gunicorn's master does beside gunicorn's own."""

from typing import Any

from gunicorn.errors import HaltServer

from engine.worker.restarts import Deaths
from engine.worker.subprocess_starter import Starter


def extend(server: Any, deaths: Deaths, starter: Starter) -> None:
    """Have the master look after its workers' deaths and wishes; to be called once.

    gunicorn has no hook that says how a worker has ended, and none for signals.
    It calls `reap_workers` whenever one of its children has ended, or it was
    told so.

    Parameters
    ----------
    server : gunicorn.arbiter.Arbiter
        Of this process.
    """
    server.deaths = deaths
    reap, reload = server.reap_workers, server.app.reload

    def reap_workers() -> None:
        known = {**server.WORKERS}
        deaths.look(known)
        try:
            reap()
        except HaltServer:  # a worker could not start; it has said why
            if server.LISTENERS and not deaths.has_survivor(server.WORKERS):
                raise
            for pid in known.keys() - server.WORKERS.keys():
                known[pid].tmp.close()
                server.cfg.child_exit(server, known[pid])
        starter.start_asked()

    def reload_or_stay() -> None:
        known = server.app.cfg
        try:
            reload()
        except SystemExit:  # it has said what is wrong
            server.app.cfg = known
            server.log.error("the new configuration cannot be read: the one before goes on")

    server.reap_workers, server.app.reload = reap_workers, reload_or_stay
