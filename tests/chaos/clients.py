"""What clients do to a service: slow ones, half a request, rubbish, answers not taken."""

import random
import socket
import time
from contextlib import suppress
from typing import Any

from tests.chaos.oracle import questions
from tests.chaos.scene import Fault, Scene
from tests.support.raw_http import connect


def _links(scene: Scene, count: int) -> list[socket.socket]:
    """Connect to the services in turn, as many as accept."""
    found = []
    for number in range(count):
        with suppress(OSError):
            found.append(connect(scene.services[number % 2].port))
    return found


def _send_slowly(scene: Scene, *, clients: int, parts: int) -> None:
    """Send a request in small parts, and go before it is whole."""
    sent = questions([])[0].sent
    size = max(1, len(sent) // (parts + 1))
    links = _links(scene, clients)
    for n in range(parts):
        for link in links:
            with suppress(OSError):
                link.sendall(sent[n * size : (n + 1) * size])
        time.sleep(0.1)
    for link in links:
        link.close()


def _send_rubbish(scene: Scene, *, clients: int, size: int) -> None:
    rubbish = bytes(random.Random(size).randbytes(size))  # noqa: S311
    for link in _links(scene, clients):
        with suppress(OSError):
            link.sendall(rubbish)
        link.close()


def _take_nothing(scene: Scene, *, clients: int, seconds: float) -> None:
    """Ask for long answers, and do not read them."""
    sent = max((one.sent for one in questions([])), key=len)
    links = _links(scene, clients)
    for link in links:
        with suppress(OSError):
            link.sendall(sent)
    time.sleep(seconds)
    for link in links:
        link.close()


def _draw_slow(draw: random.Random) -> dict[str, Any]:
    return {"clients": draw.randint(5, 40), "parts": draw.randint(5, 20)}


def _draw_rubbish(draw: random.Random) -> dict[str, Any]:
    return {"clients": draw.randint(2, 10), "size": draw.randint(1, 5000)}


def _draw_silent(draw: random.Random) -> dict[str, Any]:
    return {"clients": draw.randint(2, 10), "seconds": round(draw.uniform(0.5, 3), 1)}


FAULTS = (
    Fault("slow clients", _send_slowly, _draw_slow, 2),
    Fault("rubbish", _send_rubbish, _draw_rubbish),
    Fault("answers not taken", _take_nothing, _draw_silent),
)
