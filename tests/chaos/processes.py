"""What happens to the processes: kills, stops, reloads, upgrades."""

import os
import random
import signal
from typing import Any

from tests.chaos.scene import Fault, Scene
from tests.support.serving import lives, wait_until


def _kill_worker(scene: Scene, *, service: int, worker: int) -> None:
    scene.services[service].kill_worker(worker)


def _stop_worker(scene: Scene, *, service: int, worker: int) -> None:
    hurt = scene.services[service]
    workers = hurt.workers()
    told = workers[worker % len(workers)]
    os.kill(told, signal.SIGTERM)
    wait_until(lambda: not lives(told), "the end of a worker")
    hurt.wait_until_whole(frozenset([told]))


def _deploy(scene: Scene, *, service: int, max_requests: int) -> None:
    with scene.whole:
        scene.services[service].stop()
        scene.services[service].start(max_requests)


def _reload(scene: Scene, *, service: int) -> None:
    hurt = scene.services[service]
    before = frozenset(hurt.workers())
    hurt.signal(signal.SIGHUP)
    hurt.wait_until_whole(before)


def _upgrade(scene: Scene, *, service: int) -> None:
    with scene.whole:
        scene.services[service].upgrade()


def _kill_master(scene: Scene, *, service: int) -> None:
    """Kill the master: its workers end by themselves, then it is started anew."""
    with scene.whole:
        scene.services[service].end(signal.SIGKILL)
        scene.services[service].start()


def _draw(draw: random.Random) -> dict[str, Any]:
    return {"service": draw.randrange(2)}


def _draw_worker(draw: random.Random) -> dict[str, Any]:
    return {"service": draw.randrange(2), "worker": draw.randrange(2)}


def _draw_start(draw: random.Random) -> dict[str, Any]:
    return {"service": draw.randrange(2), "max_requests": draw.choice((0, 0, 200, 400))}


FAULTS = (
    Fault("kill -9 of a worker", _kill_worker, _draw_worker, 5),
    Fault("SIGTERM to a worker", _stop_worker, _draw_worker, 2),
    Fault("SIGTERM, new start", _deploy, _draw_start, 4),
    Fault("SIGHUP", _reload, _draw, 2),
    Fault("SIGUSR2 upgrade", _upgrade, _draw, 2),
    Fault("kill -9 of a master", _kill_master, _draw),
)
