"""Folders in which no other user can write, so that what is read back can be trusted."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from persistence.atomic_files import replace_file
from persistence.store_errors import StoreUnavailable, UntrustedArtifact


def private_folder(path: Path) -> Path:
    """Make a folder that is this user's alone; raise UntrustedArtifact if what is there is not."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        reason = "is not a folder, or is a link"
    elif status.st_uid != os.geteuid():
        reason = "belongs to another user"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = "is writable by other users"
    else:
        return path
    raise UntrustedArtifact(
        f"the cache folder {path} {reason}: remove it, or name another in MODEL_CACHE"
    )


def refuse_link(path: Path) -> None:
    """Raise UntrustedArtifact if a file in such a folder is a link."""
    if path.is_symlink():
        raise UntrustedArtifact(
            f"{path} in the cache is a link, which nothing here makes: remove it"
        )


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file, as `atomic_files.replace_file`, by one for this user alone."""
    replace_file(path, content, mode=0o600)


@contextmanager
def keeping(path: Path) -> Iterator[None]:
    """Raise StoreUnavailable in place of OSError: a disk may be full, broken or read-only."""
    try:
        yield
    except (StoreUnavailable, FileNotFoundError):
        raise
    except OSError as error:
        raise StoreUnavailable(f"the cache {path} cannot be written: {error}") from error
