"""A version's card and files, checked before they are believed."""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from persistence.trusted_types import UntrustedArtifact

#: The card's format. Raise it with any change that an older reader would
#: misunderstand, keep `checked_card` reading the older ones, and keep one
#: version of each format under tests/versions/.
#: 2: the exported graph takes rows of doubles (before: an input per field).
FORMAT = 2

#: What a file of a version may be called: it stands in no other folder, and is not the card.
FILE = re.compile(r"(?!card\.(json|sig)$)[a-z0-9_-]{1,64}(\.[a-z0-9_-]{1,16}){0,2}", re.ASCII)

_FINGERPRINT = {"bytes", "sha256"}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

#: Digests of card files that were found whole: to see that again would take 4 ms for each.
_whole: set[bytes] = set()
_MOST_WHOLE = 10_000


def checked_card(content: bytes, name: str, version: str) -> dict[str, Any]:
    """Read a card and see that it is whole, that version's, and of a known format.

    Raises
    ------
    UntrustedArtifact
        When it is not.
    """
    try:
        card = json.loads(content)
        format_number, digest = card["format"], card["digest"]
        is_ours = (card["model"], card["version"]) == (name, version)
        is_whole = _is_whole(content, card) and isinstance(card["files"], dict)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UntrustedArtifact(f"the card of {name} {version} is damaged: {error!r}") from error
    if format_number not in range(1, FORMAT + 1):
        raise UntrustedArtifact(
            f"the card of {name} {version} has format {format_number!r}, "
            f"this code reads 1 to {FORMAT}"
        )
    if not (is_ours and is_whole and version.endswith(digest[:5])):
        raise UntrustedArtifact(
            f"the card of {name} {version} was changed after it was written: train it again"
        )
    if odd := [one for one, known in card["files"].items() if not _is_file(one, known)]:
        raise UntrustedArtifact(
            f"the card of {name} {version} lists {odd[0][:80]!r}, which is no file of a version"
        )
    return dict(card)


def _is_file(name: str, known: Any) -> bool:
    """Tell whether an entry of a card's files is a plain name with size and digest."""
    if not FILE.fullmatch(name) or not isinstance(known, dict) or set(known) != _FINGERPRINT:
        return False
    size, digest = known["bytes"], known["sha256"]
    return type(size) is int and size >= 0 and bool(_SHA256.fullmatch(str(digest)))


def _is_whole(content: bytes, card: Mapping[str, Any]) -> bool:
    seen = hashlib.sha256(content).digest()
    if seen not in _whole:
        if card_digest(card) != card["digest"] or card_text(card) != content:
            return False
        if len(_whole) >= _MOST_WHOLE:
            _whole.clear()
        _whole.add(seen)
    return True


def read_file(path: Path, most: int) -> bytes:
    """Read a plain file of at most so many bytes; nothing of a larger one.

    Raises
    ------
    OSError
        When it cannot be read, is a link or a device, or is larger.
    """
    with _opened(path) as file:
        if os.fstat(file.fileno()).st_size > most or len(content := file.read(most + 1)) > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes")
        return content


def checked_file(folder: Path, card: Mapping[str, Any], name: str) -> bytes:
    """Read a file of a version and see that it is the one in the card.

    Raises
    ------
    UntrustedArtifact
        When it is not.
    """
    return b"".join(_checked_parts(folder, card, name, part_bytes=-1))


def check_file(folder: Path, card: Mapping[str, Any], name: str) -> None:
    """See that a file of a version is the one in the card, without keeping it.

    Raises
    ------
    UntrustedArtifact
        When it is not.
    """
    for _ in _checked_parts(folder, card, name, part_bytes=2**20):
        pass


def _checked_parts(
    folder: Path, card: Mapping[str, Any], name: str, *, part_bytes: int
) -> Iterator[bytes]:
    """Give a file's parts; none of them may be believed before the last one was given."""
    if name not in card["files"]:
        raise UntrustedArtifact(f"the card of {card['version']} lists no {name}")
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


def _opened(path: Path) -> BinaryIO:
    """Open a plain file: no link is followed, and no device or pipe waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no plain file")


def full_card(card: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Add to a card what storing it adds: format, file digests, its own digest, the version."""
    files_of_card = {name: fingerprint(content) for name, content in files.items()}
    full = {**card, "format": FORMAT, "files": files_of_card}
    full["digest"] = card_digest(full)
    at = datetime.fromisoformat(card["created_at"]).astimezone(UTC)
    full["version"] = f"{at:%Y%m%dT%H%M%SZ}-{full['digest'][:5]}"
    return full


def fingerprint(content: bytes) -> dict[str, Any]:
    """Give the size and digest that a card has of a file."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def card_digest(card: Mapping[str, Any]) -> str:
    """Give the digest of all that a card says but the digest and the version."""
    body = {key: value for key, value in card.items() if key not in ("digest", "version")}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def card_text(card: Mapping[str, Any]) -> bytes:
    """Write a card as its file has it."""
    return json.dumps(card, indent=1, allow_nan=False, ensure_ascii=False).encode()
