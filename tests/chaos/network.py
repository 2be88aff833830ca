"""What happens between the services and the bucket."""

import random
import time
from functools import partial
from typing import Any

from tests.chaos.scene import Fault, Scene
from tests.support.fault_proxy import FAULTS as MODES


def _break(scene: Scene, mode: str, *, seconds: float) -> None:
    """Break what the services ask of the bucket, for a while."""
    proxy = scene.place.proxy
    assert proxy, "only a bucket is behind a network"
    proxy.fail(mode)
    time.sleep(seconds)
    proxy.heal()


def _draw(draw: random.Random) -> dict[str, Any]:
    return {"seconds": round(draw.uniform(0.5, 6), 1)}


FAULTS = tuple(
    Fault(f"bucket: {mode}", partial(_break, mode=mode), _draw, is_blinding=True) for mode in MODES
)
