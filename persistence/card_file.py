"""A version's card: written, and checked before it is used."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from persistence.checked_files import read_file
from persistence.signatures import SIGNATURE, SigningKeys
from persistence.store_errors import UntrustedArtifact

#: The card's format. Raise it with any change that an older reader would
#: misunderstand, keep `checked_card` reading the older ones, and keep one
#: version of each format under tests/support/versions/.
#: 2: the exported graph takes rows of doubles (before: an input per field).
#: 3: the runtime may be "exact", whose file is model.trees.
FORMAT = 3

#: What a file of a version may be called: never a path to another folder, nor the card.
FILE = re.compile(r"(?!card\.(json|sig)$)[a-z0-9_-]{1,64}(\.[a-z0-9_-]{1,16}){0,2}", re.ASCII)

_FINGERPRINT = {"bytes", "sha256"}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

#: Digests of card files that were undamaged: to check one again would take 4 ms.
_whole: set[bytes] = set()
_MOST_WHOLE = 10_000


def checked_card(content: bytes, name: str, version: str) -> dict[str, Any]:
    """Parse a card; raise UntrustedArtifact if it is damaged, another's or of a newer format."""
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
    if odd := [file for file, entry in card["files"].items() if not _is_file(file, entry)]:
        raise UntrustedArtifact(
            f"the card of {name} {version} lists {odd[0][:80]!r}, which is not a version's file"
        )
    return dict(card)


def _is_file(name: str, entry: Any) -> bool:
    """Return whether an entry of a card's files is a plain name with size and digest."""
    if not FILE.fullmatch(name) or not isinstance(entry, dict) or set(entry) != _FINGERPRINT:
        return False
    size, digest = entry["bytes"], entry["sha256"]
    return type(size) is int and size >= 0 and bool(_SHA256.fullmatch(str(digest)))


def _is_whole(content: bytes, card: Mapping[str, Any]) -> bool:
    file_digest = hashlib.sha256(content).digest()
    if file_digest not in _whole:
        if card_digest(card) != card["digest"] or card_text(card) != content:
            return False
        if len(_whole) >= _MOST_WHOLE:
            _whole.clear()
        _whole.add(file_digest)
    return True


def full_card(card: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return a card with what storing adds: format, file digests, its own digest, the version.

    Its ``created_at``, the training time, is ISO 8601 with its zone.
    """
    files_of_card = {name: fingerprint(content) for name, content in files.items()}
    full = {**card, "format": FORMAT, "files": files_of_card}
    full["digest"] = card_digest(full)
    at = datetime.fromisoformat(card["created_at"]).astimezone(UTC)
    full["version"] = f"{at:%Y%m%dT%H%M%SZ}-{full['digest'][:5]}"
    return full


def fingerprint(content: bytes) -> dict[str, Any]:
    """Return the size and digest of a file, as a card lists them."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def card_digest(card: Mapping[str, Any]) -> str:
    """Return the digest of a card without its digest and version."""
    body = {key: value for key, value in card.items() if key not in ("digest", "version")}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def card_text(card: Mapping[str, Any]) -> bytes:
    """Format a card as the bytes of its file."""
    return json.dumps(card, indent=1, allow_nan=False, ensure_ascii=False).encode()


#: A card takes 3 to 50 kB, and its signature 200 bytes: nothing much larger is read.
MOST_CARD_BYTES, MOST_SIGNATURE_BYTES = 2**24, 2**12


def open_card(folder: Path, name: str, version: str, *, keys: SigningKeys | None) -> dict[str, Any]:
    """Read the card of a version, as `checked_card`, once one of the keys has verified it.

    Without keys no signature is required.
    """
    content = _read(folder / "card.json", MOST_CARD_BYTES, f"the card of {name} {version}")
    if keys:
        of = f"the signature of {name} {version}"
        is_signed = os.path.lexists(folder / SIGNATURE)
        signature = _read(folder / SIGNATURE, MOST_SIGNATURE_BYTES, of) if is_signed else None
        keys.verify(content, signature, name=name, version=version)
    return checked_card(content, name, version)


def _read(path: Path, most: int, what: str) -> bytes:
    try:
        return read_file(path, most)
    except OSError as error:
        raise UntrustedArtifact(f"{what} cannot be read: {error.strerror}") from error
