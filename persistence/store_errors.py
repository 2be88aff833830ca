"""The errors of a store of versions."""


class StoreError(Exception):
    """The store cannot return what was requested; the subclass says why."""


class ModelNotFound(StoreError, LookupError):
    """No version of such a model is stored, or none is promoted."""


class VersionNotFound(StoreError, LookupError):
    """The model has no such version."""


class UntrustedArtifact(StoreError, ValueError):
    """A stored file is not what its card says, or holds what we do not trust."""


class StoreUnavailable(StoreError, ConnectionError):
    """The bucket, or the cache of it, cannot be used now; later it may."""
