"""How the files of a spool are read, and what becomes of them once a database has what they have.

`persistence.prediction_spool` says what is in them, and writes them.
"""

import logging
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from persistence.atomic_files import locked

_log = logging.getLogger(__name__)

#: Where the frames of a file begin, and about how many bytes are read at a time.
START, CHUNK = 16, 2**20

#: How a file ends that has something at its end that cannot be read.
DAMAGED = ".damaged"

#: Seconds after its last change in which a file may be one that is not locked yet.
_PAUSE = 1.0

MARK = b"SPOOL\0\0\1"
_FRAME = struct.Struct("<II")
_POSITION = struct.Struct("<Q")

#: A file, and how far it must be in the database for something to be there.
Receipt = tuple[Path, int]


def frame(content: bytes) -> bytes:
    """Return a frame with some content."""
    return _FRAME.pack(len(content), crc32(content)) + content


def wait_for(receipt: Receipt, seconds: float) -> bool:
    """Wait until a database has what was appended; return whether it has in time."""
    path, position = receipt
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with path.open("rb") as file:
                content = file.read(START)
        except FileNotFoundError:
            return True  # wholly stored, so deleted
        if _POSITION.unpack_from(content, len(MARK))[0] >= position:
            return True
        time.sleep(0.001)
    return False


def read_frames(descriptor: int, position: int, most: int) -> Iterator[tuple[bytes, int]]:
    """Yield whole frames of a file from a position on, and where each ends; about so many bytes.

    A damaged frame comes without its content, if a whole one follows it.
    """
    position = max(position, START)
    content = os.pread(descriptor, most, position)
    place = 0
    while len(content) - place >= _FRAME.size:
        length, digest = _FRAME.unpack_from(content, place)
        end = place + _FRAME.size + length
        if end > len(content) and not place:  # the first one is longer than what was read
            content = os.pread(descriptor, end, position)
        body = content[place + _FRAME.size : end]
        if not length or len(body) < length:
            return  # room, a frame that is being written, or one that a death has torn
        if crc32(body) != digest:
            if not _is_whole(descriptor, position + end):
                return
            body = b""
        yield body, position + end
        place = end


def _is_whole(descriptor: int, position: int) -> bool:
    """Return whether a whole frame begins at a position."""
    head = os.pread(descriptor, _FRAME.size, position)
    if len(head) < _FRAME.size:
        return False
    length, digest = _FRAME.unpack(head)
    end = position + _FRAME.size + length
    if not length or end > os.fstat(descriptor).st_size:
        return False
    return bool(crc32(os.pread(descriptor, length, position + _FRAME.size)) == digest)


def note_stored(descriptor: int, position: int) -> None:
    """Note in a file how far a database has it."""
    os.pwrite(descriptor, _POSITION.pack(position), len(MARK))


def erase(path: Path, position: int, keeps: Callable[[bytes], bool]) -> None:
    """Overwrite with zeros what frames up to a position have, but for those that are kept."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        place = START
        while frames := [*read_frames(file.fileno(), place, CHUNK)]:
            for content, end in frames:
                if end > position:
                    return
                if not keeps(content):
                    zeros = bytes(end - place - _FRAME.size)
                    os.pwrite(file.fileno(), frame(zeros), place)
                place = end


def last_receipt(path: Path, position: int = START) -> Receipt:
    """Return what stands for all that a file has now, given the end of some frame in it."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while frames := [*read_frames(file.fileno(), position, CHUNK)]:
            position = frames[-1][1]
    return path, position


def is_written(path: Path) -> bool:
    """Return whether some process may still write to a file."""
    with suppress(FileNotFoundError), locked(path, seconds=0) as is_ours:
        return not is_ours
    return False


def remove(path: Path, position: int) -> bool:
    """Delete a file that no process writes and that has nothing after a position, if it can be.

    If bytes are there that are no frame, the file is kept under another name.
    """
    with locked(path, seconds=0) as is_ours, path.open("rb") as file:
        is_new = time.time() - os.fstat(file.fileno()).st_mtime < _PAUSE  # not locked yet, maybe
        if is_ours and not is_new and not [*read_frames(file.fileno(), position, CHUNK)]:
            file.seek(position)
            if size := len(file.read().rstrip(b"\0")):
                kept = path.rename(path.with_suffix(DAMAGED))
                _log.error("%d bytes cannot be read after byte %d of %s", size, position, kept.name)
            else:
                path.unlink()
            return True
    return False
