"""Why a store does not give what is wanted of it."""


class StoreError(Exception):
    """What every caller of a store must expect: one of the four below."""


class ModelNotFound(StoreError, LookupError):
    """No version of such a model is stored, or none is promoted."""


class VersionNotFound(StoreError, LookupError):
    """The model has no such version."""


class UntrustedArtifact(StoreError, ValueError):
    """A stored file is not what its card says, or holds what we do not trust."""


class StoreUnavailable(StoreError, ConnectionError):
    """The place of the versions does not answer, or not as it should; it may later."""
