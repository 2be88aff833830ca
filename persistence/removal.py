"""Which versions may be removed.

A removal is recorded in the pointer before anything is deleted. A promotion,
which changes the same pointer, comes before it, and the version stays, or
after it, and is refused.
"""

from collections.abc import Collection

from persistence.promotions import Pointer, version_before


class VersionInUse(Exception):
    """The version is promoted, the candidate, pinned or what a rollback leads to, so it stays."""


def in_use(pointer: Pointer, versions: Collection[str]) -> dict[str, str]:
    """Return the versions that must stay, each with the reason.

    Parameters
    ----------
    versions : collection of str
        Those that are stored.
    """
    before, _ = version_before(pointer.promotions, versions)
    reasons = dict.fromkeys(pointer.pinned, "pinned")
    reasons |= {before: "what a rollback leads to"} if before else {}
    reasons |= {pointer.candidate.version: "the candidate"} if pointer.candidate else {}
    return {**reasons, pointer.version: "promoted"}


def removed_in(pointer: Pointer | None, version: str, versions: Collection[str]) -> Pointer:
    """Return the pointer with a version recorded as removed.

    Raises
    ------
    VersionInUse
        When the version must stay, or no pointer says which must.
    """
    if pointer is None:
        raise VersionInUse(f"{version} stays: nothing says which version is promoted")
    if reason := in_use(pointer, versions).get(version):
        raise VersionInUse(f"{version} stays: it is {reason}")
    return pointer._replace(removed=(*pointer.removed, version))
