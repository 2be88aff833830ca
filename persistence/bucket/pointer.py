"""A model's pointer in a bucket: replaced on a condition, asked for once for a whole machine.

    <cache>/<model>/promoted.json       the pointer, as the bucket last had it
    <cache>/<model>/.polled.json        when it was asked for, and what came of it

While the bucket is away the pointer stays as it is.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from persistence.atomic_files import locked
from persistence.bucket.client import ATTEMPTS, Bucket, Found, attempts
from persistence.bucket.private_folder import keeping, refuse_link, replace_private
from persistence.pointer_file import read_pointer
from persistence.promotions import DAMAGED, Pointer, PromotionConflict
from persistence.store_errors import StoreUnavailable

_log = logging.getLogger(__name__)

#: Seconds between two questions of one machine.
SECONDS = 1.0

#: Seconds after which the pointer is read whatever its ETag: one ETag may have been a wrong one.
WHOLE_SECONDS = 60.0

#: How often a change is tried when others are faster.
TURNS = 20

#: What may come of a question.
ABSENT, DAMAGE = "there is no promoted.json", "promoted.json is damaged"


class Poll(NamedTuple):
    """What came of the last question.

    Attributes
    ----------
    trouble : str
        Why the pointer could not be read; empty when it could.
    tag, digest : str
        The ETag of the pointer that is cached, and its SHA-256.
    whole_at : float
        When it was last read whatever its ETag, in seconds since 1970.
    """

    trouble: str = ""
    tag: str = ""
    digest: str = ""
    whole_at: float = 0.0


class BucketPointer:
    """The pointer of one model.

    Parameters
    ----------
    bucket : Bucket
        Where it is.
    home : Path
        The model's folder in the cache.
    ask_apart : callable or None
        Has another process poll, where this one must not ask.
    """

    def __init__(
        self, bucket: Bucket, home: Path, ask_apart: Callable[[], None] | None = None
    ) -> None:
        self._bucket = bucket
        self._home = home
        self._ask_apart = ask_apart
        self._key = f"{home.name}/promoted.json"
        self._path = home / "promoted.json"
        self._record = home / ".polled.json"

    def read(self) -> Pointer:
        """Read the pointer, at most a second old; older while the bucket is away.

        Raises
        ------
        FileNotFoundError
            When there is none.
        StoreUnavailable, UntrustedArtifact
            When none is cached and the bucket is away; when it is not to be believed.
        ValueError, KeyError, TypeError, AttributeError, RecursionError
            When it is damaged: `persistence.promotions.DAMAGED`.
        """
        is_cached = self.is_cached()
        try:
            self.poll(waits=not is_cached)
        except StoreUnavailable:
            if not is_cached:
                raise
        with suppress(FileNotFoundError):
            return read_pointer(self._home)
        trouble = self.last().trouble
        if trouble in (ABSENT, ""):
            raise FileNotFoundError(f"{self._bucket}/{self._key}")
        raise ValueError(trouble) if trouble == DAMAGE else StoreUnavailable(trouble)

    def is_cached(self) -> bool:
        """Tell whether a whole pointer is in the cache."""
        try:
            read_pointer(self._home)
        except (OSError, *DAMAGED):
            return False
        return True

    def last(self) -> Poll:
        """Give what came of the last question; nothing where there was none."""
        try:
            return Poll(**json.loads(self._record.read_bytes()))
        except (OSError, *DAMAGED):
            return Poll()

    def is_due(self) -> bool:
        """Tell whether nobody has asked within the last second."""
        try:
            age = time.time() - self._record.stat().st_mtime
        except OSError:
            return True
        return not 0 <= age < SECONDS  # a clock may be set back

    def poll(self, *, is_due: bool = False, waits: bool = False) -> None:
        """Ask for the pointer, unless another process does so or just did; keep what comes.

        Parameters
        ----------
        is_due : bool
            Whether to ask in any case.
        waits : bool
            Whether to wait for a process that is asking.

        Raises
        ------
        StoreUnavailable
            When what comes cannot be kept.
        UntrustedArtifact
            When the cache is not this user's alone.
        """
        if not (is_due or self.is_due()):
            return
        if self._ask_apart is not None:
            before = self.last()
            with suppress(StoreUnavailable):  # what came of it is written down
                self._ask_apart()
            self._tell(before, self.last())
            return
        with keeping(self._home), locked(self._home, waits=waits) as is_alone:
            if is_alone and (is_due or self.is_due()):
                refuse_link(self._path)
                before = self.last()
                after = self._ask(before)
                replace_private(self._record, json.dumps(after._asdict()).encode())
                self._tell(before, after)

    def change(self, change: Callable[[Pointer | None], Pointer]) -> None:
        """Replace the pointer by what is made of it; nobody else does so meanwhile.

        Raises
        ------
        StoreUnavailable
            When it is not known whether it was replaced.
        PromotionConflict
            When others were faster each time.
        """
        tried: tuple[Pointer | None, Pointer] | None = None
        away = 0
        for _ in attempts(TURNS):
            over = self._read()
            known = _parse(over)
            if tried and known and _came_through(known, *tried):
                break
            found = change(known)
            if found == known:
                break
            try:
                if self._bucket.swap(self._key, found.write(), over):
                    break
            except StoreUnavailable as error:
                tried, away = (known, found), away + 1
                if away == ATTEMPTS:
                    raise StoreUnavailable(f"{error}; it may have been changed or not") from error
        else:
            raise PromotionConflict(
                f"others have changed the pointer of {self._home.name} in {self._bucket} "
                f"{TURNS} times meanwhile: try again"
            )
        self.poll(is_due=True, waits=True)

    def _read(self) -> Found | None:
        try:
            return self._bucket.read(self._key)
        except FileNotFoundError:
            return None

    def _ask(self, before: Poll) -> Poll:
        now = time.time()
        kept = self._path.read_bytes() if self._path.exists() else b""
        is_whole = before.digest != _digest(kept) or not 0 <= now - before.whole_at < WHOLE_SECONDS
        try:
            found = self._bucket.read(self._key, unless="" if is_whole else before.tag, most=1)
        except FileNotFoundError:
            return before._replace(trouble=ABSENT)
        except StoreUnavailable as error:
            return before._replace(trouble=str(error))
        if found is None:
            return before._replace(trouble="")
        if _parse(found) is None:
            return before._replace(trouble=DAMAGE)
        if found.content != kept:
            replace_private(self._path, found.content)
        return Poll("", found.tag, _digest(found.content), now)

    def _tell(self, before: Poll, after: Poll) -> None:
        name = self._home.name
        if after.trouble == ABSENT and not self._path.exists():
            return
        if after.trouble and not before.trouble:
            _log.warning("the pointer of %s is kept as it was: %s", name, after.trouble)
        elif before.trouble and not after.trouble:
            _log.warning("the pointer of %s can be read again from %s", name, self._bucket)


def _parse(found: Found | None) -> Pointer | None:
    if found is None:
        return None
    try:
        return Pointer.read(found.content)
    except DAMAGED:
        return None


def _came_through(known: Pointer, before: Pointer | None, ours: Pointer) -> bool:
    """Tell whether what was written and not answered is in what is read now."""
    made = ours.promotions[-1]
    return known == Pointer.read(ours.write()) or (
        made in known.promotions and not (before and made in before.promotions)
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
