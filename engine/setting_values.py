"""How the settings read secrets and addresses, which no message may show; old names."""

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

#: What earlier releases called a setting.
_RENAMED = {"RATE_LIMIT_REDIS": "SHARED_REDIS"}


def old_names(environment: Mapping[str, str]) -> list[str]:
    """List what is to be renamed of the variables that are set."""
    return [
        f"{old} is now {new}: rename it" for old, new in _RENAMED.items() if environment.get(old)
    ]


def secret(text: str) -> str:
    """Return a text that is long and random enough for a secret; raise ValueError for others."""
    if len(text) < 22 or len(set(text)) < 10:  # 128 bits, as letters and digits
        raise ValueError("at least 22 random characters")
    return text


def message_secret(text: str) -> str:
    """Return a secret in the form of Standard Webhooks; raise ValueError for others."""
    marked, decoded = text.removeprefix("whsec_"), b""
    with suppress(ValueError):
        decoded = base64.b64decode(marked, validate=True)
    if marked == text or not 24 <= len(decoded) <= 64:
        raise ValueError("whsec_ and 24 to 64 random bytes in base64")
    return text


def webhook_addresses(text: str) -> str:
    """Return names with their addresses, separated by commas; raise ValueError for others."""
    for pair in text.split(","):
        name, _, address = pair.strip().partition("=")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
            raise ValueError("name=https://host/path, separated by commas")
        web_address(address)
    return text


def signing_keys(text: str) -> str:
    """Return keys that sign and verify, separated by commas; raise ValueError for others."""
    for key in map(str.strip, text.split(",")):
        if key.startswith("ed25519"):
            if not re.fullmatch(r"ed25519-(private|public):[A-Za-z0-9+/]{43}=", key):
                raise ValueError("ed25519-private: or ed25519-public: and 32 bytes in base64")
        else:
            secret(key)
    return text


def web_address(text: str) -> str:
    """Return an address that is encrypted or of this machine; raise ValueError for others."""
    parts = urlsplit(text)
    is_here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (parts.hostname and (parts.scheme == "https" or is_here)) or "@" in parts.netloc:
        raise ValueError("https://host/path, or http:// on this machine")
    return text
