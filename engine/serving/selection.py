"""Which version of a model is served: the promoted one, or the last that was good."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.runtime.version import StoredVersion
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer, versions_before
from persistence.store_errors import UntrustedArtifact

_log = logging.getLogger(__name__)

#: A version that was refused is tried again after so many seconds, each time after twice as
#: many, and at last after so many; at once when the pointer changes.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0


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
        """What is tried beside it; it is beside the promoted version alone."""
        return self.pointer.candidate if self.pointer and not self.refused else None

    @property
    def versions(self) -> set[str]:
        """What is needed in memory for it."""
        return {self.version, *((self.candidate.version,) if self.candidate else ())}


class _Refusal(NamedTuple):
    reason: str
    until: float
    pause: float


class VersionSelector:
    """Chooses among versions, and remembers those that were refused."""

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, str | None], _Refusal] = {}

    def choose(
        self, store: ModelStore, name: str, known: ServedVersion | None, *,
        in_memory: Callable[[str], StoredVersion | None],
        read: Callable[[str, str], StoredVersion],
    ) -> tuple[ServedVersion, StoredVersion]:  # fmt: skip
        """Choose the version to serve: the promoted one or, if it is refused, the one before.

        Parameters
        ----------
        known : ServedVersion or None
            What is served now; it goes on where nothing better can be had.
        in_memory : callable
            Gives a version that is in memory; it is taken as it is.
        read : callable
            Reads a version by model and identifier; whatever it raises is the
            reason why that is refused.

        Raises
        ------
        ModelNotFound
            When the model has no pointer.
        UntrustedArtifact
            With the reason, when nothing can be served.
        """
        tag = store.pointer_tag(name)
        if known and known.tag != tag:
            self._forget(name)
        pointer, refused = self._read_pointer(store, name)
        for version in _candidates(store, name, pointer, known):
            try:
                self._raise_again(name, version)
                found = in_memory(version) or read(name, version)
            except Exception as error:  # noqa: BLE001  a damaged version raises whatever it likes
                reason = str(error) or repr(error)
                self.refuse(name, version, reason)
                refused = refused or RefusedVersion(version, reason)
                continue
            self._refusals.pop((name, version), None)
            return ServedVersion(version, pointer, tag, refused), found
        assert refused
        raise UntrustedArtifact(refused.reason)

    def refuse(self, name: str, version: str | None, reason: str) -> None:
        """Note that a version, or the pointer, is not to be tried again for a while."""
        before = self._refusals.get((name, version))
        if before and time.monotonic() < before.until:
            return
        if before is None:
            _log.error("%s of %s is not served: %s", version or "the pointer", name, reason)
        pause = min(2 * before.pause, LONGEST_PAUSE) if before else FIRST_PAUSE
        self._refusals[name, version] = _Refusal(reason, time.monotonic() + pause, pause)

    def is_due(self, name: str, refused: RefusedVersion) -> bool:
        """Tell whether what was refused may be tried again."""
        found = self._refusals.get((name, refused.version))
        return found is None or time.monotonic() >= found.until

    def _read_pointer(
        self, store: ModelStore, name: str
    ) -> tuple[Pointer | None, RefusedVersion | None]:
        try:
            found = store.pointer(name)
        except UntrustedArtifact as error:
            self.refuse(name, None, str(error))
            return None, RefusedVersion(None, str(error))
        self._refusals.pop((name, None), None)
        return found, None

    def _raise_again(self, name: str, version: str) -> None:
        """Refuse a version that was refused a moment ago, without reading it again."""
        found = self._refusals.get((name, version))
        if found and time.monotonic() < found.until:
            raise UntrustedArtifact(found.reason)

    def _forget(self, name: str) -> None:
        for key in [key for key in self._refusals if key[0] == name]:
            self._refusals.pop(key, None)


def _candidates(
    store: ModelStore, name: str, pointer: Pointer | None, known: ServedVersion | None
) -> Iterator[str]:
    """Give versions, the best first; without a pointer nobody knows which were promoted."""
    if pointer:
        yield pointer.version
        yield from versions_before(pointer.promotions, store.versions(name))
    if known:
        yield known.version
    if not pointer:
        yield from reversed(store.versions(name))
