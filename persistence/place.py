"""What a place for versions does.

Another place is a class that inherits `Place`, and its scheme in `model_persistence.PLACES`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from persistence.promotions import Pointer

#: Makes a pointer's successor; given None where there is no pointer, or a damaged one.
Change = Callable[[Pointer | None], Pointer]

#: Reads the card in a version's folder; raises UntrustedArtifact when it is not to be believed.
ReadCard = Callable[[Path], dict[str, Any]]


class VersionExists(FileExistsError):
    """A version of that name is stored already; nothing of it was changed."""


class Place(Protocol):
    """Stores versions and pointers; names and versions that it is given are well formed.

    Every method may raise StoreUnavailable. ``str`` of a place is its folder or address.
    """

    #: The folder of this machine that has, or will have, the files that were read.
    root: Path

    def ask_apart(self, is_apart: bool) -> None:  # noqa: FBT001
        """Send requests from another process, or not: a process that forks must have no threads."""

    def names(self) -> list[str]:
        """List the models that have a pointer, in alphabetical order."""

    def stored_names(self) -> list[str]:
        """List the models that have a version, in alphabetical order."""

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first."""

    def has(self, name: str, version: str) -> bool:
        """Return whether a version is stored."""

    def pointer(self, name: str) -> Pointer:
        """Read a model's pointer.

        Raise FileNotFoundError where there is none; one of `persistence.promotions.DAMAGED`
        where it is damaged.
        """

    def pointer_tag(self, name: str) -> str | None:
        """Return what changes whenever the pointer does, at little cost; None without one."""

    def change(self, name: str, change: Change) -> None:
        """Replace a model's pointer by its successor; nobody else does so meanwhile.

        The change is called again whenever another process was faster. Raise
        PromotionConflict when others were faster each time.
        """

    def read_card(self, name: str, version: str, read: ReadCard) -> dict[str, Any]:
        """Read the card of a stored version; raise FileNotFoundError without one."""

    def bring(self, card: Mapping[str, Any]) -> Path:
        """Return the folder with a version's files, fetched if need be."""

    def publish(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Store a version, ``card.json`` among its files; raise VersionExists if it is there."""

    def sign(self, name: str, version: str, signature: bytes) -> None:
        """Replace the signature beside the card of a stored version."""

    def remove(self, name: str, version: str) -> None:
        """Remove a stored version, whole or not at all; promoted or not."""

    def sweep(self, name: str) -> None:
        """Delete what writers and removals that were killed have left of a model."""


def version_exists(name: str, version: str, place: object, *, is_equal: bool) -> VersionExists:
    """Return the error for a version that is stored already, with the same content or another."""
    return VersionExists(
        f"version {version} of {name} is in {place} already, with the same content: "
        "it was published before"
        if is_equal
        else f"another version {version} of {name} is in {place} already, "
        "trained in the same second: train again"
    )
