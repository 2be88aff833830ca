"""Objects that are written once and never change: files of a folder, or objects of a bucket."""

import os
import secrets
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from persistence.atomic_files import sync_folder
from persistence.bucket.client import SCHEMES, Bucket, StoredObject

#: Larger objects are not read.
MOST_BYTES = 2**28

#: Seconds after which a draft is what a killed process has left.
DRAFT_SECONDS = 24 * 3600


class Objects(Protocol):
    """The objects below one place; keys have ``/`` between their parts, and none begins with it.

    Every method may raise StoreUnavailable, or OSError in a folder.
    """

    def list_keys(self, prefix: str = "", after: str = "") -> list[str]:
        """List the keys below a prefix, which ends with ``/``, that sort after a key."""

    def read(self, key: str, *, size: int | None = None) -> StoredObject | None:
        """Read an object of at most so many bytes; raise FileNotFoundError without one."""

    def create(self, key: str, content: bytes) -> bool:
        """Write an object, whole or not at all; False where there is one already."""

    def remove(self, key: str) -> None:
        """Remove an object; it need not be there."""


def open_objects(place: Path | str) -> Objects:
    """Return the objects below a folder or the address of a bucket."""
    if str(place).partition("://")[0] in SCHEMES:
        return Bucket(str(place))
    return FolderObjects(Path(place))


def copy_objects(place: Path | str, folder: Path) -> None:
    """Copy what is below a place into a folder."""
    objects = open_objects(place)

    def copy(key: str) -> None:
        stored = objects.read(key, size=MOST_BYTES)
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(stored.content if stored else b"")

    with ThreadPoolExecutor(8) as pool:
        deque(pool.map(copy, objects.list_keys()), maxlen=0)


class FolderObjects:
    """The files below a folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for draft in folder.glob(".draft-*"):
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < time.time() - DRAFT_SECONDS:
                    draft.unlink()

    def __str__(self) -> str:
        return str(self._folder)

    def list_keys(self, prefix: str = "", after: str = "") -> list[str]:
        """List the keys below a prefix that sort after a key."""
        paths = (self._folder / prefix).rglob("*")
        keys = (path.relative_to(self._folder).as_posix() for path in paths if path.is_file())
        return sorted(key for key in keys if key > after and not key.startswith(".draft-"))

    def read(self, key: str, *, size: int | None = None) -> StoredObject | None:
        """Read a file; the limit is for what comes over a network."""
        return StoredObject((self._folder / key).read_bytes())

    def create(self, key: str, content: bytes) -> bool:
        """Write a file that is whole or absent; False where there is one already."""
        path = self._folder / key
        if path.exists():
            return False
        _make_folder(path.parent)
        draft = self._folder / f".draft-{secrets.token_hex(8)}"
        try:
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # a rename would replace what another process has just written
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
        return True

    def remove(self, key: str) -> None:
        """Remove a file; it need not be there."""
        (self._folder / key).unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; the disk has their names before anything is in them."""
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in absent:
        sync_folder(path.parent)
