"""Which version answers a request: the promoted version, or the candidate tried beside it."""

from hashlib import blake2b

from engine.serving.model_cache import ModelCache
from engine.serving.request import Chosen, PredictRequest
from persistence.promotions import Candidate


def choose(models: ModelCache, request: PredictRequest) -> Chosen:
    """Choose the version that answers a request, loaded if need be.

    Raise the errors of `ModelCache.get`, but never because of a candidate.
    """
    version = models.get(request.model, request.version)
    candidate = in_share(models, request)
    if candidate is None or candidate.mode == "shadow":
        return Chosen(request, version, candidate)
    return Chosen(request, models.get_candidate(version.name, candidate) or version)


def choose_at_once(models: ModelCache, request: PredictRequest) -> Chosen | None:
    """Choose as `choose` does; None when a version would have to be loaded for it."""
    candidate = in_share(models, request)
    version = models.loaded(request.model, request.version)
    if version is None:
        return None
    if candidate is None or candidate.mode == "shadow":
        return Chosen(request, version, candidate)
    if models.refusals.reason(version.name, candidate.version) is None:
        version = models.loaded(version.name, candidate.version, is_named=False)
    return Chosen(request, version) if version else None


def in_share(models: ModelCache, request: PredictRequest) -> Candidate | None:
    """Return the candidate of a request's model, if the request belongs to its share."""
    candidate = models.candidate(request.model)
    if candidate is None or request.version is not None:
        return None
    model = models.default if request.model is None else request.model
    key = routing_key(request, by=candidate.by)
    return candidate if hash_to_unit(model, candidate.version, key) < candidate.share else None


def routing_key(request: PredictRequest, *, by: str) -> bytes:
    """Return what decides which version answers; the same key, the same version.

    It is the caller's name, where API keys are required, or the body, `by` ``caller``
    or ``request``. The client's own canary key goes before both. The id of the
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
