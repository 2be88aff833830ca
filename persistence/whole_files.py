"""Files that are whole or absent, whatever ends the process or the machine."""

import os
from pathlib import Path


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


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
