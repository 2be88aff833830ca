"""Files and folders that are whole or absent, whatever ends the process or the machine."""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

#: Seconds after which nobody goes on writing a folder.
_ABANDONED = 24 * 3600


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in the place of another; who reads it meets the one or the other.

    Nobody else may replace it at the same time.
    """
    draft = path.with_name(f".{path.name}")
    write_file(draft, content)
    draft.replace(path)
    sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder: it is out of sight whole, and then deleted."""
    away = tempfile.mkdtemp(prefix=".removing-", dir=path.parent)
    path.rename(away)  # a folder may take the name of an empty one
    sync_folder(path.parent)
    shutil.rmtree(away, ignore_errors=True)


def sweep(home: Path) -> None:
    """Delete what is left of folders that were being removed, or written a day ago."""
    for one in home.glob(".removing-*"):
        shutil.rmtree(one, ignore_errors=True)
    for one in home.glob(".writing-*"):
        with suppress(FileNotFoundError):  # it has become whole just now
            if one.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(one, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
