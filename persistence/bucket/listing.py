"""What is in a bucket, by the keys of its objects."""

import threading
import time
from datetime import UTC, datetime, timedelta

from persistence.bucket.client import Bucket
from persistence.names import NAME, VERSION
from persistence.store_errors import StoreUnavailable

#: Seconds for which a list is used again; so is the failure to get one.
SECONDS = 1.0


class Listing:
    """The models and versions in a bucket, listed at most once a second.

    Every method raises StoreUnavailable while the bucket is unavailable.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._at: float | None = None
        self._keys: list[list[str]] | StoreUnavailable = []

    def names(self) -> list[str]:
        """List the models that have a pointer, in alphabetical order."""
        return sorted(key[0] for key in self.keys() if key[1:] == ["promoted.json"])

    def stored_names(self) -> list[str]:
        """List the models that have a version, in alphabetical order."""
        return sorted({name for name, _ in self._versions()})

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first."""
        return sorted(version for model, version in self._versions() if model == name)

    def files(self, name: str, version: str) -> list[str]:
        """List the files of a version, ``card.json`` first."""
        files = [key[2] for key in self.keys() if key[:2] == [name, version] and len(key) == 3]
        return sorted(files, key=lambda file: (file != "card.json", file))

    def unfinished(self, name: str) -> list[str]:
        """List what is named as a version of a day ago or before, and has no card."""
        day_ago = f"{datetime.now(UTC) - timedelta(days=1):%Y%m%dT%H%M%SZ}"
        stems = {key[1] for key in self.keys() if key[0] == name and len(key) == 3}
        old = {stem for stem in stems if VERSION.fullmatch(stem) and stem < day_ago}
        return sorted(old - {*self.versions(name)})

    def forget(self) -> None:
        """Send the next request for a list, however recent the last was."""
        self._at = None

    def keys(self) -> list[list[str]]:
        """List the keys below a model, each in its parts."""
        with self._lock:
            if self._at is None or time.monotonic() - self._at >= SECONDS:
                try:
                    keys = [key.split("/") for key in self._bucket.list_keys()]
                    self._keys = [key for key in keys if NAME.fullmatch(key[0])]
                except StoreUnavailable as error:
                    self._keys = error
                self._at = time.monotonic()
            keys_or_error = self._keys
        if isinstance(keys_or_error, StoreUnavailable):
            raise StoreUnavailable(str(keys_or_error))
        return keys_or_error

    def _versions(self) -> list[list[str]]:
        return [
            key[:2]
            for key in self.keys()
            if len(key) == 3 and key[2] == "card.json" and VERSION.fullmatch(key[1])
        ]
