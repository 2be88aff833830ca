"""Versions in a bucket, and a folder of this machine with copies of what was read of them.

What is read is read from the folder: a file that is missing or differs from the card is fetched
first. So a service starts and continues while the bucket is unavailable.
"""

import hashlib
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from persistence.atomic_files import locked
from persistence.bucket.client import Bucket, attempts
from persistence.bucket.listing import Listing
from persistence.bucket.pointer import BucketPointer
from persistence.bucket.private_folder import keeping, private_folder, refuse_link, replace_private
from persistence.bucket.versions import CARD, fetch_card, fetch_file, publish, sign
from persistence.card_file import FILE
from persistence.checked_files import checked_file
from persistence.folder import Folder
from persistence.place import Change, Place, ReadCard
from persistence.promotions import DAMAGED, Pointer
from persistence.signatures import SIGNATURE
from persistence.store_errors import StoreUnavailable, UntrustedArtifact

_log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]


class CachedBucket(Place):
    """The versions under one address of a bucket, with copies in its own folder of the cache."""

    def __init__(self, address: str, cache: Path) -> None:
        self._bucket = Bucket(address)
        self._listing = Listing(self._bucket)
        self._cache = cache.absolute()
        stem = re.sub(r"[^a-z0-9]+", "-", str(self).lower())[:60]
        self.root = self._cache / f"{stem}-{hashlib.sha256(str(self).encode()).hexdigest()[:8]}"
        self._cached = Folder(self.root)
        self._asks_apart = False
        self._trouble = ""

    def __str__(self) -> str:
        return str(self._bucket)

    def ask_apart(self, is_apart: bool) -> None:  # noqa: FBT001
        self._asks_apart = is_apart

    def names(self) -> list[str]:
        with suppress(StoreUnavailable):
            return self._listed().names()
        return self._cached.names()

    def stored_names(self) -> list[str]:
        try:
            return self._listed().stored_names()
        except StoreUnavailable:
            if cached := self._cached.stored_names():
                return cached
            raise

    def versions(self, name: str) -> list[str]:
        with suppress(StoreUnavailable):
            return self._listed().versions(name)
        return self._cached.versions(name)

    def has(self, name: str, version: str) -> bool:
        # Looked up among those there are, never joined to a path from a request.
        if self._cached.has(name, version) or version in self._pointed(name):
            return True
        return not self._asks_apart and version in self._listing.versions(name)

    def pointer(self, name: str) -> Pointer:
        pointer = self.bucket_pointer(name)
        if not (pointer.is_cached() or self._asks_apart or name in self._listing.names()):
            raise FileNotFoundError(f"{self}/{name}/promoted.json")
        return pointer.read()

    def pointer_tag(self, name: str) -> str | None:
        try:
            self.bucket_pointer(name).poll()
            trouble = ""
        except (StoreUnavailable, UntrustedArtifact) as error:  # the cached pointer stays
            trouble = str(error)
        if trouble and trouble != self._trouble:
            _log.warning("no promotion is seen: %s", trouble)
        self._trouble = trouble
        return self._cached.pointer_tag(name)

    def bucket_pointer(self, name: str) -> BucketPointer:
        """Return the pointer of a model, which need not exist."""
        ask_apart = partial(self._fetch_apart, name) if self._asks_apart else None
        return BucketPointer(self._bucket, self._home(name), ask_apart)

    def change(self, name: str, change: Change) -> None:
        self.bucket_pointer(name).change(change)
        self._listing.forget()

    def read_card(self, name: str, version: str, read: ReadCard) -> dict[str, Any]:
        """Read the card of a stored version; it is fetched when the copy is not trusted."""
        home = self._home(name, version)
        for file in CARD:
            refuse_link(home / file)
        try:
            return read(home)
        except UntrustedArtifact:
            if self._asks_apart:
                self._fetch_apart(name, version)
                return read(home)
        for is_last in attempts(2):
            with (
                keeping(home),
                tempfile.TemporaryDirectory(prefix=".card-", dir=self.root) as folder,
            ):
                draft = Path(folder)
                fetch_card(self._bucket, name, version, draft)
                try:
                    card = read(draft)
                except UntrustedArtifact:
                    if is_last:
                        raise
                    continue
                with locked(home):
                    for path in draft.iterdir():
                        replace_private(home / path.name, path.read_bytes())
                return card
        raise AssertionError("there is a last attempt")

    def bring(self, card: Mapping[str, Any]) -> Path:
        name, version = str(card["model"]), str(card["version"])
        home = self._home(name, version)
        for file in card["files"]:
            if not FILE.fullmatch(file):
                raise UntrustedArtifact(f"the card of {version} names a file {file[:80]!r}")
            refuse_link(home / file)
        if self._asks_apart:
            if not all(_is_there(home, card, file) for file in card["files"]):
                self._fetch_apart(name, version)
            return home
        with keeping(home), locked(home):
            for file in card["files"]:
                if not _is_there(home, card, file):
                    fetch_file(self._bucket, home, card, file)
        return home

    def publish(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        publish(self._bucket, name, version, files)
        self._listing.forget()

    def sign(self, name: str, version: str, signature: bytes) -> None:
        sign(self._bucket, name, version, signature)
        replace_private(self._home(name, version) / SIGNATURE, signature)
        self._listing.forget()

    def remove(self, name: str, version: str) -> None:
        self._listing.forget()
        for file in self._listing.files(name, version):  # its card first: without it there is none
            self._bucket.remove(f"{name}/{version}/{file}")
        self._listing.forget()
        if self._cached.has(name, version):
            self._cached.remove(name, version)

    def sweep(self, name: str) -> None:
        """Delete what writers that were killed a day ago have left of a model."""
        for version in self._listing.unfinished(name):
            self.remove(name, version)

    def _pointed(self, name: str) -> set[str]:
        """Return the versions that the cached pointer names: they may be newer than the list."""
        with suppress(FileNotFoundError, *DAMAGED):
            pointer = self._cached.pointer(name)
            candidate = {pointer.candidate.version} if pointer.candidate else set()
            return {promotion.version for promotion in pointer.promotions} | candidate
        return set()

    def _listed(self) -> Listing:
        if self._asks_apart:
            raise StoreUnavailable(f"{self} is not listed by a process that forks")
        return self._listing

    def _home(self, *parts: str) -> Path:
        with keeping(self._cache):
            private_folder(self._cache)
            path = private_folder(self.root)
            for part in parts:
                path = private_folder(path / part)
            return path

    def _fetch_apart(self, *what: str) -> None:
        """Run a process of its own that fetches into the cache: `persistence.bucket.fetch`."""
        where = str(self), str(self._cache)
        command = [sys.executable, "-m", "persistence.bucket.fetch", *where, *what]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603
        if process.returncode:
            reason = process.stderr.strip().rpartition("\n")[2]
            raise StoreUnavailable(reason or f"{self} did not receive the request")


def _is_there(home: Path, card: Mapping[str, Any], file: str) -> bool:
    try:
        checked_file(home, card, file)
    except UntrustedArtifact:
        return False
    return True
