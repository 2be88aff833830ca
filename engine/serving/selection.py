"""Which version of a model is served: the promoted version, or the last that was good."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer, versions_before
from persistence.store_errors import UntrustedArtifact

_log = logging.getLogger(__name__)

#: A version that was refused is tried again after so many seconds, each time after twice as
#: many, and at last after so many; at once when the pointer changes.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0


class RefusedVersion(NamedTuple):
    """What is promoted and not served."""

    version: str | None  # None when the pointer is damaged, so that nobody knows
    reason: str  # in a sentence


class ServedVersion(NamedTuple):
    """What is served of a model by default."""

    version: str
    pointer: Pointer | None  # as it was when this was decided; None when it was damaged
    tag: str | None  # the pointer's, as `ModelStore.pointer_tag` returned it just before
    refused: RefusedVersion | None = None  # the promoted version, when it is another

    @property
    def candidate(self) -> Candidate | None:
        """What is tried beside it; only the promoted version has a candidate."""
        return self.pointer.candidate if self.pointer and not self.refused else None

    @property
    def versions(self) -> set[str]:
        """What has to be in memory for it."""
        return {self.version, *((self.candidate.version,) if self.candidate else ())}


def versions_to_try(
    pointer: Pointer | None, stored: Callable[[], list[str]], served: ServedVersion | None
) -> Iterator[str]:
    """Yield the versions that may be served, the best first.

    What is served now goes on where nothing better can be had. When the pointer is
    damaged nobody knows which were promoted. `stored` lists the versions, and is
    called only after what comes first was refused.
    """
    if pointer:
        yield pointer.version
        yield from versions_before(pointer.promotions, stored())
    if served:
        yield served.version
    if not pointer:
        yield from reversed(stored())


class _Refusal(NamedTuple):
    reason: str
    until: float
    pause: float


class Refusals:
    """What was refused, by model and version; the version None is a damaged pointer."""

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, str | None], _Refusal] = {}

    def add(self, model: str, version: str | None, reason: str) -> None:
        """Note a refusal, and log it when it is new."""
        before = self._refusals.get((model, version))
        if before and time.monotonic() < before.until:
            return
        if before is None:
            _log.error("%s of %s is not served: %s", version or "the pointer", model, reason)
        pause = min(2 * before.pause, LONGEST_PAUSE) if before else FIRST_PAUSE
        self._refusals[model, version] = _Refusal(reason, time.monotonic() + pause, pause)

    def read_pointer(
        self, store: ModelStore, model: str
    ) -> tuple[Pointer | None, RefusedVersion | None]:
        """Return a model's pointer; None, and why it is refused, when it is damaged."""
        try:
            pointer = store.pointer(model)
        except UntrustedArtifact as error:
            self.add(model, None, str(error))
            return None, RefusedVersion(None, str(error))
        self.forget(model, None)
        return pointer, None

    def reason(self, model: str, version: str | None) -> str | None:
        """Return why something is not to be tried now; None when it may be tried."""
        refusal = self._refusals.get((model, version))
        return refusal.reason if refusal and time.monotonic() < refusal.until else None

    def has(self, model: str, version: str | None) -> bool:
        """Return whether something was refused when it was last tried."""
        return (model, version) in self._refusals

    def forget(self, model: str, version: str | None) -> None:
        """Forget a refusal: what was refused is good now."""
        self._refusals.pop((model, version), None)

    def forget_model(self, model: str) -> None:
        """Forget every refusal of a model."""
        for key in [key for key in self._refusals if key[0] == model]:
            self._refusals.pop(key, None)
