"""The versions that this process serves, read from the store on first use."""

import threading
from collections.abc import Mapping
from typing import Any

from persistence.model_persistence import ModelStore
from persistence.version import StoredVersion


class LoadedModels:
    """Promoted versions by model name.

    Parameters
    ----------
    store : ModelStore
        Where they are read from.
    default : str
        The model that is meant when none is named.
    """

    def __init__(self, store: ModelStore, default: str) -> None:
        self.store = store
        self.default = default
        self._versions: dict[str, StoredVersion] = {}
        self._lock = threading.Lock()

    def get(self, name: str | None = None) -> StoredVersion:
        """Give a model's promoted version, by default the default model's.

        Raises
        ------
        ModelNotFound
            When the model has no promoted version.
        UntrustedArtifact
            When the version is refused.
        """
        name = self.default if name is None else name
        found = self._versions.get(name)
        if found is None:
            with self._lock:
                found = self._versions.get(name) or self.store.read(name)
                self._versions[name] = found
        return found

    def loaded(self, name: str | None = None) -> StoredVersion | None:
        """Give a model's promoted version if it is in memory already."""
        return self._versions.get(self.default if name is None else name)

    def reload(self) -> None:
        """Read the default model's promoted version anew, and forget the others.

        Raises
        ------
        ModelNotFound, UntrustedArtifact
            As `get`; what was read before is kept then.
        """
        self._versions = {self.default: self.store.read(self.default)}

    def card(self, name: str) -> Mapping[str, Any]:
        """Give the card of a model's served version without loading the model."""
        found = self._versions.get(name)
        return found.card if found else self.store.read_card(name)
