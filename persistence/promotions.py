"""A model's pointer: which version is promoted, which were before, the candidate, the names.

It is one file, ``promoted.json``, replaced as a whole, so that its parts never disagree.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

#: How many promotions are remembered, the last ones.
MOST_REMEMBERED = 100

#: What a damaged file raises when it is read.
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class PromotionConflict(Exception):
    """Another process has promoted or removed a version meanwhile; nothing was changed."""


class VersionInUse(Exception):
    """The version is promoted, the candidate, pinned or what a rollback leads to, so it stays."""


class Promotion(NamedTuple):
    """One version that was promoted."""

    version: str
    at: str | None  # when, ISO 8601 in UTC; None where an older store did not record it
    is_rollback: bool = False


class Candidate(NamedTuple):
    """A version that is tried out beside the promoted one."""

    version: str
    mode: str  # "canary": it answers requests; "shadow": its answers are only compared
    share: float  # of the requests, above 0 and at most 1
    by: str  # "caller" or "request": what decides whether a request is in the share
    at: str  # since when, ISO 8601 in UTC


class Pointer(NamedTuple):
    """The content of a model's `promoted.json`."""

    promotions: tuple[Promotion, ...]  # at least one, oldest first; the last is what is promoted
    candidate: Candidate | None = None
    pinned: tuple[str, ...] = ()  # versions that are never pruned
    removed: tuple[str, ...] = ()  # the last ones: a promotion that began before is refused
    named: Mapping[str, str] = MappingProxyType({})  # versions, removed ones too, by their names

    @property
    def version(self) -> str:
        """The promoted version."""
        return self.promotions[-1].version

    def name_of(self, version: str) -> str | None:
        """Return the name of a version; None where it has none."""
        return next((name for name, owner in self.named.items() if owner == version), None)

    @classmethod
    def read(cls, content: bytes) -> "Pointer":
        """Parse the file's bytes; raise one of `DAMAGED` when they are damaged."""
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
            {str(name): str(of) for name, of in document.get("named", {}).items()},
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
            "named": dict(self.named),
        }
        return json.dumps(document).encode()

    def promote(self, version: str, *, is_rollback: bool = False) -> "Pointer":
        """Return the pointer with a version promoted, and without a candidate."""
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
    """Return the pointer with a version promoted; raise PromotionConflict where it must not be.

    It must follow the expected version (empty: none; None: any), and not be removed.
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


def named_in(pointer: Pointer | None, version: str, version_name: str) -> Pointer:
    """Return the pointer with a version named; raise PromotionConflict where it must not be.

    A name stays with its version for ever, a removed one too.
    """
    if pointer is None:
        raise PromotionConflict(f"{version} is stored without a name: nothing is promoted")
    if (owner := pointer.named.get(version_name, version)) != version:
        raise PromotionConflict(
            f"{version} is stored without a name: {version_name} is the name of {owner}"
        )
    return pointer._replace(named={**pointer.named, version_name: version})


def now() -> str:
    """Return the time as a pointer records it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def version_before(
    promotions: Sequence[Promotion], versions: Collection[str]
) -> tuple[str | None, bool]:
    """Return the stored version that a rollback leads to, if any, and whether it is remembered.

    A rollback undoes a promotion, so that the next one goes a step further
    back, not forth again. Where the promotions before were not recorded, the
    version is a guess: the newest older one.
    """
    version = next(iter(versions_before(promotions, versions)), None)
    path = _without_undone(promotions)
    return version, path[0].at is not None or version in {promotion.version for promotion in path}


def versions_before(promotions: Sequence[Promotion], versions: Collection[str]) -> list[str]:
    """List the stored versions that may be served in place of the promoted one, the best first.

    These are the versions that one rollback after another leads to, so none
    that a rollback has left.
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


def in_use(pointer: Pointer, versions: Collection[str]) -> dict[str, str]:
    """Return the versions that must stay, each with the reason, of those that are stored."""
    before, _ = version_before(pointer.promotions, versions)
    reasons = dict.fromkeys(pointer.pinned, "pinned")
    reasons |= {before: "what a rollback leads to"} if before else {}
    reasons |= {pointer.candidate.version: "the candidate"} if pointer.candidate else {}
    return {**reasons, pointer.version: "promoted"}


def removed_in(pointer: Pointer | None, version: str, versions: Collection[str]) -> Pointer:
    """Return the pointer with a version recorded as removed; raise VersionInUse if it must stay.

    A removal is recorded before anything is deleted. A promotion, which changes
    the same pointer, comes before it, and the version stays, or after it, and
    is refused.
    """
    if pointer is None:
        raise VersionInUse(f"{version} stays: nothing says which version is promoted")
    if reason := in_use(pointer, versions).get(version):
        raise VersionInUse(f"{version} stays: it is {reason}")
    return pointer._replace(removed=(*pointer.removed, version))
