"""The versions that this process holds in memory, read from the store on first use."""

import threading
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from pathlib import Path
from zlib import crc32

from engine.runtime.loading import as_card, open_stored
from engine.runtime.memory import check_memory
from engine.runtime.version import StoredVersion
from engine.schema.card import Card
from engine.serving.loads import Loads, StillLoading
from engine.serving.selection import Refusals, RefusedVersion, ServedVersion, versions_to_try
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate
from persistence.store_errors import UntrustedArtifact

#: Locks under which versions are read. Versions that share a lock wait for each other.
_LOCKS = 64


class ModelCache:
    """Versions by model and identifier; those least recently used leave.

    What is in memory is returned without a lock, whatever is read meanwhile.

    Parameters
    ----------
    default : str
        The model that is meant when none is named. Its promoted version stays.
    most : int
        Versions in memory at most.
    patience : float, optional
        The seconds that a caller waits for a version to be loaded; None: to the end.
    system : Path
        Where ``proc`` and ``sys`` show how much memory there is.
    """

    def __init__(
        self, store: ModelStore, default: str, *, most: int = 20, patience: float | None = None,
        system: Path = Path("/"),
    ) -> None:  # fmt: skip
        self.store = store
        self.default = default
        self._most = most
        self._system = system
        self.refusals = Refusals()
        self.loads = Loads(patience)
        self._served: dict[str, ServedVersion] = {}
        self._versions: OrderedDict[tuple[str, str], StoredVersion] = OrderedDict()
        self._named: set[tuple[str, str]] = set()
        self._lock = threading.Lock()  # over what is in memory; never taken while a version is read
        self._reading = [threading.Lock() for _ in range(_LOCKS)]

    def get(
        self, name: str | None = None, version: str | None = None, *, is_named: bool = True
    ) -> StoredVersion:
        """Return a version, by default the version that is served of the default model.

        If a client has named it, it stays when another is promoted or tried.

        Raises
        ------
        ModelNotFound
            When the model has no promoted version.
        VersionNotFound
            When it has no such version.
        UntrustedArtifact
            When it is refused; without an identifier, when nothing can be served.
        NotEnoughMemory
            When there is no memory for it beside the others.
        StillLoading
            When it is not loaded in time. The load goes on, and a later call finds it.
        """
        name = self.default if name is None else name
        version = self.identifier(name, version)
        if stored := self.loaded(name, version, is_named=is_named):
            return stored
        load = partial(self._load, name, version, is_named=is_named)
        label = f"{version or 'the promoted version'} of {name}"
        loaded: StoredVersion = self.loads.wait((name, version, is_named), load, label)
        return loaded

    def _load(self, name: str, version: str | None, *, is_named: bool) -> StoredVersion:
        with self._reads(name, version):
            if stored := self.loaded(name, version, is_named=is_named):
                return stored
            if version is None:
                return self._serve(name)
            stored = self._read_beside(name, version)
            self._hold(stored, is_named=is_named)
            return stored

    def identifier(self, name: str, version: str | None) -> str | None:
        """Return a version's identifier, by memory alone while the model is served."""
        served = self.served(name)
        if version and served and served.pointer:
            return served.pointer.named.get(version, version)
        return self.store.identifier(name, version) if version else version

    def loaded(
        self, name: str | None = None, version: str | None = None, *, is_named: bool = True
    ) -> StoredVersion | None:
        """Return a version, as `get`, if it is in memory already."""
        name = self.default if name is None else name
        if version is None:
            served = self._served.get(name)
            key = (name, served.version if served else "")
            stored = self._versions.get(key)
        else:
            key = (name, version)
            stored = self._versions.get(key)
            if stored is not None and is_named:
                self._named.add(key)
        if stored is not None and len(self._versions) == self._most:
            with suppress(KeyError):  # another thread may just let it go
                self._versions.move_to_end(key)
        return stored

    def candidate(self, name: str | None = None) -> Candidate | None:
        """Return what is tried beside a model's promoted version, as far as this process knows."""
        served = self._served.get(self.default if name is None else name)
        return served.candidate if served else None

    def get_candidate(self, name: str, candidate: Candidate) -> StoredVersion | None:
        """Return a candidate, loaded if need be; None when it is refused, or not loaded in time.

        Nothing is raised.
        """
        stored = self.loaded(name, candidate.version, is_named=False)
        if stored is None:
            load = partial(self._load_candidate, name, candidate.version)
            with suppress(StillLoading):
                stored = self.loads.wait((name, candidate), load, candidate.version)
        return stored

    def _load_candidate(self, name: str, version: str) -> StoredVersion | None:
        with self._reads(name, version):
            outcome = self._try(name, version)
        if isinstance(outcome, str):
            return None
        self._hold(outcome)
        return outcome

    def in_memory(self) -> list[StoredVersion]:
        """List the versions that are in memory."""
        return list(self._versions.values())

    def served(self, name: str) -> ServedVersion | None:
        """Return what is served of a model by default; None when that is not in memory."""
        served = self._served.get(name)
        return served if served and (name, served.version) in self._versions else None

    def refused(self, name: str | None = None) -> RefusedVersion | None:
        """Return which promoted version of a model is not served, and why; None when it is."""
        served = self._served.get(self.default if name is None else name)
        return served.refused if served else None

    def refused_versions(self) -> list[tuple[str, str | None]]:
        """List the models and versions that are promoted or tried, and refused."""
        versions = []
        for name, served in [*self._served.items()]:
            if served.refused:
                versions.append((name, served.refused.version))
            elif served.candidate and self.refusals.has(name, served.candidate.version):
                versions.append((name, served.candidate.version))
        return versions

    def names(self) -> list[str]:
        """List the models that have a version served by default."""
        return [*self._served]

    def reload(self) -> None:
        """Read the default model's promoted version, and forget the others.

        It predicts nothing, so that processes may be forked afterwards. What was read
        before stays when `ModelNotFound` or `UntrustedArtifact` is raised, as by `get`.
        """
        with self._reads(self.default, None):
            stored = self._serve(self.default, trusts=True)
        with self._lock:
            self._served = {self.default: self._served[self.default]}
            self._versions = OrderedDict({(self.default, stored.version): stored})
            self._named.clear()

    def begin(self) -> None:
        """Check, in a process that was forked after `reload`, that what it serves answers.

        Raise `UntrustedArtifact` if that is refused and nothing else can be served.
        """
        for name in self.names():
            with self._reads(name, None):
                if stored := self.loaded(name):
                    try:
                        stored.verify()
                    except UntrustedArtifact as error:
                        self.refusals.add(name, stored.version, str(error))
                        self._drop(name, stored.version)
                self._serve(name)

    def new_tag(self, name: str) -> str | None:
        """Return the pointer's tag if `catch_up` has something to do; reads nothing else.

        A model that is not in memory has nothing to catch up with.
        """
        served = self.served(name)
        if served is None:
            return None
        tag = self.store.pointer_tag(name)
        refused = served.refused
        is_due = refused is not None and self.refusals.reason(name, refused.version) is None
        return tag if tag != served.tag or is_due else None

    def catch_up(self, name: str, tag: str | None = None) -> bool:
        """Serve what is promoted now, and return whether that is another version.

        Requests that have a version keep it. The tag is what `new_tag` has just returned.
        Raise `ModelNotFound` or `UntrustedArtifact` when nothing can be served.
        """
        served = self._served.get(name)
        with self._reads(name, None):
            stored = self._serve(name, tag)
        return served is None or served.version != stored.version

    def card(self, name: str, version: str | None = None) -> Card:
        """Return the card of a version, as `get`, without loading the model."""
        version = self.identifier(name, version)
        stored = self.loaded(name, version)
        return stored.card if stored else as_card(self.store.read_card(name, version))

    def _reads(self, name: str, version: str | None) -> threading.Lock:
        # Python's own hash would let other names share a lock in every process.
        return self._reading[crc32(f"{name}/{version}".encode()) % _LOCKS]

    def _read_beside(self, name: str, version: str, *, trusts: bool = False) -> StoredVersion:
        """Read a version beside those in memory, if there is room."""
        card = as_card(self.store.read_card(name, version))
        if self._versions:
            check_memory(card, self._system)
        stored = open_stored(self.store, card)
        if not trusts:
            stored.verify()
        return stored

    def _serve(self, name: str, tag: str | None = None, *, trusts: bool = False) -> StoredVersion:
        """Choose what is served, and serve it from the next request on."""
        before = self._served.get(name)
        # The tag comes before the pointer: a change in between is seen at the next look.
        tag = self.store.pointer_tag(name) if tag is None else tag
        if before and before.tag != tag:
            self.refusals.forget_model(name)
        pointer, refused = self.refusals.read_pointer(self.store, name)
        for version in versions_to_try(pointer, partial(self.store.versions, name), before):
            outcome = self._try(name, version, trusts=trusts)
            if isinstance(outcome, StoredVersion):
                break
            refused = refused or RefusedVersion(version, outcome)
        else:
            assert refused
            raise UntrustedArtifact(refused.reason)
        self._hold(outcome)
        self._served[name] = served = ServedVersion(outcome.version, pointer, tag, refused)
        for version in (before.versions if before else set()) - served.versions:
            if (name, version) not in self._named:
                self._drop(name, version)
        return outcome

    def _try(self, name: str, version: str, *, trusts: bool = False) -> StoredVersion | str:
        """Return a version from memory or the store, or the reason why it is refused."""
        if reason := self.refusals.reason(name, version):  # it is not read again so soon
            return reason
        try:
            stored = self._versions.get((name, version))
            stored = stored or self._read_beside(name, version, trusts=trusts)
        except Exception as error:  # noqa: BLE001  a damaged version raises whatever it likes
            reason = str(error) or repr(error)
            self.refusals.add(name, version, reason)
            return reason
        self.refusals.forget(name, version)
        return stored

    def _hold(self, stored: StoredVersion, *, is_named: bool = False) -> None:
        with self._lock:
            key = stored.name, stored.version
            self._versions[key] = stored
            if is_named:
                self._named.add(key)
            default = self._served.get(self.default)
            stays = (self.default, default.version if default else "")
            while len(self._versions) > max(2, self._most):
                leaving = next(key for key in self._versions if key != stays)
                self._versions.pop(leaving)
                self._named.discard(leaving)

    def _drop(self, name: str, version: str) -> None:
        with self._lock:
            self._versions.pop((name, version), None)
            self._named.discard((name, version))
