"""API keys in an object of a bucket, so that all machines of a service have the same.

    <cache>/keys-<digest of the address>.json    this machine's copy
    <cache>/keys-<digest of the address>.tag     its ETag; its time is that of the last look

While the bucket is unavailable the copy stays as it is.
"""

import hashlib
import logging
import math
import time
from contextlib import suppress
from pathlib import Path

from persistence.api_keys import MOST_BYTES, Change, InvalidKeys, Key, KeyFile
from persistence.atomic_files import locked
from persistence.bucket.client import Bucket, StoredObject, attempts
from persistence.bucket.private_folder import (
    keeping,
    private_folder,
    refuse_link,
    replace_private,
)
from persistence.store_errors import StoreUnavailable, UntrustedArtifact

_log = logging.getLogger(__name__)

#: Seconds between two looks of one machine.
SECONDS = 1.0

#: How often a change is tried when others are faster.
TURNS = 20


class BucketKeys(KeyFile):
    """The keys in the object at an address; its copy is in a folder that is this user's alone."""

    def __init__(self, address: str, cache: Path) -> None:
        place, _, self._key = address.rpartition("/")
        digest = hashlib.sha256(address.encode()).hexdigest()[:8]
        super().__init__(cache.absolute() / f"keys-{digest}.json")
        self._bucket, self._address = Bucket(place), address
        self._tag = self.path.with_suffix(".tag")
        self._trouble = ""

    def __str__(self) -> str:
        return self._address

    def read(self) -> tuple[Key, ...]:
        """Read the keys in the bucket; none when there is no object."""
        stored = self._stored()
        return () if stored is None else self.parse(stored.content)

    def change(self, change: Change) -> None:
        """Replace the keys in the bucket by what a function makes of them."""
        for _ in attempts(TURNS):
            stored = self._stored()
            keys = change(() if stored is None else self.parse(stored.content))
            # The bucket refuses this when the object has changed since it was read.
            if self._bucket.swap(self._key, self.content_of(keys), stored):
                return
        raise InvalidKeys(f"others have changed {self} {TURNS} times meanwhile: try again")

    def pull(self) -> None:
        """Bring the copy up to date, unless a process of this machine has just done so."""
        trouble = ""
        try:
            folder = private_folder(self.path.parent)
            patience = 0 if self._tag.exists() else math.inf  # the first one is waited for
            with keeping(folder), locked(folder, seconds=patience) as is_alone:
                if is_alone and self._is_due():
                    self._copy()
        except (StoreUnavailable, UntrustedArtifact, OSError) as error:
            trouble = str(error)
        if trouble and not self._trouble:
            _log.warning("the keys stay as they were: %s", trouble)
        elif self._trouble and not trouble:
            _log.warning("the keys can be read again from %s", self)
        self._trouble = trouble

    def _stored(self) -> StoredObject | None:
        with suppress(FileNotFoundError):
            return self._bucket.read(self._key, size=MOST_BYTES)
        return None

    def _is_due(self) -> bool:
        try:
            age = time.time() - self._tag.stat().st_mtime
        except OSError:
            return True
        return not 0 <= age < SECONDS  # a clock may be set back

    def _copy(self) -> None:
        for path in (self.path, self._tag):
            refuse_link(path)
        tag = self._tag.read_text() if self._tag.exists() and self.path.exists() else ""
        try:
            stored = self._bucket.read(self._key, unless=tag, most=1)
        except FileNotFoundError:
            self.path.unlink(missing_ok=True)
            replace_private(self._tag, b"")
            return
        if stored is not None:
            replace_private(self.path, stored.content)
            tag = stored.tag
        replace_private(self._tag, tag.encode())
