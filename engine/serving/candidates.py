"""The version that is tried beside the promoted one, and which requests it gets.

Every way in asks here which version answers, so they divide the requests alike.
"""

import logging
from hashlib import blake2b

from engine.runtime.version import StoredVersion
from engine.serving.model_cache import ModelCache
from engine.serving.request import Chosen, PredictRequest
from engine.serving.selection import Refusals
from persistence.promotions import Candidate

_log = logging.getLogger(__name__)

#: A candidate that is refused is tried again after so many seconds.
RETRY_SECONDS = 60.0


class Candidates:
    """The candidates that answer in this process, and those that are refused.

    Parameters
    ----------
    models : ModelCache
        Loads their versions.

    Attributes
    ----------
    models : ModelCache
        As above.
    """

    def __init__(self, models: ModelCache) -> None:
        self.models = models
        self._refusals = Refusals[Candidate]()

    def get(self, model: str, candidate: Candidate) -> StoredVersion | None:
        """Return a candidate, loaded if need be; None when it is refused. Nothing is raised."""
        if self.is_refused(model, candidate):
            return None
        try:
            version = self.models.get(model, candidate.version, is_named=False)
        except Exception as error:  # noqa: BLE001  whatever is wrong, the promoted version answers
            self._refuse(model, candidate, error)
            return None
        self._refusals.forget_model(model)
        return version

    def is_refused(self, model: str, candidate: Candidate) -> bool:
        """Tell whether a candidate is refused now, without trying to load it."""
        return self._refusals.reason(model, candidate) is not None

    def refused(self) -> list[tuple[str, str]]:
        """List the models and versions that would be tried if they were not refused."""
        return [
            (model, candidate.version)
            for model, candidate in self._refusals
            if self.models.candidate(model) == candidate
        ]

    def choose(self, request: PredictRequest) -> Chosen:
        """Choose the version that answers a request, loaded if need be.

        Raises
        ------
        ModelNotFound, VersionNotFound, UntrustedArtifact
            As `ModelCache.get`; never because of a candidate.
        """
        version = self.models.get(request.model, request.version)
        candidate = self.in_share(request)
        if candidate is None:
            return Chosen(request, version)
        if candidate.mode == "shadow":
            return Chosen(request, version, candidate)
        return Chosen(request, self.get(version.name, candidate) or version)

    def choose_at_once(self, request: PredictRequest) -> Chosen | None:
        """Choose as `choose` does; None when a version would have to be loaded for it."""
        candidate = self.in_share(request)
        version = self.models.loaded(request.model, request.version)
        if candidate is None or version is None:
            return Chosen(request, version) if version else None
        if candidate.mode == "shadow":
            return Chosen(request, version, candidate)
        if not self.is_refused(version.name, candidate):
            version = self.models.loaded(version.name, candidate.version, is_named=False)
        return Chosen(request, version) if version else None

    def in_share(self, request: PredictRequest) -> Candidate | None:
        """Return the candidate of a request's model, if the request belongs to its share."""
        candidate = self.models.candidate(request.model)
        if candidate is None or request.version is not None:
            return None
        model = self.models.default if request.model is None else request.model
        key = routing_key(request, by=candidate.by)
        return candidate if hash_to_unit(model, candidate.version, key) < candidate.share else None

    def _refuse(self, model: str, candidate: Candidate, error: Exception) -> None:
        if (model, candidate) not in self._refusals:  # it replaces another, if there was one
            self._refusals.forget_model(model)
        if self._refusals.add(model, candidate, str(error), RETRY_SECONDS, RETRY_SECONDS):
            _log.error(
                "the %s %s of %s is refused, the promoted version answers: %s",
                candidate.mode, candidate.version, model, error,
            )  # fmt: skip


def routing_key(request: PredictRequest, *, by: str) -> bytes:
    """Return what decides which version answers; the same key, the same version.

    Parameters
    ----------
    by : {"caller", "request"}
        Whether the caller's name decides, where API keys are required, or the
        body. The client's own canary key goes before both. The id of the
        request stands for a body that is not in memory.
    """
    if request.canary_key:
        return request.canary_key.encode()
    if by == "caller" and request.key is not None:
        return request.key.name.encode()
    body = request.body if isinstance(request.body, bytes) else request.body.in_memory()
    return request.request_id.encode() if body is None else body


def hash_to_unit(model: str, version: str, key: bytes) -> float:
    """Return the hash of a key in [0, 1), evenly spread and different for each version.

    Keys whose hash is below the share belong to it, so a share that is raised
    keeps the keys that it had.
    """
    digest = blake2b(f"{model}/{version}/".encode(), digest_size=8)
    digest.update(key)
    return (int.from_bytes(digest.digest()) >> 11) / 2**53
