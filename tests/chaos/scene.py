"""Where faults happen: the store, the services over it, and who asks them."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.load import CLIENTS, Client, Record
from tests.chaos.oracle import Oracle, questions
from tests.chaos.places import Place
from tests.chaos.services import Service
from tests.chaos.trainers import Trainers
from tests.chaos.versions import NAME, forest, poison, prepare
from tests.support.serving import wait_until

#: Good versions, besides those that are published meanwhile.
VERSIONS = 6


class Fault(NamedTuple):
    """Something that may happen at any moment.

    Attributes
    ----------
    happen : callable
        Given the scene and the parameters. Ends when what has to follow has followed; raises
        AssertionError when it does not.
    draw : callable
        Chooses the parameters, plain JSON values.
    weight : int
        How often it is drawn, beside the others.
    is_blinding : bool
        Whether nobody can know meanwhile what is promoted.
    """

    name: str
    happen: Callable[..., None]
    draw: Callable[[random.Random], dict[str, Any]]
    weight: int = 1
    is_blinding: bool = False


class Skipped(Exception):
    """A fault cannot happen now, because of another."""


class Scene:
    """Services under load.

    Parameters
    ----------
    card : mapping
        Of a parcel model that was trained: the versions are made after it.
    rate : float
        Requests per second, all clients together.

    Attributes
    ----------
    place : Place
        Where the versions are.
    good : list of str
        Versions that may be promoted.
    poisoned : dict of str to str
        Versions that may not, by what is wrong with them.
    whole : Lock
        Held while the pointer is damaged, and while a service starts: one
        that starts then could not know what is promoted.
    """

    def __init__(
        self, folder: Path, place: Place, card: Mapping[str, Any], *, rate: float, seed: int
    ) -> None:
        self.place = place
        self.store = place.store()
        self.oracle = Oracle(prepare(self.store, card, count=VERSIONS))
        self.good = [*self.oracle.known]
        self.source = forest(card, 0)
        self.poisoned = poison(self.store, self.source, place.spoil)
        self.trainers = Trainers(place, self.source)
        self.whole = threading.Lock()
        settings = {"default_model": NAME, **place.settings}
        self.services = [
            Service(folder, {"model_cache": folder / f"cache-{n}", **settings}) for n in range(2)
        ]
        self._stopping = threading.Event()
        self.clients = [
            Client(
                number, self.oracle, questions(self.good), seed=seed, stopping=self._stopping,
                ports=[one.port for one in self.services], interval=CLIENTS / rate,
            )
            for number in range(CLIENTS)
        ]  # fmt: skip

    def begin(self) -> None:
        """Promote a version, start the services, then the clients."""
        self.trainers.start()
        self.promote(self.good[0])
        for service, max_requests in zip(self.services, (0, 400), strict=True):
            service.start(max_requests)
            wait_until(service.is_ready, "a service that is ready")
        for one in self.clients:
            one.start()

    def end(self) -> None:
        """Let the clients come to an end, then the services."""
        self._stopping.set()
        for client in self.clients:
            client.join()
        for service in self.services:
            service.stop()

    def close(self) -> None:
        """End everything, whatever has happened."""
        self._stopping.set()
        for one in self.services:
            one.close()

    def promote(self, version: str, *, is_rollback: bool = False) -> None:
        """Promote a good version."""
        self.oracle.promote(
            version, lambda: self.store.promote(NAME, version, is_rollback=is_rollback)
        )

    def other(self, pick: float, among: Sequence[str] = ()) -> str:
        """Choose a good version that is not promoted.

        Parameters
        ----------
        pick : float
            From 0 to 1.
        among : sequence of str
            Which may be chosen; empty: any that is good.
        """
        promoted = self.oracle.promotions[-1].version
        found = [one for one in among or self.good if one != promoted]
        return found[min(int(pick * len(found)), len(found) - 1)]

    def schema(self, version: str) -> Any:
        """Give the schema of a version."""
        return self.store.read_card(NAME, version)["schema"]

    def sizes(self) -> str:
        """Say how much memory and how many open files the services have."""
        found = [(one.memory_mb(), one.files()) for one in self.services]
        return ", ".join(f"{mb:.0f} MB and {files} files in a worker" for mb, files in found)

    def records(self) -> list[Record]:
        """Give what became of every request."""
        return [record for one in self.clients for record in one.records]


class Happened(NamedTuple):
    """A fault that has happened.

    Attributes
    ----------
    began, ended : float
        By the monotonic clock.
    failure : str
        What should have followed and did not; empty when it did.
    is_blinding : bool
        As of the fault.
    """

    fault: str
    parameters: dict[str, Any]
    began: float
    ended: float
    failure: str = ""
    is_blinding: bool = False


def happen(scene: Scene, fault: Fault, parameters: dict[str, Any]) -> Happened | None:
    """Let a fault happen, and see what follows; None when it cannot happen now."""
    began = time.monotonic()
    failure = ""
    try:
        fault.happen(scene, **parameters)
    except Skipped:
        return None
    except (AssertionError, OSError) as error:
        failure = f"{type(error).__name__}: {error}"
    ended = time.monotonic()
    return Happened(fault.name, parameters, began, ended, failure, fault.is_blinding)
