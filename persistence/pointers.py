"""What is promoted of each model, wherever the versions are."""

from collections.abc import Callable

from models import NAME
from persistence.bucket import StoreAway
from persistence.cached_bucket import CachedBucket
from persistence.folder import Folder
from persistence.promotions import DAMAGED, Pointer
from persistence.trusted_types import UntrustedArtifact


class ModelNotFound(LookupError):
    """No version of such a model is stored, or none is promoted."""


class Pointers:
    """The pointers of the models in one place; where it is away, methods raise StoreAway.

    Attributes
    ----------
    place : Folder or CachedBucket
        Where they are.
    """

    place: Folder | CachedBucket

    def promoted(self, name: str) -> str:
        """Name the version that is served by default.

        Raises
        ------
        ModelNotFound
            When the model has no promoted version.
        UntrustedArtifact
            When the file that names it is damaged.
        """
        return self.pointer(name).version

    def pointer(self, name: str) -> Pointer:
        """Read what is said of a model, as `promoted`: promotions, candidate, pinned versions."""
        try:
            if not NAME.fullmatch(name):
                raise FileNotFoundError(name)
            return self.place.pointer(name)
        except FileNotFoundError:
            raise ModelNotFound(
                f"there is no promoted version of model {name!r}: "
                f"train one with `python build_model.py {name}`"
            ) from None
        except (StoreAway, UntrustedArtifact):
            raise
        except (OSError, *DAMAGED) as error:
            raise UntrustedArtifact(
                f"promoted.json of model {name!r} is damaged: promote a version, or train again"
            ) from error

    def pointer_tag(self, name: str) -> str | None:
        """Give what changes whenever a model's pointer does; None while there is none.

        Cheap enough to be asked all the time: nothing is read. A bucket is
        asked by one process of a machine, once a second; while it is away the
        tag stays, and nothing is raised.
        """
        return self.place.pointer_tag(name) if NAME.fullmatch(name) else None

    def change(self, name: str, change: Callable[[Pointer | None], Pointer]) -> None:
        """Replace a model's pointer by what is made of it; nobody else does so meanwhile.

        Parameters
        ----------
        change : callable
            Given the pointer, or None where there is none or it is damaged.
            Asked again when another was faster.

        Raises
        ------
        ModelNotFound
            When there can be no such model.
        PromotionConflict
            When others were faster each time.
        """
        if not NAME.fullmatch(name):
            raise ModelNotFound(f"{name!r} cannot be a model's name")
        self.place.change(name, change)
