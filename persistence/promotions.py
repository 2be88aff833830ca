"""Which version of a model is promoted, which were before, and which is tried beside it.

All stand in one file, ``promoted.json``, which is replaced as a whole: so they
never disagree.
"""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

#: So many promotions are remembered, the last ones.
MOST_REMEMBERED = 100

#: What a damaged file raises when it is read.
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class PromotionConflict(Exception):
    """Somebody else has promoted or removed a version meanwhile; nothing was changed."""


class Promotion(NamedTuple):
    """One version that was promoted.

    Attributes
    ----------
    version : str
        Its identifier.
    at : str or None
        When, ISO 8601 in UTC; None where nobody wrote it down, as in a store
        of before this was remembered.
    is_rollback : bool
        Whether it was a step back.
    """

    version: str
    at: str | None
    is_rollback: bool = False


class Candidate(NamedTuple):
    """A version that is tried beside the promoted one.

    Attributes
    ----------
    version : str
        Its identifier.
    mode : {"canary", "shadow"}
        Whether it answers requests in the place of the promoted version, or
        in silence beside it.
    share : float
        Of the requests, above 0 and at most 1.
    by : {"caller", "request"}
        What decides whether a request is of the share: who asks, or what.
    at : str
        Since when, ISO 8601 in UTC.
    """

    version: str
    mode: str
    share: float
    by: str
    at: str


class Pointer(NamedTuple):
    """What `promoted.json` says of a model.

    Attributes
    ----------
    promotions : tuple of Promotion
        Oldest first; the last is the promoted version. At least one.
    candidate : Candidate or None
        The version that is tried beside it.
    pinned : tuple of str
        Versions that are never pruned.
    removed : tuple of str
        Versions that were, the last ones. A promotion that began before then
        finds them here, wherever the versions are.
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
        """Read the file's bytes.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, RecursionError
            When they are damaged: `DAMAGED`.
        """
        known: dict[str, Any] = json.loads(content)
        found = [
            Promotion(str(one["version"]), one["at"], bool(one["rollback"]))
            for one in known.get("promotions", ())
        ]
        version = str(known["version"])
        if not found or found[-1].version != version:
            found.append(Promotion(version, None))
        tried = known.get("candidate")
        return cls(
            tuple(found),
            Candidate(**tried) if tried else None,
            tuple(map(str, known.get("pinned", ()))),
            tuple(map(str, known.get("removed", ()))),
        )

    def write(self) -> bytes:
        """Write what `read` reads."""
        kept = self.promotions[-MOST_REMEMBERED:]
        written = {
            "version": self.version,
            "promotions": [
                {"version": one.version, "at": one.at, "rollback": one.is_rollback} for one in kept
            ],
            "candidate": self.candidate._asdict() if self.candidate else None,
            "pinned": list(self.pinned),
            "removed": list(self.removed[-MOST_REMEMBERED:]),
        }
        return json.dumps(written).encode()

    def promote(self, version: str, *, is_rollback: bool = False) -> "Pointer":
        """Promote a version; a version that is tried is so no longer."""
        if version == self.version and self.candidate is None:
            return self
        if version == self.version:
            return self._replace(candidate=None)
        found = Promotion(version, now(), is_rollback)
        return self._replace(promotions=(*self.promotions, found), candidate=None)


def version_beneath(pointer: Pointer | None, version: str, versions: Collection[str]) -> str | None:
    """Name the version that another one is compared with; None where there is none.

    It is the one that was promoted before it or, where it never was promoted,
    the newest older one.
    """
    promotions = pointer.promotions if pointer else ()
    last = max((at for at, one in enumerate(promotions) if one.version == version), default=-1)
    promoted = promotions[: last + 1] or (Promotion(version, None),)
    return version_before(promoted, versions)[0]


def promoted_in(
    known: Pointer | None, version: str, *, is_rollback: bool, expected: str | None
) -> Pointer:
    """Give what a pointer becomes when a version is promoted.

    Parameters
    ----------
    known : Pointer or None
        None where there is none yet.
    expected : str or None
        What must be promoted until now; empty: nothing; None: whatever it is.

    Raises
    ------
    PromotionConflict
        When it is another, or the version is being removed.
    """
    promoted = known.version if known else ""
    if expected not in (None, promoted):
        raise PromotionConflict(
            f"{version} was to follow {expected or 'no version'}, but "
            f"{promoted or 'none'} is promoted by now: nothing was changed"
        )
    if known is None:
        return Pointer((Promotion(version, now(), is_rollback),))
    if version in known.removed:
        raise PromotionConflict(f"{version} is being removed: nothing was changed")
    return known.promote(version, is_rollback=is_rollback)


def now() -> str:
    """Give the time as a pointer has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def version_before(
    promotions: Sequence[Promotion], versions: Collection[str]
) -> tuple[str | None, bool]:
    """Find the version that a rollback leads to.

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
        False for a guess, where nobody wrote down what was promoted before:
        the newest version that is older.
    """
    way = _way(promotions)
    for one in reversed(way[:-1]):
        if one.version in versions and one.version != way[-1].version:
            return one.version, True
    if way[0].at is not None:
        return None, True
    return max((one for one in versions if one < way[0].version), default=None), False


def versions_before(promotions: Sequence[Promotion], versions: Collection[str]) -> list[str]:
    """List what may be served in place of the promoted version, the best first.

    Those are the versions that one rollback after another leads to, so none
    that a rollback has led away from.

    Parameters
    ----------
    promotions : sequence of Promotion
        Oldest first.
    versions : collection of str
        Those that are stored.
    """
    way = _way(promotions)
    found = [one.version for one in reversed(way) if one.version in versions]
    if way[0].at is None:
        found += sorted((one for one in versions if one < way[0].version), reverse=True)
    return [one for one in dict.fromkeys(found) if one != way[-1].version]


def _way(promotions: Sequence[Promotion]) -> list[Promotion]:
    """Leave out the promotions that a rollback has undone, and the rollbacks."""
    way: list[Promotion] = []
    for one in promotions:
        if one.is_rollback:
            while way and way[-1].version != one.version:
                way.pop()
        if not way or way[-1].version != one.version:
            way.append(one)
    return way
