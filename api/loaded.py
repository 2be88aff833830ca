"""The versions that this process holds in memory, read from the store on first use."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from api.candidate import Candidates
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer
from persistence.version import StoredVersion


class LoadedModels:
    """Versions by model and identifier; those least recently asked leave.

    Parameters
    ----------
    store : ModelStore
        Where they are read from.
    default : str
        The model that is meant when none is named. Its promoted version stays.
    most : int
        Versions in memory at most.

    Attributes
    ----------
    candidates : Candidates
        Those of them that are tried beside the promoted ones.
    """

    def __init__(self, store: ModelStore, default: str, *, most: int = 20) -> None:
        self.store = store
        self.default = default
        self._most = most
        self._pointers: dict[str, Pointer] = {}
        self._versions: OrderedDict[tuple[str, str], StoredVersion] = OrderedDict()
        self._lock = threading.Lock()
        self.candidates = Candidates(self)

    def get(self, name: str | None = None, version: str | None = None) -> StoredVersion:
        """Give a version, by default the promoted one of the default model.

        Raises
        ------
        ModelNotFound
            When the model has no promoted version.
        VersionNotFound
            When it has no such version.
        UntrustedArtifact
            When the version is refused.
        """
        found = self.loaded(name, version)
        if found is None:
            name = self.default if name is None else name
            with self._lock:
                found = self.loaded(name, version) or self._read(name, version)
        return found

    def loaded(self, name: str | None = None, version: str | None = None) -> StoredVersion | None:
        """Give a version, as `get`, if it is in memory already."""
        name = self.default if name is None else name
        if version is None:
            pointer = self._pointers.get(name)
            version = pointer.version if pointer else ""
        key = (name, version)
        found = self._versions.get(key)
        if found is not None and len(self._versions) == self._most:
            with suppress(KeyError):  # another thread may just let it go
                self._versions.move_to_end(key)
        return found

    def candidate(self, name: str | None = None) -> Candidate | None:
        """Give what is tried beside a model's promoted version, as far as is known here."""
        pointer = self._pointers.get(self.default if name is None else name)
        return pointer.candidate if pointer else None

    def pointer(self, name: str) -> Pointer:
        """Give a model's pointer as it is known here, else as the store has it."""
        return self._pointers.get(name) or self.store.pointer(name)

    def in_memory(self) -> list[StoredVersion]:
        """List the versions that are in memory."""
        return list(self._versions.values())

    def reload(self) -> None:
        """Read the default model's promoted version and its candidate anew, and forget the others.

        Raises
        ------
        ModelNotFound, UntrustedArtifact
            As `get`; what was read before is kept then.
        """
        pointer = self.store.pointer(self.default)
        found = self.store.read(self.default, pointer.version)
        with self._lock:
            self._pointers = {self.default: pointer}
            self._versions = OrderedDict({(self.default, found.version): found})
        if pointer.candidate:
            self.candidates.load(self.default, pointer.candidate)

    def card(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """Give the card of a version, as `get`, without loading the model."""
        found = self.loaded(name, version)
        return found.card if found else self.store.read_card(name, version)

    def _read(self, name: str, version: str | None) -> StoredVersion:
        if version is None:
            pointer = self.store.pointer(name)
            found = self.store.read(name, pointer.version)
            self._pointers[name] = pointer
        else:
            found = self.store.read(name, version)
        self._versions[name, found.version] = found
        default = self._pointers.get(self.default)
        kept = (self.default, default.version if default else "")
        while len(self._versions) > max(2, self._most):
            self._versions.pop(next(one for one in self._versions if one != kept))
        return found
