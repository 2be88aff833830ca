"""How the files of a spool are read, and what becomes of them once a database has what they have.

`persistence.prediction_spool` says what is in them, and writes them.
"""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from persistence.atomic_files import locked

#: Where the frames of a file begin, and about how many bytes are read at a time.
START, CHUNK = 8, 2**20

#: The file of what cannot be read or stored; its size counts as that of the spool.
ASIDE = "unstored.jsonl"

_FRAME = struct.Struct("<II")
_POSITION = struct.Struct("<Q")

#: A file, and how far it must be in the database for something to be there.
Receipt = tuple[Path, int]


def frame(content: bytes) -> bytes:
    """Return a frame with some content."""
    return _FRAME.pack(len(content), crc32(content)) + content


def note_stored(descriptor: int, position: int) -> None:
    """Note in a file how far a database has it."""
    os.pwrite(descriptor, _POSITION.pack(position), 0)


def stored_position(descriptor: int) -> int:
    """Return how far a database has a file."""
    head = os.pread(descriptor, START, 0)
    return max(START, _POSITION.unpack(head)[0]) if len(head) == START else START


def wait_for(receipt: Receipt, seconds: float) -> bool:
    """Wait until a database has what was appended; return whether it has in time."""
    path, position = receipt
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with path.open("rb") as file:
                if stored_position(file.fileno()) >= position:
                    return True
        except FileNotFoundError:
            return True  # wholly stored, so deleted
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


def last_receipt(path: Path, position: int = START) -> Receipt:
    """Return what stands for all that a file has now, given the end of some frame in it."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while frames := [*read_frames(file.fileno(), position, CHUNK)]:
            position = frames[-1][1]
    return path, position


def waiting_bytes(descriptor: int) -> int:
    """Return how many bytes of a file a database does not have; reserved room is none of them."""
    position, end = stored_position(descriptor), os.fstat(descriptor).st_size
    while end > position:
        begin = max(position, end - 2**16)
        if content := os.pread(descriptor, end - begin, begin).rstrip(b"\0"):
            return begin + len(content) - position
        end = begin
    return 0


def remove(path: Path, position: int) -> bytes | None:
    """Delete a file that no process writes and that has no frame after a position.

    Return what it has there that is no frame; None where the file stays.
    """
    with locked(path, seconds=0) as is_ours, path.open("rb") as file:
        if not is_ours or [*read_frames(file.fileno(), position, CHUNK)]:
            return None
        file.seek(position)
        path.unlink()
        return file.read().rstrip(b"\0")
