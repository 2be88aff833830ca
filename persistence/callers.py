"""Which API keys are valid now: those of a file that may change, and that of a setting."""

import logging
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from typing import NamedTuple

import msgspec

from persistence.api_keys import MOST_BYTES, InvalidKeys, Key, KeyFile
from persistence.bucket.keys import BucketKeys
from persistence.shared_memory import SharedBytes

_log = logging.getLogger(__name__)

#: Seconds between two looks at the file of keys.
LOOK_SECONDS = 1.0

#: A file that was changed within so many seconds may change again without a new time.
_SETTLED_SECONDS = 2.0

#: The variable that names the memory of the service from which this one takes over.
_HANDED_ON = "KEYS_MEMORY_DESCRIPTOR"

#: What the key of the setting `API_KEY` allows.
_FROM_SETTING = Key(
    "", "API_KEY", "", datetime.min.replace(tzinfo=UTC), scopes=("predict", "read")
)  # fmt: skip


class _Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What changes with the file of keys."""

    numbers: tuple[int, ...]
    is_settled: bool = True


class _State(msgspec.Struct, frozen=True, array_like=True):
    """What all processes of a service know of its keys."""

    were_keys: bool = False  # since the service has started
    content: bytes = b""  # of the file when it was last good; empty when there is none
    stamp: _Stamp | None = None  # of the file when it was last looked at; None: no file
    secret: bytes = b""  # that signs the sessions of browsers


class _Current(NamedTuple):
    """The state as this process has it."""

    number: int  # how often it had been replaced
    state: _State
    keys: Mapping[str, tuple[Key, bytes]]
    proven: dict[str, Key]  # by the text with which a key has come since the state was read


class Callers:
    """The keys that are valid now; a change of their file takes effect within a second or two.

    Once there has been a key, requests need one until the service ends, whatever becomes of
    the file. While it cannot be read, the keys that were read last stay valid; without the file
    none is. All processes share this state, those that replace others as well. Requests need no
    key where ``is_open`` says that a gateway checks the callers. ``api_key``, unless it is empty,
    is one more key, which allows to predict and to read.

    A `BucketKeys` is read from its copy, which `pull` brings up to date. With one, requests
    always need a key.
    """

    def __init__(
        self, file: Path | BucketKeys, *, api_key: str = "", is_open: bool = False
    ) -> None:
        self.file = KeyFile(file) if isinstance(file, Path) else file
        self.pull: Callable[[], None] | None = file.pull if isinstance(file, BucketKeys) else None
        self.is_open = is_open
        # Without the setting it is the digest of a random text, which no key has.
        self._digest_of_setting = sha256(api_key.encode() or token_bytes()).digest()
        self._has_setting = bool(api_key)
        self._shared = _shared_state()
        self._next_look = 0.0
        self._current = _Current(0, _State(), {}, {})
        self.look()

    @property
    def need_keys(self) -> bool:
        """Whether a request needs a key."""
        is_needed = self._now().state.were_keys or self._has_setting or self.pull is not None
        return is_needed and not self.is_open

    def find(self, text: str) -> Key | None:
        """Return the key with a text; None when there is none, or it has expired."""
        current = self._now()
        key = current.proven.get(text)
        if key is None:
            given = sha256(text.encode("utf-8", "replace")).digest()
            setting = _FROM_SETTING, self._digest_of_setting
            key, digest = current.keys.get(text.partition(".")[0], setting)
            if not compare_digest(given, digest):
                return None
            current.proven[text] = key
        return None if key.has_expired() else key

    def with_id(self, identifier: str) -> Key | None:
        """Return the key with an id, which the one of the setting has not; None as by `find`."""
        if not identifier and self._has_setting:
            return _FROM_SETTING
        key, _ = self._now().keys.get(identifier, (None, b""))
        return None if key is None or key.has_expired() else key

    @property
    def session_secret(self) -> bytes:
        """What signs sessions: of one service, or of all that have the same setting `API_KEY`."""
        if self._has_setting:
            return sha256(b"session" + self._digest_of_setting).digest()
        return self._now().state.secret

    def hand_on(self, environment: MutableMapping[str, str]) -> None:
        """Let the program that this process executes next, in an environment, share the state."""
        environment[_HANDED_ON] = str(self._shared.hand_on())

    def _now(self) -> _Current:
        if time.monotonic() >= self._next_look:
            self.look()
        elif self._shared.count != self._current.number:
            self._load()
        return self._current

    def _load(self) -> None:
        """Take over what another process, or this one, has seen."""
        count, content = self._shared.read()
        before = self._current
        state = msgspec.msgpack.decode(content, type=_State) if content else before.state
        keys = before.keys
        if state.content != before.state.content:
            parsed = self.file.parse(state.content) if state.content else ()
            keys = {key.id: (key, bytes.fromhex(key.sha256)) for key in parsed}
        self._current = _Current(count, state, keys, {})

    def look(self) -> None:
        """Read the file if it has changed, and share what is in it.

        Requests do so as well. It is for a service that gets none: what happens to the file
        meanwhile must not be missed.
        """
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._load()
        count, before, *_ = self._current
        stamp = _stamp_of(self.file.path)
        if stamp == before.stamp and (stamp is None or stamp.is_settled):
            return
        content, trouble = b"", ""
        try:
            content = self.file.content() or b""
            if content or stamp:
                self.file.parse(content)
            elif before.content:
                trouble = f"no key is valid any more: there is no {self.file}"
        except InvalidKeys as error:
            content, trouble = before.content, f"the keys that were read before stay valid: {error}"
        were_keys, secret = before.were_keys or bool(content or stamp), before.secret
        after = _State(were_keys, content, stamp, secret or token_bytes(32))
        if after == before:
            return
        # Where another process was faster, this one looks again in a second.
        if self._shared.replace(count, msgspec.msgpack.encode(after)) and trouble:
            _log.error("%s", trouble)
        self._load()


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:  # something is there, and keeps everybody out
        return _Stamp((error.errno or 0,))
    is_settled = abs(time.time() - status.st_ctime) > _SETTLED_SECONDS
    numbers = status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
    return _Stamp(numbers, is_settled)


def _shared_state() -> SharedBytes:
    """Return the memory that the service before has handed on, else memory of our own."""
    most, descriptor = MOST_BYTES + 2**10, os.environ.pop(_HANDED_ON, "")
    if descriptor.isdecimal():
        try:
            return SharedBytes(most, int(descriptor))
        except ValueError:  # of another release, or closed meanwhile
            pass
    return SharedBytes(most)
