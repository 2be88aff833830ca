"""The version that is tried beside the promoted one, and which requests it gets.

Every way in asks here which version answers, so they divide the requests alike.
"""

import logging
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from flask import current_app, g, has_request_context

from engine.runtime.version import StoredVersion
from persistence.promotions import Candidate

if TYPE_CHECKING:
    from engine.serving.model_cache import ModelCache
    from engine.serving.request import PredictRequest

_log = logging.getLogger(__name__)

#: The header in which a client names whom it asks for; nobody is moved to and fro then.
HEADER = "X-Canary-Key"

#: A candidate that is refused is tried again after so many seconds.
RETRY_SECONDS = 60.0


class Candidates:
    """The candidates that answer in this process, and those that are refused.

    Parameters
    ----------
    models : ModelCache
        Where their versions are held.
    """

    def __init__(self, models: "ModelCache") -> None:
        self._models = models
        self._refused: dict[str, tuple[Candidate, float]] = {}

    def get(self, model: str, candidate: Candidate) -> StoredVersion | None:
        """Give a candidate, loaded if need be; None when it is refused. Nothing is raised."""
        if self.is_refused(model, candidate):
            return None
        try:
            found = self._models.get(model, candidate.version, is_named=False)
        except Exception as error:  # noqa: BLE001  whatever is wrong, the promoted one answers
            self._refuse(model, candidate, error)
            return None
        self._refused.pop(model, None)
        return found

    def is_refused(self, model: str, candidate: Candidate) -> bool:
        """Tell whether it is refused now, without trying."""
        known, until = self._refused.get(model, (None, 0.0))
        return known == candidate and time.monotonic() < until

    def refused(self) -> list[tuple[str, str]]:
        """List models and versions that would be tried if they were not refused."""
        return [
            (model, known.version)
            for model, (known, _) in list(self._refused.items())
            if self._models.candidate(model) == known
        ]

    def _refuse(self, model: str, candidate: Candidate, error: Exception) -> None:
        known, _ = self._refused.get(model, (None, 0.0))
        if known != candidate:
            _log.error(
                "the %s %s of %s is refused, the promoted version answers: %s",
                candidate.mode, candidate.version, model, error,
            )  # fmt: skip
        self._refused[model] = candidate, time.monotonic() + RETRY_SECONDS


def choose(models: "ModelCache", asked: "PredictRequest") -> StoredVersion:
    """Give the version that answers a request, loaded if need be.

    Raises
    ------
    ModelNotFound, VersionNotFound, UntrustedArtifact
        As `ModelCache.get`; never because of a candidate.
    """
    found = models.get(asked.model, asked.version)
    candidate = in_share(models, asked)
    if candidate is not None and candidate.mode == "canary":
        found = models.candidates.get(found.name, candidate) or found
    if has_request_context():
        g.answering = found.name, found.version
        g.shadow = candidate if candidate is not None and candidate.mode == "shadow" else None
    return found


def choose_at_once(
    models: "ModelCache", asked: "PredictRequest"
) -> tuple[StoredVersion | None, Candidate | None]:
    """Give what `choose` does if nothing has to be loaded, and what answers in silence beside it.

    Returns
    -------
    version : StoredVersion or None
        None when it is not in memory.
    shadow : Candidate or None
        The candidate that is to answer, too.
    """
    candidate = in_share(models, asked)
    found = models.loaded(asked.model, asked.version)
    if candidate is None or found is None:
        return found, None
    if candidate.mode == "shadow":
        return found, candidate
    if models.candidates.is_refused(found.name, candidate):
        return found, None
    return models.loaded(found.name, candidate.version, is_named=False), None


def in_share(models: "ModelCache", asked: "PredictRequest") -> Candidate | None:
    """Give the candidate of the model that is asked, if the request is of its share."""
    candidate = models.candidate(asked.model)
    if candidate is None or asked.version is not None:
        return None
    model = models.default if asked.model is None else asked.model
    word = routing_key(asked, by=candidate.by)
    return candidate if hash_to_unit(model, candidate.version, word) < candidate.share else None


def routing_key(asked: "PredictRequest", *, by: str) -> bytes:
    """Give what decides about a request; the same word, the same version.

    Parameters
    ----------
    by : {"caller", "request"}
        Whether it is the caller's name, where keys are asked, or the body. The
        header goes before both. The id of the request stands for a body that
        is not in memory.
    """
    if asked.canary_key:
        return asked.canary_key.encode()
    if by == "caller" and asked.key is not None:
        return asked.key.name.encode()
    body = asked.body if isinstance(asked.body, bytes) else asked.body.held()
    return asked.request_id.encode() if body is None else body


def hash_to_unit(model: str, version: str, word: bytes) -> float:
    """Return the hash of a word in [0, 1), evenly spread and others for each version.

    Words below the share are of it, so a larger share has those of a smaller.
    """
    digest = blake2b(f"{model}/{version}/".encode(), digest_size=8)
    digest.update(word)
    return (int.from_bytes(digest.digest()) >> 11) / 2**53


def offer_to_shadow(promoted: StoredVersion, matrix: Any, found: Any) -> None:
    """Have answers compared if the request at hand is of a shadow's share.

    Parameters
    ----------
    promoted : StoredVersion
        What has answered.
    matrix : ndarray
        The records, as `Decoded.matrix`.
    found : Prediction or Decisions
        The answers.
    """
    if has_request_context() and (candidate := g.get("shadow")) is not None:
        current_app.extensions["shadow"].offer(promoted, candidate, matrix, found)
