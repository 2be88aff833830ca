"""Folders for what is read back and believed: nobody else can write in them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from persistence.store_errors import StoreUnavailable, UntrustedArtifact


def private_folder(path: Path) -> Path:
    """Make a folder that is this user's alone, where there is none yet.

    Raises
    ------
    UntrustedArtifact
        When what is there is a link, another user's, or others may write in it.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        reason = "is no folder, or a link to one"
    elif found.st_uid != os.geteuid():
        reason = "belongs to another user"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = "can be written by other users"
    else:
        return path
    raise UntrustedArtifact(
        f"the cache folder {path} {reason}: remove it, or name another in MODEL_CACHE"
    )


def refuse_link(path: Path) -> None:
    """See that a file in such a folder was not led elsewhere.

    Raises
    ------
    UntrustedArtifact
        When it is a link.
    """
    if path.is_symlink():
        raise UntrustedArtifact(
            f"{path} in the cache is a link, which nothing here makes: remove it"
        )


def replace_private(path: Path, content: bytes) -> None:
    """Put a file in the place of another, as `whole_files.replace_file`, for this user alone."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def keeping(path: Path) -> Iterator[None]:
    """Say of a disk that is full, broken or read-only what cannot be kept on it.

    Raises
    ------
    StoreUnavailable
        In the place of OSError.
    """
    try:
        yield
    except (StoreUnavailable, FileNotFoundError):
        raise
    except OSError as error:
        raise StoreUnavailable(f"nothing can be kept in the cache {path}: {error}") from error
