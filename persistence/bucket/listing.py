"""What is in a bucket, by the keys of its objects."""

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from persistence.bucket.client import Bucket
from persistence.names import NAME, VERSION
from persistence.store_errors import StoreUnavailable

#: Seconds for which a list is used again, and so is the failure to get one.
SECONDS = 1.0

#: A list that takes long is used for so many times as long, at most for so many seconds.
TIMES, MOST_SECONDS = 10, 60.0


class _Listed(NamedTuple):
    keys: list[list[str]]  # below a model, each in its parts
    names: list[str]  # of the models that have a pointer
    versions: dict[str, list[str]]  # by model, oldest first


class Listing:
    """The models and versions in a bucket, listed at most once a second.

    Where there are so many objects that this takes long, they are listed less often. Every
    method raises StoreUnavailable while the bucket is unavailable.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._until = -math.inf
        self._listed: _Listed | StoreUnavailable = _Listed([], [], {})

    def names(self) -> list[str]:
        """List the models that have a pointer, in alphabetical order."""
        return self._now().names

    def stored_names(self) -> list[str]:
        """List the models that have a version, in alphabetical order."""
        return sorted(self._now().versions)

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first."""
        return self._now().versions.get(name, [])

    def files(self, name: str, version: str) -> list[str]:
        """List the files of a version, ``card.json`` first."""
        files = [key[2] for key in self._now().keys if key[:2] == [name, version] and len(key) == 3]
        return sorted(files, key=lambda file: (file != "card.json", file))

    def unfinished(self, name: str) -> list[str]:
        """List what is named as a version of a day ago or before, and has no card."""
        day_ago = f"{datetime.now(UTC) - timedelta(days=1):%Y%m%dT%H%M%SZ}"
        stems = {key[1] for key in self._now().keys if key[0] == name and len(key) == 3}
        old = {stem for stem in stems if VERSION.fullmatch(stem) and stem < day_ago}
        return sorted(old - {*self.versions(name)})

    def forget(self) -> None:
        """Send the next request for a list, however recent the last was."""
        self._until = -math.inf

    def _now(self) -> _Listed:
        with self._lock:
            start = time.monotonic()
            if start >= self._until:
                pause = SECONDS
                try:
                    self._listed = _listed(self._bucket.list_keys())
                    pause = min(MOST_SECONDS, max(SECONDS, TIMES * (time.monotonic() - start)))
                except StoreUnavailable as error:
                    self._listed = error
                self._until = time.monotonic() + pause
            listed = self._listed
        if isinstance(listed, StoreUnavailable):
            raise StoreUnavailable(str(listed))
        return listed


def _listed(paths: list[str]) -> _Listed:
    keys = [path.split("/") for path in paths]
    keys = [key for key in keys if NAME.fullmatch(key[0])]
    versions: dict[str, list[str]] = {}
    for key in sorted(keys):
        if len(key) == 3 and key[2] == "card.json" and VERSION.fullmatch(key[1]):
            versions.setdefault(key[0], []).append(key[1])
    return _Listed(keys, sorted(key[0] for key in keys if key[1:] == ["promoted.json"]), versions)
