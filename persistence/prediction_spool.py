"""The spool of the prediction log: files of frames that wait for a drain.

A process appends to a file of its own, which it keeps locked. What `append` has returned
for outlives the process. Whoever can lock a file knows that nothing is added to it any more.

    <time>-<process>-<random>.spool    8 bytes, then frames: length, CRC-32, content
    <the same>.draft                   a table that may still be refused; renamed once it is certain

The first 8 bytes say how far a database has the file. Room on disk is reserved before it is
written to, so the sizes of the files never add up to more than is allowed, and a full disk shows
before anything is written. A length of 0 is room that is not written to yet.
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

from persistence.atomic_files import locked
from persistence.spool_reading import ASIDE, START, Receipt, frame, stored_position

_log = logging.getLogger(__name__)

#: The size from which a process begins another file, and the seconds after which it leaves one
#: that a database has begun to take, so that what was stored is soon deleted.
ROTATED, ROTATED_SECONDS = 2**24, 5.0

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
        self.process, self.begun_at = os.getpid(), time.monotonic()
        self.declared: set[int] = set()
        self.end = 0
        self._room = 0
        self._most = most
        self._descriptor = -1
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while self._descriptor < 0:
            name = f"{time.time_ns():020d}-{self.process}-{secrets.token_hex(4)}.{kind}"
            self.path = folder / name
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if self.is_deleted:  # a drain took it for one without an owner
                os.close(self._descriptor)
                self._descriptor = -1
        try:
            self._write(bytes(START))
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
            left = self._most - total_bytes(self.path.parent, ASIDE)
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

    @property
    def is_deleted(self) -> bool:
        """Whether somebody has deleted the file, or its folder."""
        return not os.fstat(self._descriptor).st_nlink

    def publish(self) -> Receipt:
        """Turn a draft into a part of the spool, which nobody writes any more."""
        path = self.path.with_suffix(".spool")
        os.ftruncate(self._descriptor, self.end)
        self.path.rename(path)
        self.path = path
        self.close()
        return path, self.end

    @property
    def is_old(self) -> bool:
        """Whether a database has begun to take the file, and it was begun a while ago."""
        is_old = time.monotonic() > self.begun_at + ROTATED_SECONDS
        return is_old and stored_position(self._descriptor) > START

    def close(self) -> None:
        """Leave the file to the drain, written again if it was deleted; delete a draft."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self.process == os.getpid():  # not a child that was forked meanwhile
            try:
                if self.path.suffix == ".draft" or self.end <= START:  # nothing is in it
                    self.path.unlink(missing_ok=True)
                elif not os.fstat(descriptor).st_nlink:
                    self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    copy = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    os.write(copy, os.pread(descriptor, self.end, 0))
                    os.close(copy)
                    _log.warning("%s was deleted, and is written again", self.path)
                os.ftruncate(descriptor, self.end)
            except OSError as error:
                _log.error("%s may be lost: %s", self.path, error)
        os.close(descriptor)

    __del__ = close


class PredictionSpool:
    """Appends to the spool in a folder, which has so many bytes at most."""

    def __init__(self, folder: Path, *, most: int) -> None:
        self.folder = folder
        self._most = most
        self._lock = Lock()
        self._file: SpoolFile | None = None
        self._reason, self._paused_until = "", 0.0  # after a failure

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

    def rotate(self) -> None:
        """Leave a file that is old, or was deleted, to the drain; call it once a second.

        So what was stored is soon deleted, and a folder that is deleted loses nothing.
        """
        with self._lock:
            if self._file is not None and (self._file.is_old or self._file.is_deleted):
                self._close()

    def _attempt(self, size: int, act: Callable[..., _Done], *arguments: object) -> _Done:
        with self._lock:
            if self._file is None and time.monotonic() < self._paused_until:
                raise NoRoom(self._reason)
            try:
                if (file := self._file) is not None and (
                    file.end + size > ROTATED or file.process != os.getpid()
                ):
                    self._close()
                self._file = self._file or SpoolFile(self.folder, self._most, "spool")
                done = act(self._file, *arguments)
            except (OSError, NoRoom) as error:
                # The end of the file may be torn now: it is left to the drain.
                self._close()
                if not self._reason:  # once, until something is appended again
                    _log.error("no prediction can be logged in %s: %s", self.folder, error)
                self._reason = error.reason if isinstance(error, NoRoom) else "failed"
                self._paused_until = time.monotonic() + _PAUSE
                raise NoRoom(self._reason) from error
            self._reason = ""
            return done

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
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


def total_bytes(folder: Path, *others: str) -> int:
    """Return the size of all files of the spool, reserved room included, and of others."""
    total = 0
    for path in [*spool_files(folder), *(folder / name for name in others)]:
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
