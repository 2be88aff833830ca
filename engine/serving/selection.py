"""Which version of a model is served: the promoted one, or the last that was good."""

import time
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from persistence.promotions import Candidate, Pointer, versions_before

K = TypeVar("K")


class RefusedVersion(NamedTuple):
    """What is promoted and not served.

    Attributes
    ----------
    version : str or None
        Its identifier; None when the pointer is damaged, so that nobody knows.
    reason : str
        Why it was refused, in a sentence.
    """

    version: str | None
    reason: str


class ServedVersion(NamedTuple):
    """What is served of a model by default.

    Attributes
    ----------
    version : str
        Its identifier.
    pointer : Pointer or None
        As it was when this was decided; None when it was damaged.
    tag : str or None
        The pointer's, as `ModelStore.pointer_tag` gave it just before.
    refused : RefusedVersion or None
        The promoted version, when it is another.
    """

    version: str
    pointer: Pointer | None
    tag: str | None
    refused: RefusedVersion | None = None

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

    Parameters
    ----------
    pointer : Pointer or None
        None when it is damaged, so that nobody knows which were promoted.
    stored : callable
        Lists what is stored; called only after what comes first was refused.
    served : ServedVersion or None
        What is served now; it goes on where nothing better can be had.
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


class Refusals(Generic[K]):
    """What was refused of each model, why, and when it may be tried again."""

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, K], _Refusal] = {}

    def add(self, model: str, key: K, reason: str, first: float, longest: float) -> bool:
        """Note a refusal; return whether it is a new one.

        Parameters
        ----------
        first, longest : float
            For so many seconds it is not tried again; with each further
            refusal for twice as many, up to the longest pause.
        """
        before = self._refusals.get((model, key))
        if before and time.monotonic() < before.until:
            return False
        pause = min(2 * before.pause, longest) if before else first
        self._refusals[model, key] = _Refusal(reason, time.monotonic() + pause, pause)
        return before is None

    def reason(self, model: str, key: K) -> str | None:
        """Return why something is not to be tried now; None when it may be tried."""
        refusal = self._refusals.get((model, key))
        return refusal.reason if refusal and time.monotonic() < refusal.until else None

    def forget(self, model: str, key: K) -> None:
        """Forget a refusal: it was tried, and is good."""
        self._refusals.pop((model, key), None)

    def forget_model(self, model: str) -> None:
        """Forget every refusal of a model."""
        for key in [key for key in self if key[0] == model]:
            self._refusals.pop(key, None)

    def __contains__(self, key: tuple[str, K]) -> bool:
        """Tell whether something was refused when it was last tried."""
        return key in self._refusals

    def __iter__(self) -> Iterator[tuple[str, K]]:
        """Yield the models and what is refused of each."""
        return iter([*self._refusals])
