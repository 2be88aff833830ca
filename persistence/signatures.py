"""Signed cards: without a key, even those who can write to a store cannot make a version.

    card.sig    {"algorithm", "key", "signature"}

The card has the size and digest of every file, so the signature of its bytes
covers the whole version. A key is one of

    <secret>                 at least 22 random characters: HMAC-SHA256, signs and verifies
    ed25519-private:<key>    32 bytes in base64: signs and verifies
    ed25519-public:<key>     32 bytes in base64: verifies
"""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

from persistence.store_errors import StoreError, UntrustedArtifact

#: The file beside the card.
SIGNATURE = "card.sig"

#: Comes before the bytes that are signed, so that a signature is valid for nothing else.
_PURPOSE = b"card of a stored version\n"


class CannotSign(StoreError, ValueError):
    """The first key can only verify, or the library that it needs is not installed."""


class SigningKeys:
    """Keys with commas between, of which the first signs and each verifies cards."""

    def __init__(self, text: str) -> None:
        self._keys = [_parse_key(key.strip()) for key in text.split(",")]

    def sign(self, card: bytes) -> bytes:
        """Return the content of `card.sig` for the bytes of a card; raise CannotSign."""
        key = self._keys[0]
        return _signature_text(key.algorithm, key.id, key.sign(_PURPOSE + card))

    def verify(self, card: bytes, signature: bytes | None, *, name: str, version: str) -> None:
        """Raise UntrustedArtifact if the bytes of a card are not signed with one of the keys.

        The algorithm is that of the key that the signature names; what the file
        says of it is only compared.
        """
        of = f"the card of {name} {version}"
        remedy = f"if you trust it, sign it with `flask models sign {name} {version}`"
        if signature is None:
            raise UntrustedArtifact(f"{of} is not signed, and SIGNING_KEY is set: {remedy}")
        algorithm, identifier, content = _parse_signature(signature, of)
        key = next((key for key in self._keys if key.id == identifier), None)
        if key is None:
            raise UntrustedArtifact(
                f"{of} is signed with key {identifier}, which is not in SIGNING_KEY: {remedy}"
            )
        if algorithm != key.algorithm:
            raise UntrustedArtifact(f"{of} is signed by {algorithm!r}, its key by {key.algorithm}")
        if not key.has_signed(_PURPOSE + card, content):
            raise UntrustedArtifact(
                f"{of} differs from what was signed: restore the version, or train again"
            )


class _Secret:
    """A secret that trainer and service share."""

    algorithm = "hmac-sha256"

    def __init__(self, text: str) -> None:
        self._secret = text.encode()

    @property
    def id(self) -> str:
        """What a signature calls the key; it reveals nothing of a secret."""
        return hmac.digest(self._secret, b"id of this key", "sha256").hex()[:16]

    def sign(self, content: bytes) -> bytes:
        """Return the signature of some bytes."""
        return hmac.digest(self._secret, content, "sha256")

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        return hmac.compare_digest(self.sign(content), signature)


class _Ed25519:
    """A pair of keys, or the public one alone."""

    algorithm = "ed25519"

    def __init__(self, content: bytes, *, is_private: bool) -> None:
        self._content, self._is_private = content, is_private

    @property
    def id(self) -> str:
        """What a signature calls the key; it reveals nothing of a secret."""
        return sha256(self._public().public_bytes_raw()).hexdigest()[:16]

    def sign(self, content: bytes) -> bytes:
        """Return the signature of some bytes."""
        if not self._is_private:
            raise CannotSign(
                "SIGNING_KEY begins with a public key, which cannot sign: "
                "where versions are trained, begin it with a secret or a private key"
            )
        try:
            return bytes(self._private().sign(content))
        except UntrustedArtifact as error:
            raise CannotSign(str(error)) from error

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._public().verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def _private(self) -> Any:
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self._content)

    def _public(self) -> Any:
        if self._is_private:
            return self._private().public_key()
        return _ed25519().Ed25519PublicKey.from_public_bytes(self._content)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise UntrustedArtifact(
            "SIGNING_KEY has an Ed25519 key, and cryptography is not installed: "
            "pip install cryptography"
        ) from error
    return ed25519


def _parse_key(text: str) -> _Secret | _Ed25519:
    kind, colon, content = text.partition(":")
    if colon and kind in ("ed25519-private", "ed25519-public"):
        is_private = kind == "ed25519-private"
        return _Ed25519(base64.b64decode(content, validate=True), is_private=is_private)
    return _Secret(text)


def _parse_signature(content: bytes, of: str) -> tuple[str, str, bytes]:
    try:
        document = json.loads(content)
        parts = document["algorithm"], document["key"], bytes.fromhex(document["signature"])
        # There is a single way to write it, so a changed byte is always noticed.
        is_whole = _signature_text(*parts) == content
    except (ValueError, KeyError, TypeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UntrustedArtifact(f"the signature of {of.removeprefix('the ')} is damaged")
    return parts


def _signature_text(algorithm: str, identifier: str, signature: bytes) -> bytes:
    document = {"algorithm": algorithm, "key": identifier, "signature": signature.hex()}
    return json.dumps(document).encode()
