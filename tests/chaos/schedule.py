"""Which fault happens when: drawn from a seed, or read from a file of an earlier run."""

import json
import random
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos import clients, network, processes, promotions
from tests.chaos.scene import Fault, Happened, Scene, happen


class Track(NamedTuple):
    """Faults of which one happens at a time.

    Attributes
    ----------
    gap : (float, float)
        Seconds from one fault to the next, at least and at most.
    """

    faults: tuple[Fault, ...]
    gap: tuple[float, float]


#: What happens only where versions are kept in a bucket.
BUCKET = "bucket"

TRACKS = {
    "store": Track(promotions.FAULTS, (0.5, 1.4)),
    "processes": Track(processes.FAULTS, (1.0, 4.0)),
    "clients": Track(clients.FAULTS, (2.0, 8.0)),
    BUCKET: Track(network.FAULTS, (4.0, 12.0)),
}

#: Of every half minute the last seconds are left in peace, and the first of a run.
CYCLE_SECONDS, CALM_SECONDS = 30.0, 4.0


class Event(NamedTuple):
    """A fault that is to happen.

    Attributes
    ----------
    at : float
        Seconds from the beginning.
    """

    at: float
    track: str
    fault: str
    parameters: dict[str, Any]


def draw(seed: int, seconds: float, *, has_bucket: bool = False) -> list[Event]:
    """Draw the faults of a run; the same seed gives the same."""
    found = []
    for name, track in TRACKS.items():
        if name == BUCKET and not has_bucket:
            continue
        own = random.Random(f"{seed} {name}")  # noqa: S311
        weights = [one.weight for one in track.faults]
        at = CALM_SECONDS + own.uniform(*track.gap)
        while at < seconds - CALM_SECONDS:
            (fault,) = own.choices(track.faults, weights)
            if at % CYCLE_SECONDS > CYCLE_SECONDS - CALM_SECONDS:
                at += CYCLE_SECONDS - at % CYCLE_SECONDS
            found.append(Event(round(at, 2), name, fault.name, fault.draw(own)))
            at += own.uniform(*track.gap)
    return sorted(found, key=lambda one: one.at)


def write(path: Path, events: list[Event], **others: Any) -> None:
    """Keep a schedule, and whatever else is known of the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"events": [one._asdict() for one in events], **others}
    path.write_text(json.dumps(kept, indent=1))


def read(path: Path) -> list[Event]:
    """Read a schedule that `write` has kept."""
    return [Event(**one) for one in json.loads(path.read_text())["events"]]


def play(scene: Scene, events: list[Event], seconds: float) -> list[Happened]:
    """Let every fault happen when it is due, or as soon as the one before it has ended."""
    began = time.monotonic()
    happened: list[Happened] = []

    def play_track(name: str) -> None:
        known = {one.name: one for one in TRACKS[name].faults}
        for event in events:
            if event.track == name:
                time.sleep(max(0.0, began + event.at - time.monotonic()))
                if time.monotonic() > began + seconds:
                    return
                if found := happen(scene, known[event.fault], event.parameters):
                    happened.append(found)

    tracks = [threading.Thread(target=play_track, args=(name,)) for name in TRACKS]
    for one in tracks:
        one.start()
    for one in tracks:
        one.join()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    return sorted(happened, key=lambda one: one.began)
