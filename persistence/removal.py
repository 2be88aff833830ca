"""Which versions may be removed.

A removal stands in the pointer before anything is deleted. A promotion, which
is a change of the same pointer, comes before it and keeps the version, or
after it and finds that the version is gone.
"""

from collections.abc import Collection

from persistence.promotions import Pointer, version_before


class VersionInUse(Exception):
    """The version is promoted, tried, pinned or what a rollback leads to, so it stays."""


def in_use(pointer: Pointer, versions: Collection[str]) -> dict[str, str]:
    """Give the versions that must stay, with what each is.

    Parameters
    ----------
    versions : collection of str
        Those that are stored.
    """
    before, _ = version_before(pointer.promotions, versions)
    found = dict.fromkeys(pointer.pinned, "pinned")
    found |= {before: "what a rollback leads to"} if before else {}
    found |= {pointer.candidate.version: "the candidate"} if pointer.candidate else {}
    return {**found, pointer.version: "promoted"}


def removed_in(known: Pointer | None, version: str, versions: Collection[str]) -> Pointer:
    """Give what a pointer becomes when a version is removed.

    Raises
    ------
    VersionInUse
        When the version must stay, or no pointer tells which must.
    """
    if known is None:
        raise VersionInUse(f"{version} stays: nothing tells which version is promoted")
    if found := in_use(known, versions).get(version):
        raise VersionInUse(f"{version} stays: it is {found}")
    return known._replace(removed=(*known.removed, version))
