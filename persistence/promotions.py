"""A model's pointer: which version is promoted, which were before, and which is the candidate.

It is one file, ``promoted.json``, which is replaced as a whole, so that its
parts never disagree.
"""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

#: How many promotions are remembered, the last ones.
MOST_REMEMBERED = 100

#: What a damaged file raises when it is read.
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class PromotionConflict(Exception):
    """Another process has promoted or removed a version meanwhile; nothing was changed."""


class Promotion(NamedTuple):
    """One version that was promoted.

    Attributes
    ----------
    version : str
        Its identifier.
    at : str or None
        When, ISO 8601 in UTC; None where that was not recorded, as in older
        stores.
    is_rollback : bool
        Whether it was a rollback.
    """

    version: str
    at: str | None
    is_rollback: bool = False


class Candidate(NamedTuple):
    """A version that is tried out beside the promoted one.

    Attributes
    ----------
    version : str
        Its identifier.
    mode : {"canary", "shadow"}
        Whether it answers requests in place of the promoted version, or its
        answers are only compared.
    share : float
        Of the requests, above 0 and at most 1.
    by : {"caller", "request"}
        What decides whether a request is in the share.
    at : str
        Since when, ISO 8601 in UTC.
    """

    version: str
    mode: str
    share: float
    by: str
    at: str


class Pointer(NamedTuple):
    """The content of a model's `promoted.json`.

    Attributes
    ----------
    promotions : tuple of Promotion
        Oldest first; the last is the promoted version. At least one.
    candidate : Candidate or None
        The version that is tried out beside it.
    pinned : tuple of str
        Versions that are never pruned.
    removed : tuple of str
        The versions that were removed last. A promotion that began before
        then is refused, wherever the versions are.
    """

    promotions: tuple[Promotion, ...]
    candidate: Candidate | None = None
    pinned: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The promoted version."""
        return self.promotions[-1].version

    @classmethod
    def read(cls, content: bytes) -> "Pointer":
        """Parse the file's bytes.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, RecursionError
            When they are damaged: `DAMAGED`.
        """
        document: dict[str, Any] = json.loads(content)
        promotions = [
            Promotion(str(entry["version"]), entry["at"], bool(entry["rollback"]))
            for entry in document.get("promotions", ())
        ]
        version = str(document["version"])
        if not promotions or promotions[-1].version != version:
            promotions.append(Promotion(version, None))
        candidate = document.get("candidate")
        return cls(
            tuple(promotions),
            Candidate(**candidate) if candidate else None,
            tuple(map(str, document.get("pinned", ()))),
            tuple(map(str, document.get("removed", ()))),
        )

    def write(self) -> bytes:
        """Format the file's bytes."""
        document = {
            "version": self.version,
            "promotions": [
                {"version": version, "at": at, "rollback": is_rollback}
                for version, at, is_rollback in self.promotions[-MOST_REMEMBERED:]
            ],
            "candidate": self.candidate._asdict() if self.candidate else None,
            "pinned": list(self.pinned),
            "removed": list(self.removed[-MOST_REMEMBERED:]),
        }
        return json.dumps(document).encode()

    def promote(self, version: str, *, is_rollback: bool = False) -> "Pointer":
        """Return the pointer with a version promoted, and without a candidate."""
        if version == self.version and self.candidate is None:
            return self
        if version == self.version:
            return self._replace(candidate=None)
        promotion = Promotion(version, now(), is_rollback)
        return self._replace(promotions=(*self.promotions, promotion), candidate=None)


def version_beneath(pointer: Pointer | None, version: str, versions: Collection[str]) -> str | None:
    """Return the version that another one is compared with; None where there is none.

    It is the one that was promoted before it or, where it never was promoted,
    the newest older one.
    """
    promotions = list(pointer.promotions) if pointer else []
    while promotions and promotions[-1].version != version:
        promotions.pop()
    return version_before(promotions or [Promotion(version, None)], versions)[0]


def promoted_in(
    pointer: Pointer | None, version: str, *, is_rollback: bool, expected: str | None
) -> Pointer:
    """Return the pointer with a version promoted, if that is what the caller expects to follow.

    Parameters
    ----------
    pointer : Pointer or None
        None where there is none yet.
    expected : str or None
        The version that must be promoted before; empty: none; None: any.

    Raises
    ------
    PromotionConflict
        When it is another, or the version is being removed.
    """
    promoted = pointer.version if pointer else ""
    if expected not in (None, promoted):
        raise PromotionConflict(
            f"{version} was to follow {expected or 'no version'}, but "
            f"{promoted or 'none'} is promoted by now: nothing was changed"
        )
    if pointer is None:
        return Pointer((Promotion(version, now(), is_rollback),))
    if version in pointer.removed:
        raise PromotionConflict(f"{version} is being removed: nothing was changed")
    return pointer.promote(version, is_rollback=is_rollback)


def now() -> str:
    """Return the time as a pointer records it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def version_before(
    promotions: Sequence[Promotion], versions: Collection[str]
) -> tuple[str | None, bool]:
    """Return the version that a rollback leads to.

    A rollback undoes a promotion, so that the next one goes a step further
    back, not forth again.

    Parameters
    ----------
    promotions : sequence of Promotion
        Oldest first.
    versions : collection of str
        Those that are stored; others are passed over.

    Returns
    -------
    version : str or None
        None when there is none.
    is_remembered : bool
        False for a guess, the newest older version, where the promotions
        before were not recorded.
    """
    path = _without_undone(promotions)
    for promotion in reversed(path[:-1]):
        if promotion.version in versions and promotion.version != path[-1].version:
            return promotion.version, True
    if path[0].at is not None:
        return None, True
    return max((version for version in versions if version < path[0].version), default=None), False


def versions_before(promotions: Sequence[Promotion], versions: Collection[str]) -> list[str]:
    """List the versions that may be served in place of the promoted one, the best first.

    These are the versions that one rollback after another leads to, so none
    that a rollback has left.

    Parameters
    ----------
    promotions : sequence of Promotion
        Oldest first.
    versions : collection of str
        Those that are stored.
    """
    path = _without_undone(promotions)
    before = [promotion.version for promotion in reversed(path) if promotion.version in versions]
    if path[0].at is None:
        older = (version for version in versions if version < path[0].version)
        before += sorted(older, reverse=True)
    return [version for version in dict.fromkeys(before) if version != path[-1].version]


def _without_undone(promotions: Sequence[Promotion]) -> list[Promotion]:
    """Leave out the promotions that a rollback has undone, and the rollbacks."""
    path: list[Promotion] = []
    for promotion in promotions:
        # A rollback takes away all that was promoted after the version it leads to.
        if promotion.is_rollback:
            while path and path[-1].version != promotion.version:
                path.pop()
        if not path or path[-1].version != promotion.version:
            path.append(promotion)
    return path
