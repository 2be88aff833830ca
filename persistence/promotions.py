"""Which version of a model is promoted, and which were before.

Both stand in one file, ``promoted.json``, which is replaced as a whole: so they
never disagree.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from persistence.whole_files import replace_file

#: So many promotions are remembered, the last ones.
MOST_REMEMBERED = 100

#: What a damaged file raises when it is read.
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


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


def read_promotions(home: Path) -> list[Promotion]:
    """Read a model's promotions, oldest first; the last is the promoted version.

    Raises
    ------
    OSError
        When the model has no promoted version.
    ValueError, KeyError, TypeError, AttributeError, RecursionError
        When the file is damaged: `DAMAGED`.
    """
    pointer: dict[str, Any] = json.loads((home / "promoted.json").read_bytes())
    found = [
        Promotion(str(one["version"]), one["at"], bool(one["rollback"]))
        for one in pointer.get("promotions", ())
    ]
    version = str(pointer["version"])
    if not found or found[-1].version != version:
        found.append(Promotion(version, None))
    return found


def add_promotion(home: Path, version: str, *, is_rollback: bool = False) -> None:
    """Promote a version; nothing changes when it is promoted already."""
    with _alone_in(home):
        try:
            known = read_promotions(home)
        except (FileNotFoundError, *DAMAGED):
            known = []
        if known and known[-1].version == version:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        known = [*known, Promotion(version, now, is_rollback)][-MOST_REMEMBERED:]
        written = [
            {"version": one.version, "at": one.at, "rollback": one.is_rollback} for one in known
        ]
        pointer = {"version": version, "promotions": written}
        replace_file(home / "promoted.json", json.dumps(pointer).encode())


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
    way: list[Promotion] = []
    for one in promotions:
        if one.is_rollback:
            while way and way[-1].version != one.version:
                way.pop()
        if not way or way[-1].version != one.version:
            way.append(one)
    for one in reversed(way[:-1]):
        if one.version in versions and one.version != way[-1].version:
            return one.version, True
    if way[0].at is not None:
        return None, True
    return max((one for one in versions if one < way[0].version), default=None), False


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread is in here for the same folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
