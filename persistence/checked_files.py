"""A stored version's files, checked against the card as they are read."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from persistence.store_errors import UntrustedArtifact


def read_file(path: Path, most: int, *, follows_links: bool = False) -> bytes:
    """Read a regular file of at most so many bytes.

    Raise OSError for a larger one, and for a link unless links are followed.
    """
    with _opened(path, follows_links=follows_links) as file:
        if os.fstat(file.fileno()).st_size > most or len(content := file.read(most + 1)) > most:
            raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
        return content


def checked_file(folder: Path, card: Mapping[str, Any], name: str) -> bytes:
    """Read a file of a version; raise UntrustedArtifact if it is not the one in the card."""
    return b"".join(_checked_parts(folder, card, name, part_bytes=-1))


def check_file(folder: Path, card: Mapping[str, Any], name: str) -> None:
    """Check a file of a version, as `checked_file`, without keeping its content."""
    for _ in _checked_parts(folder, card, name, part_bytes=2**20):
        pass


def _checked_parts(
    folder: Path, card: Mapping[str, Any], name: str, *, part_bytes: int
) -> Iterator[bytes]:
    """Yield a file's parts; none of them is checked before the last one was taken."""
    if name not in card["files"]:
        raise UntrustedArtifact(f"the card of {card['version']} does not list {name}")
    size, sha256 = card["files"][name]["bytes"], hashlib.sha256()
    try:
        with _opened(folder / name) as file:
            is_whole = os.fstat(file.fileno()).st_size == size
            left = size + 1 if is_whole else 0  # a file that grows is not read to its end
            while left > 0 and (part := file.read(left if part_bytes < 0 else part_bytes)):
                left -= len(part)
                sha256.update(part)
                yield part
    except OSError as error:
        reason = f"{name} of {card['version']} cannot be read: {error.strerror}"
        raise UntrustedArtifact(reason) from error
    if not is_whole or left != 1 or sha256.hexdigest() != card["files"][name]["sha256"]:
        raise UntrustedArtifact(
            f"{name} of {card['version']} differs from the digest in its card: train it again"
        )


def _opened(path: Path, *, follows_links: bool = False) -> BinaryIO:
    """Open a regular file; devices and pipes are not waited for."""
    no_links = 0 if follows_links else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | no_links)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")
