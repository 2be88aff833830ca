"""A version's card and files, checked before they are believed."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from persistence.trusted_types import UntrustedArtifact

#: The card's format. Raise it with any change that an older reader would
#: misunderstand, keep `checked_card` reading the older ones, and keep one
#: version of each format under tests/versions/.
#: 2: the exported graph takes rows of doubles (before: an input per field).
FORMAT = 2

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
        is_whole = _is_whole(content, card)
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
    return dict(card)


def read_card(folder: Path, name: str, version: str) -> dict[str, Any]:
    """Read the card of a version from its folder, as `checked_card`.

    Raises
    ------
    UntrustedArtifact
        When it cannot be read, either.
    """
    try:
        content = (folder / "card.json").read_bytes()
    except OSError as error:
        raise UntrustedArtifact(f"the card of {name} {version} cannot be read: {error}") from error
    return checked_card(content, name, version)


def _is_whole(content: bytes, card: Mapping[str, Any]) -> bool:
    seen = hashlib.sha256(content).digest()
    if seen not in _whole:
        if card_digest(card) != card["digest"] or card_text(card) != content:
            return False
        if len(_whole) >= _MOST_WHOLE:
            _whole.clear()
        _whole.add(seen)
    return True


def checked_file(folder: Path, card: Mapping[str, Any], name: str) -> bytes:
    """Read a file of a version and see that it is the one in the card.

    Raises
    ------
    UntrustedArtifact
        When it is not.
    """
    if name not in card["files"]:
        raise UntrustedArtifact(f"the card of {card['version']} lists no {name}")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise UntrustedArtifact(f"{name} of {card['version']} cannot be read: {error}") from error
    if fingerprint(content) != card["files"][name]:
        raise UntrustedArtifact(
            f"{name} of {card['version']} differs from the digest in its card: train it again"
        )
    return content


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
