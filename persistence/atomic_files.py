"""Files that are whole or absent, whatever ends the process or the machine."""

import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Replace a file; a reader meets the old content or the new one.

    Nobody else may replace it at the same time. The mode is less the process's mask.
    """
    with replacing(path, path.with_name(f".{path.name}"), mode=mode) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, draft: Path, *, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Open a draft that takes the place of a file when the disk has all of it.

    The draft is in the same folder; nobody else may use it at the same time.
    """
    draft.unlink(missing_ok=True)  # left by a killed process, or a link that leads elsewhere
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, *, seconds: float = math.inf) -> Iterator[bool]:
    """Keep out every other process and thread that locks the same folder or file.

    Yield whether the others are out; False when they were not within so many seconds.
    """
    end = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while not (is_ours := _lock(descriptor, waits=end == math.inf)) and time.monotonic() < end:
            time.sleep(0.01)
        yield is_ours
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, waits: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
