"""The spool of the prediction log: files of frames that wait for a drain.

A process appends to a file of its own, which it keeps locked. What `append` has returned
for outlives the process. Whoever can lock a file knows that nothing is added to it any more.

    <time>-<process>-<random>.spool    16 bytes, then frames: length, CRC-32, content
    <the same>.draft                   a table that may still be refused; renamed once it is certain

The first 16 bytes are a mark and how far a database has the file. Room on disk is reserved
before it is written to, so the sizes of the files never add up to more than is allowed, and a
full disk shows before anything is written. A length of 0 is room that is not written to yet.
"""

import fcntl
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

from persistence.atomic_files import locked, replace_file
from persistence.spool_reading import MARK, Receipt, frame

_log = logging.getLogger(__name__)

#: The size from which a process begins another file.
ROTATED = 2**24

#: Room that is reserved at a time, unless all that is allowed is little.
CHUNK = 2**20

#: The file that a drain locks, and the pipe by which it is woken.
LOCK, BELL = "drain.lock", "drain.pipe"

#: Seconds until the next attempt after one has failed.
_PAUSE = 1.0

_NAME = re.compile(r"[0-9]{20}-[0-9]+-[0-9a-f]+\.(spool|draft)")

_Done = TypeVar("_Done")


class NoRoom(Exception):
    """Nothing can be appended now; the reason is ``full`` or ``failed``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SpoolFile:
    """A file that this process writes; a draft is deleted unless it is published."""

    def __init__(self, folder: Path, most: int, kind: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.{kind}"
        self.path = folder / name
        self.declared: set[int] = set()
        self.end = 0
        self._room = 0
        self._most = most
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # A drain that is quicker takes the file for one without an owner.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.is_deleted():
                raise NoRoom("failed")
            self._write(MARK + bytes(8))
        except BaseException:
            self.close()
            raise

    def append(self, content: bytes, declared: Mapping[int, bytes]) -> Receipt:
        """Append a frame, and before it the frames that its numbers need, all at once."""
        frames = frame(content)
        if not self.declared.issuperset(declared):
            new = declared.keys() - self.declared
            frames = b"".join([*(frame(declared[number]) for number in new), frames])
            self.declared |= new
        self._write(frames)
        return self.path, self.end

    def reserve(self, size: int) -> None:
        """Reserve room for so many bytes, if need be; raise `NoRoom` or OSError."""
        needed = self.end + size - self._room
        if needed <= 0:
            return
        with locked(self.path.parent, seconds=0.05) as is_ours:
            left = self._most - total_bytes(self.path.parent)
            if needed > left or not is_ours:
                raise NoRoom("full" if is_ours else "failed")
            amount = max(needed, min(CHUNK, self._most // 64, left))
            try:
                os.posix_fallocate(self._descriptor, self._room, amount)
            except AttributeError:  # not Linux
                os.ftruncate(self._descriptor, self._room + amount)
            self._room += amount

    def _write(self, content: bytes) -> None:
        size = len(content)
        if self.end + size > self._room:
            self.reserve(size)
        if os.pwrite(self._descriptor, content, self.end) != size:
            raise NoRoom("failed")
        self.end += size

    def is_deleted(self) -> bool:
        """Return whether somebody has deleted the file, or its folder."""
        return not os.fstat(self._descriptor).st_nlink

    def publish(self) -> Receipt:
        """Turn a draft into a part of the spool, which nobody writes any more."""
        path = self.path.with_suffix(".spool")
        os.ftruncate(self._descriptor, self.end)
        self.path.rename(path)
        self.path = path
        self.close()
        return path, self.end

    def close(self) -> None:
        """Leave the file to the drain, written again if somebody has deleted it; delete a draft."""
        if (descriptor := self._descriptor) < 0:
            return
        try:
            if self.path.suffix == ".draft":
                self.path.unlink(missing_ok=True)
            elif self.is_deleted():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                replace_file(self.path, os.pread(descriptor, self.end, 0), mode=0o600)
                _log.warning("%s was deleted, and is written again", self.path)
            os.ftruncate(descriptor, self.end)
        except OSError as error:
            _log.error("%s may be lost: %s", self.path, error)
        finally:
            self._descriptor = -1
            os.close(descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()


class PredictionSpool:
    """Appends to the spool in a folder, which has so many bytes at most."""

    def __init__(self, folder: Path, *, most: int) -> None:
        self.folder = folder
        self._most = most
        self._lock = Lock()
        self._file: SpoolFile | None = None
        self._reason, self._paused_until = "", 0.0  # after a failure
        os.register_at_fork(after_in_child=self._forget)

    def append(self, content: bytes, declared: Mapping[int, bytes]) -> Receipt:
        """Append the content of a frame; raise `NoRoom` where it is not appended.

        Each of the numbers has the content of a frame that must come before it in a file.
        """
        return self._attempt(len(content), SpoolFile.append, content, declared)

    def reserve(self, size: int) -> None:
        """Reserve room for what is appended soon; raise `NoRoom`."""
        self._attempt(size, SpoolFile.reserve, size)

    def draft(self) -> SpoolFile:
        """Begin a file that counts once it is published; raise `NoRoom` or OSError."""
        return SpoolFile(self.folder, self._most, "draft")

    def look(self) -> None:
        """Save what a deleted file has; call it once a second, as `append` does not look."""
        with self._lock:
            if self._file is not None and self._file.is_deleted():
                self._close()

    def _attempt(self, size: int, act: Callable[..., _Done], *arguments: object) -> _Done:
        with self._lock:
            if self._file is None and time.monotonic() < self._paused_until:
                raise NoRoom(self._reason)
            try:
                if self._file is not None and self._file.end + size > ROTATED:
                    self._close()
                self._file = self._file or SpoolFile(self.folder, self._most, "spool")
                return act(self._file, *arguments)
            except (OSError, NoRoom) as error:
                # The end of the file may be torn now: it is left to the drain.
                self._close()
                self._reason = error.reason if isinstance(error, NoRoom) else "failed"
                self._paused_until = time.monotonic() + _PAUSE
                raise NoRoom(self._reason) from error

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _forget(self) -> None:
        # The file is locked by the process that has forked this one.
        self._lock = Lock()
        if self._file is not None:
            os.close(self._file._descriptor)
            self._file._descriptor = -1
            self._file = None


def spool_files(folder: Path) -> list[Path]:
    """List the files of the spool, the oldest first; drafts too.

    What else is in the folder is none, links and pipes with such a name included.
    """
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(filter(_NAME.fullmatch, names))]


def total_bytes(folder: Path) -> int:
    """Return the size of all files of the spool, reserved room included."""
    total = 0
    for path in spool_files(folder):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def is_drained(folder: Path) -> bool:
    """Return whether a drain is at work in a folder."""
    try:
        with locked(folder / LOCK, seconds=0) as is_ours:
            return not is_ours
    except FileNotFoundError:
        return False


def wake(folder: Path) -> None:
    """Let the drain of a folder, if there is one, look at once."""
    with suppress(OSError):
        descriptor = os.open(folder / BELL, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, b"!")
        finally:
            os.close(descriptor)
