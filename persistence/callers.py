"""Which API keys are valid now: those of a file that may change, and that of a setting."""

import logging
import time
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes

from persistence.api_keys import InvalidKeys, Key, KeyFile

_log = logging.getLogger(__name__)

#: Seconds between two looks at the file of keys.
LOOK_SECONDS = 1.0

#: What the key of the setting `API_KEY` allows.
_FROM_SETTING = Key(
    "", "API_KEY", "", datetime.min.replace(tzinfo=UTC), scopes=("predict", "read")
)  # fmt: skip


class Callers:
    """The keys that are valid now; a change of their file takes effect within a second or two.

    Once there has been a key, requests need one, even after the last is removed. They need none
    where ``is_open`` says that a gateway checks the callers. ``api_key``, unless it is empty, is
    one more key, which allows everything but to publish.
    """

    def __init__(self, file: Path, *, api_key: str = "", is_open: bool = False) -> None:
        self.file = KeyFile(file)
        self.is_open = is_open
        # Without the setting it is the digest of a random text, which no key has.
        self._digest_of_setting = sha256(api_key.encode() or token_bytes()).digest()
        self._keys: dict[str, tuple[Key, bytes]] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._were_keys = bool(api_key)
        self._look()

    @property
    def need_keys(self) -> bool:
        """Whether a request needs a key."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._were_keys and not self.is_open

    def find(self, text: str) -> Key | None:
        """Return the key with a text; None when there is none, or it has expired."""
        if time.monotonic() >= self._next_look:
            self._look()
        given = sha256(text.encode("utf-8", "replace")).digest()
        setting = _FROM_SETTING, self._digest_of_setting
        key, digest = self._keys.get(text.partition(".")[0], setting)
        return key if compare_digest(given, digest) and not key.has_expired() else None

    def _look(self) -> None:
        """Read the file if it has changed; a damaged file leaves the keys as they were."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            status = self.file.path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            keys = self.file.read()
        except InvalidKeys as error:
            self._were_keys = True
            _log.error("the keys that were read before stay valid: %s", error)
            return
        self._keys = {key.id: (key, bytes.fromhex(key.sha256)) for key in keys}
        self._were_keys = self._were_keys or stamp is not None
