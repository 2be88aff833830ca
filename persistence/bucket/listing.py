"""What is in a bucket, by the keys of its objects."""

import threading
import time
from datetime import UTC, datetime, timedelta

from persistence.bucket.client import Bucket
from persistence.names import NAME, VERSION
from persistence.store_errors import StoreUnavailable

#: Seconds for which a list is believed; a failure to get one is, too.
SECONDS = 1.0


class Listing:
    """The models and versions in a bucket, listed at most once a second.

    Every method raises StoreUnavailable while the bucket is away.
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
        return sorted(version for one, version in self._versions() if one == name)

    def files(self, name: str, version: str) -> list[str]:
        """List the files of a version, ``card.json`` first."""
        found = [key[2] for key in self.keys() if key[:2] == [name, version] and len(key) == 3]
        return sorted(found, key=lambda file: (file != "card.json", file))

    def unfinished(self, name: str) -> list[str]:
        """List what has the name of a version of a day ago, and no card."""
        day_ago = f"{datetime.now(UTC) - timedelta(days=1):%Y%m%dT%H%M%SZ}"
        found = {key[1] for key in self.keys() if key[0] == name and len(key) == 3}
        old = {one for one in found if VERSION.fullmatch(one) and one < day_ago}
        return sorted(old - {*self.versions(name)})

    def forget(self) -> None:
        """List anew when next asked."""
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
            found = self._keys
        if isinstance(found, StoreUnavailable):
            raise StoreUnavailable(str(found))
        return found

    def _versions(self) -> list[list[str]]:
        return [
            key[:2]
            for key in self.keys()
            if len(key) == 3 and key[2] == "card.json" and VERSION.fullmatch(key[1])
        ]
