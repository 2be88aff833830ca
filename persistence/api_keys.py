"""API keys: which caller may send which requests, stored without the secrets.

    keys.json    {"format": 1, "keys": [{"id", "name", "sha256", "scopes", ...}]}

A key is text, ``<id>.<secret>``, shown once when it is made. The file has its SHA-256: the
secret is 256 random bits, so no slow hash is needed, and nobody can make a key out of the file.
"""

import json
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import msgspec

from persistence.atomic_files import locked, replace_file
from persistence.checked_files import read_file
from persistence.names import NAME

#: The longest file of keys: about 40,000 of them.
MOST_BYTES = 2**24

#: What a key may allow.
SCOPES = ("predict", "read", "publish", "promote", "log", "feedback")

#: A number of requests in a number of seconds, as ``100/60``.
RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,5})")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")


class InvalidKeys(ValueError):
    """The file of keys cannot be read, or a key cannot be made or removed."""


class Key(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A caller's key, as it is stored."""

    id: str
    name: str  # the caller's, for people and logs
    sha256: str
    created_at: datetime
    scopes: tuple[Literal["predict", "read", "publish", "promote", "log", "feedback"], ...]
    models: tuple[str, ...] | None = None  # that it is valid for; None: all
    expires_at: datetime | None = None
    rate_limit: str | None = None  # as `RATE`; None: the service's own

    def may_ask(self, model: str) -> bool:
        """Return whether the key is valid for a model."""
        return self.models is None or model in self.models

    def has_expired(self) -> bool:
        """Return whether the key has become invalid."""
        return self.expires_at is not None and datetime.now(UTC) >= self.expires_at


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal[1]
    keys: tuple[Key, ...]


def make_key(
    name: str, *, scopes: Sequence[Any] = ("predict", "read"),
    models: Sequence[str] | None = None, expires_at: datetime | None = None,
    rate_limit: str | None = None,
) -> tuple[str, Key]:  # fmt: skip
    """Make a key; return its text, which the caller sends, and the key as it is stored."""
    identifier = secrets.token_hex(4)
    text = f"{identifier}.{secrets.token_urlsafe(32)}"
    key = Key(
        identifier, name, sha256(text.encode()).hexdigest(),
        datetime.now(UTC).replace(microsecond=0), tuple(scopes),
        None if models is None else tuple(models), expires_at, rate_limit,
    )  # fmt: skip
    _check(key)
    return text, key


#: What makes other keys of those that are stored.
Change = Callable[[tuple[Key, ...]], tuple[Key, ...]]


class KeyFile:
    """The keys in one file, which need not exist; methods raise InvalidKeys.

    It is replaced as a whole, by one writer at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> tuple[Key, ...]:
        """Read the keys; none when there is no file."""
        content = self.content()
        return () if content is None else self.parse(content)

    def content(self) -> bytes | None:
        """Read the bytes of the file; None when there is no file."""
        try:
            return read_file(self.path, MOST_BYTES, follows_links=True)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = error.strerror or error
            raise InvalidKeys(f"{self.path} cannot be read: {reason}") from error

    def parse(self, content: bytes) -> tuple[Key, ...]:
        """Read the keys in the bytes of the file."""
        try:
            keys = msgspec.json.decode(content, type=_File).keys
        except (ValueError, RecursionError) as error:
            raise InvalidKeys(f"{self} cannot be read: {error}") from error
        for key in keys:
            try:
                _check(key)
            except InvalidKeys as error:
                raise InvalidKeys(f"{self}, key {key.id}: {error}") from error
        if len({key.id for key in keys}) < len(keys):
            raise InvalidKeys(f"{self} has two keys with the same id: remove one")
        return keys

    def add(self, key: Key) -> None:
        """Store another key."""
        self.change(lambda keys: (*keys, key))

    def remove(self, identifier: str) -> Key:
        """Remove the key with an id, and return it."""
        removed: list[Key] = []

        def without(keys: tuple[Key, ...]) -> tuple[Key, ...]:
            removed[:] = [key for key in keys if key.id == identifier]
            if not removed:
                identifiers = ", ".join(key.id for key in keys) or "none"
                raise InvalidKeys(f"there is no key {identifier!r}; there are: {identifiers}")
            return tuple(key for key in keys if key not in removed)

        self.change(without)
        return removed[0]

    def change(self, change: Change) -> None:
        """Replace the keys by what a function makes of them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.parent):  # the folder is what is locked, so it is made first
            replace_file(self.path, self.content_of(change(self.read())), mode=0o600)

    def content_of(self, keys: tuple[Key, ...]) -> bytes:
        """Return the bytes of a file of keys."""
        text = json.dumps(msgspec.to_builtins(_File(1, keys)), indent=2) + "\n"
        if len(text) > MOST_BYTES:
            raise InvalidKeys(
                f"{self} would have {len(text)} bytes, and at most {MOST_BYTES} are read: "
                "remove keys that have expired"
            )
        return text.encode()


def _check(key: Key) -> None:
    """Check what msgspec does not."""
    if not _NAME.fullmatch(key.name):
        raise InvalidKeys(
            f"the name is {key.name[:80]!r}: give 1 to 64 letters, digits, spaces, . _ @ or -"
        )
    if not key.scopes or not set(key.scopes) <= set(SCOPES):
        raise InvalidKeys(f"the scopes are {list(key.scopes)}: give some of {', '.join(SCOPES)}")
    if not re.fullmatch(r"[0-9a-f]{64}", key.sha256):
        raise InvalidKeys("sha256 is not a digest: give 64 hexadecimal digits")
    for model in key.models or ():
        if not NAME.fullmatch(model):
            raise InvalidKeys(f"{model[:80]!r} is not a model's name")
    if key.models == ():
        raise InvalidKeys("the models are an empty list: leave them out to allow all")
    if key.rate_limit is not None and not RATE.fullmatch(key.rate_limit):
        raise InvalidKeys(f"the rate limit is {key.rate_limit!r}: give requests/seconds, as 100/60")
    if key.expires_at is not None and key.expires_at.tzinfo is None:
        raise InvalidKeys("the expiry has no time zone: write it as 2030-01-31T00:00:00Z")
