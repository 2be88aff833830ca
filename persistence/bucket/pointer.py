"""A model's pointer in a bucket: replaced on a condition, polled once for a whole machine.

    <cache>/<model>/promoted.json       the pointer, as the bucket last had it
    <cache>/<model>/.polled.json        when it was polled, and the result

While the bucket is unavailable the pointer stays as it is.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from persistence.atomic_files import locked
from persistence.bucket.client import ATTEMPTS, Bucket, StoredObject, attempts
from persistence.bucket.private_folder import keeping, refuse_link, replace_private
from persistence.place import Change
from persistence.promotions import DAMAGED, Pointer, PromotionConflict
from persistence.store_errors import StoreUnavailable

_log = logging.getLogger(__name__)

#: Seconds between two polls of one machine.
SECONDS = 1.0

#: Seconds after which the pointer is read whatever its ETag: one ETag may have been a wrong one.
WHOLE_SECONDS = 60.0

#: How often a change is tried when others are faster.
TURNS = 20

#: Why a poll has no pointer, besides an unavailable bucket.
ABSENT, DAMAGE = "there is no promoted.json", "promoted.json is damaged"


class Poll(NamedTuple):
    """The result of a poll: why the pointer could not be read, if so, and what is cached."""

    trouble: str = ""
    tag: str = ""  # its ETag
    digest: str = ""  # its SHA-256
    whole_at: float = 0.0  # when it was last read whatever its ETag, in seconds since 1970


class BucketPointer:
    """The pointer of the model whose folder in the cache is ``home``.

    With ``poll_apart`` another process polls, where this one must not.
    """

    def __init__(
        self, bucket: Bucket, home: Path, poll_apart: Callable[[], None] | None = None
    ) -> None:
        self._bucket, self._home, self._poll_apart = bucket, home, poll_apart
        self._key = f"{home.name}/promoted.json"
        self._path = home / "promoted.json"
        self._record = home / ".polled.json"

    def read(self) -> Pointer:
        """Read the pointer, as `Place.pointer`, at most a second old.

        It may be older while the bucket is unavailable: StoreUnavailable is raised only when
        none is cached.
        """
        is_cached = self.is_cached()
        try:
            self.poll(waits=not is_cached)
        except StoreUnavailable:
            if not is_cached:
                raise
        with suppress(FileNotFoundError):
            return self._cached()
        trouble = self.last().trouble
        if trouble in (ABSENT, ""):
            raise FileNotFoundError(f"{self._bucket}/{self._key}")
        raise ValueError(trouble) if trouble == DAMAGE else StoreUnavailable(trouble)

    def is_cached(self) -> bool:
        """Return whether an undamaged pointer is in the cache."""
        try:
            self._cached()
        except (OSError, *DAMAGED):
            return False
        return True

    def last(self) -> Poll:
        """Return the last poll's result; an empty one where there was none."""
        try:
            return Poll(**json.loads(self._record.read_bytes()))
        except (OSError, *DAMAGED):
            return Poll()

    def is_due(self) -> bool:
        """Return whether no process has polled within the last second."""
        try:
            age = time.time() - self._record.stat().st_mtime
        except OSError:
            return True
        return not 0 <= age < SECONDS  # a clock may be set back

    def poll(self, *, is_due: bool = False, waits: bool = False) -> None:
        """Update the cached pointer when that is due, or in any case.

        While another process is polling, nothing is done, unless this one waits for it.
        """
        if not (is_due or self.is_due()):
            return
        if self._poll_apart is not None:
            before = self.last()
            with suppress(StoreUnavailable):  # the record has the reason
                self._poll_apart()
            self._log_change(before, self.last())
            return
        with keeping(self._home), locked(self._home, seconds=math.inf if waits else 0) as is_alone:
            if is_alone and (is_due or self.is_due()):
                refuse_link(self._path)
                before = self.last()
                after = self._request(before)
                replace_private(self._record, json.dumps(after._asdict()).encode())
                self._log_change(before, after)

    def change(self, change: Change) -> None:
        """Replace the pointer, as `Place.change`.

        After StoreUnavailable it is not known whether it was replaced.
        """
        unanswered: tuple[Pointer | None, Pointer] | None = None
        failures = 0
        for _ in attempts(TURNS):
            stored = None
            with suppress(FileNotFoundError):
                stored = self._bucket.read(self._key)
            pointer = _parse(stored)
            # A write without an answer may have been done. To write once more would then
            # record the same promotion twice, so what is stored now is looked at first.
            if unanswered and pointer and _was_done(pointer, *unanswered):
                break
            successor = change(pointer)
            if successor == pointer:
                break
            try:
                # The bucket refuses this when the object has changed since it was read.
                if self._bucket.swap(self._key, successor.write(), stored):
                    break
            except StoreUnavailable as error:
                unanswered, failures = (pointer, successor), failures + 1
                if failures == ATTEMPTS:
                    raise StoreUnavailable(f"{error}; it may have been changed or not") from error
        else:
            raise PromotionConflict(
                f"others have changed the pointer of {self._home.name} in {self._bucket} "
                f"{TURNS} times meanwhile: try again"
            )
        self.poll(is_due=True, waits=True)

    def _cached(self) -> Pointer:
        return Pointer.read(self._path.read_bytes())

    def _request(self, before: Poll) -> Poll:
        now = time.time()
        cached = self._path.read_bytes() if self._path.exists() else b""
        is_recent = 0 <= now - before.whole_at < WHOLE_SECONDS
        is_whole = before.digest != sha256(cached).hexdigest() or not is_recent
        try:
            stored = self._bucket.read(self._key, unless="" if is_whole else before.tag, most=1)
        except FileNotFoundError:
            return before._replace(trouble=ABSENT)
        except StoreUnavailable as error:
            return before._replace(trouble=str(error))
        if stored is None:  # it has not changed
            return before._replace(trouble="")
        if _parse(stored) is None:
            return before._replace(trouble=DAMAGE)
        if stored.content != cached:
            replace_private(self._path, stored.content)
        return Poll("", stored.tag, sha256(stored.content).hexdigest(), now)

    def _log_change(self, before: Poll, after: Poll) -> None:
        name = self._home.name
        if after.trouble == ABSENT and not self._path.exists():
            return
        if after.trouble and not before.trouble:
            _log.warning("the pointer of %s stays as it was: %s", name, after.trouble)
        elif before.trouble and not after.trouble:
            _log.warning("the pointer of %s can be read again from %s", name, self._bucket)


def _parse(stored: StoredObject | None) -> Pointer | None:
    with suppress(*DAMAGED):
        return Pointer.read(stored.content) if stored else None
    return None


def _was_done(stored: Pointer, before: Pointer | None, ours: Pointer) -> bool:
    """Return whether the pointer that is stored is ours, or ours changed further by others.

    In that case our promotion, with its time, is among those that it remembers.
    """
    promotion = ours.promotions[-1]
    return stored == Pointer.read(ours.write()) or (
        promotion in stored.promotions and not (before and promotion in before.promotions)
    )
