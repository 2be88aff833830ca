"""The versions that this process holds in memory, read from the store on first use."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.runtime.loading import load_to_serve, load_version
from engine.runtime.memory import check_memory
from engine.runtime.version import StoredVersion
from engine.serving.candidates import Candidates
from engine.serving.selection import RefusedVersion, ServedVersion, VersionSelector
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate
from persistence.store_errors import UntrustedArtifact

#: Locks under which versions are read. Two that share one wait for each other.
_LOCKS = 64


class ModelCache:
    """Versions by model and identifier; those least recently asked leave.

    What is in memory is given without a lock, whatever is read meanwhile.

    Parameters
    ----------
    store : ModelStore
        Where they are read from.
    default : str
        The model that is meant when none is named. Its promoted version stays.
    most : int
        Versions in memory at most.
    system : Path
        Where ``proc`` and ``sys`` tell how much memory there is.

    Attributes
    ----------
    candidates : Candidates
        Those of them that are tried beside the promoted ones.
    """

    def __init__(
        self, store: ModelStore, default: str, *, most: int = 20, system: Path = Path("/")
    ) -> None:
        self.store = store
        self.default = default
        self._most = most
        self._system = system
        self._choice = VersionSelector()
        self._served: dict[str, ServedVersion] = {}
        self._versions: OrderedDict[tuple[str, str], StoredVersion] = OrderedDict()
        self._named: set[tuple[str, str]] = set()
        self._lock = threading.Lock()  # over what is in memory; never held while something is read
        self._reading = [threading.Lock() for _ in range(_LOCKS)]
        self.candidates = Candidates(self)

    def get(
        self, name: str | None = None, version: str | None = None, *, is_named: bool = True
    ) -> StoredVersion:
        """Give a version, by default the one that is served of the default model.

        Parameters
        ----------
        is_named : bool
            Whether a client has named the version: then it stays when another
            is promoted or tried.

        Raises
        ------
        ModelNotFound
            When the model has no promoted version.
        VersionNotFound
            When it has no such version.
        UntrustedArtifact
            When the version is refused; without an identifier, when none can be
            served in its place either.
        NotEnoughMemory
            When there is no memory for it beside the others.
        """
        found = self.loaded(name, version, is_named=is_named)
        if found is None:
            name = self.default if name is None else name
            with self._reads(name, version):
                found = self.loaded(name, version, is_named=is_named)
                found = found or self._read(name, version, is_named=is_named)
        return found

    def loaded(
        self, name: str | None = None, version: str | None = None, *, is_named: bool = True
    ) -> StoredVersion | None:
        """Give a version, as `get`, if it is in memory already."""
        name = self.default if name is None else name
        if version is None:
            served = self._served.get(name)
            key = (name, served.version if served else "")
            found = self._versions.get(key)
        else:
            key = (name, version)
            found = self._versions.get(key)
            if found is not None and is_named:
                self._named.add(key)
        if found is not None and len(self._versions) == self._most:
            with suppress(KeyError):  # another thread may just let it go
                self._versions.move_to_end(key)
        return found

    def candidate(self, name: str | None = None) -> Candidate | None:
        """Give what is tried beside a model's promoted version, as far as is known here."""
        served = self._served.get(self.default if name is None else name)
        return served.candidate if served else None

    def in_memory(self) -> list[StoredVersion]:
        """List the versions that are in memory."""
        return list(self._versions.values())

    def served(self, name: str) -> ServedVersion | None:
        """Say what is served of a model by default; None when that is not in memory."""
        found = self._served.get(name)
        return found if found and (name, found.version) in self._versions else None

    def refused(self, name: str | None = None) -> RefusedVersion | None:
        """Say which promoted version of a model is not served, and why; None when it is."""
        found = self._served.get(self.default if name is None else name)
        return found.refused if found else None

    def names(self) -> list[str]:
        """List the models of which something is served by default."""
        return [*self._served]

    def reload(self) -> None:
        """Read the default model's promoted version, and forget the others.

        It is not asked anything, so that processes may be forked afterwards.

        Raises
        ------
        ModelNotFound, UntrustedArtifact
            As `get`; what was read before is kept then.
        """
        with self._reads(self.default, None):
            found = self._serve(self.default, trusts=True)
        with self._lock:
            self._served = {self.default: self._served[self.default]}
            self._versions = OrderedDict({(self.default, found.version): found})
            self._named.clear()

    def begin(self) -> None:
        """See, in a process that was forked after `reload`, that what it serves answers.

        Raises
        ------
        ModelNotFound, UntrustedArtifact
            When that is refused, and nothing else can be served.
        """
        for name in self.names():
            with self._reads(name, None):
                found = self.loaded(name)
                try:
                    if found:
                        found.verify()
                except UntrustedArtifact as error:
                    assert found
                    self._choice.refuse(name, found.version, str(error))
                    self._drop(name, found.version)
                self._serve(name)

    def is_behind(self, name: str) -> bool:
        """Tell whether `catch_up` has something to do; reads nothing but the pointer's tag.

        A model that is not in memory is never behind.
        """
        known = self.served(name)
        if known is None:
            return False
        tag = self.store.pointer_tag(name)
        is_due = known.refused is not None and self._choice.is_due(name, known.refused)
        return tag is not None and (tag != known.tag or is_due)

    def catch_up(self, name: str) -> bool:
        """Serve what is promoted now; requests that have a version keep it.

        Returns
        -------
        bool
            Whether another version is served.

        Raises
        ------
        ModelNotFound, UntrustedArtifact
            When nothing can be served.
        """
        known = self._served.get(name)
        with self._reads(name, None):
            found = self._serve(name)
        return known is None or known.version != found.version

    def card(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """Give the card of a version, as `get`, without loading the model."""
        found = self.loaded(name, version)
        return found.card if found else self.store.read_card(name, version)

    def _reads(self, name: str, version: str | None) -> threading.Lock:
        return self._reading[hash((name, version)) % _LOCKS]

    def _read(self, name: str, version: str | None, *, is_named: bool) -> StoredVersion:
        if version is None:
            return self._serve(name)
        found = self._read_beside(name, version)
        self._hold(found)
        if is_named:
            self._named.add((name, version))
        return found

    def _read_beside(self, name: str, version: str, *, trusts: bool = False) -> StoredVersion:
        """Read a version beside those in memory, if there is room."""
        if self._versions:
            check_memory(self.store.read_card(name, version), self._system)
        return (load_version if trusts else load_to_serve)(self.store, name, version)

    def _serve(self, name: str, *, trusts: bool = False) -> StoredVersion:
        """Choose what is served, and serve it from the next request on."""
        known = self._served.get(name)
        chosen, found = self._choice.choose(
            self.store, name, known,
            in_memory=lambda version: self._versions.get((name, version)),
            read=lambda name, version: self._read_beside(name, version, trusts=trusts),
        )  # fmt: skip
        self._hold(found)
        self._served[name] = chosen
        for version in (known.versions if known else set()) - chosen.versions:
            if (name, version) not in self._named:
                self._drop(name, version)
        return found

    def _hold(self, found: StoredVersion) -> None:
        with self._lock:
            self._versions[found.name, found.version] = found
            default = self._served.get(self.default)
            kept = (self.default, default.version if default else "")
            while len(self._versions) > max(2, self._most):
                left = next(one for one in self._versions if one != kept)
                self._versions.pop(left)
                self._named.discard(left)

    def _drop(self, name: str, version: str) -> None:
        with self._lock:
            self._versions.pop((name, version), None)
            self._named.discard((name, version))
