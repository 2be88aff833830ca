"""Memory that a process shares with those that it forks later, and a lock over it.

Nothing is written to a disk. The kernel releases the lock when a process is killed.
"""

import fcntl
import mmap
import os
import sys
import tempfile
import threading
from typing import IO, Any

#: Where the contents of `SharedBytes` begin: after the first page.
_START = 4096

#: The first number of that page. Another one is due when what is written there, or in the
#: state of `persistence.callers`, takes another form: a new release may get it from an old one.
_LAYOUT = int.from_bytes(b"bytes 01")


class SharedMemory:
    """So many bytes, of which the kernel provides those pages that have been written.

    With a descriptor they are the memory of the process that has handed it on.
    """

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        self._file = _open_memory() if descriptor is None else os.fdopen(descriptor, "r+b")
        if descriptor is None:
            self._file.truncate(size)
        self.bytes = mmap.mmap(self.descriptor, size)
        self._lock = _Lock(self.descriptor)

    @property
    def descriptor(self) -> int:
        """The descriptor of the memory, to be handed on."""
        return self._file.fileno()

    def locked(self) -> "_Lock":
        """Keep out every other process and thread."""
        return self._lock


class _Lock:
    """A lock over an open file; written out, since a generator would take twice the time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._threads.release()


class SharedBytes:
    """Bytes that processes replace as a whole; at first there are none.

    There are two areas. A replacement is written to the one that nobody reads,
    then counted, so a process that is killed meanwhile changes nothing.

    Parameters
    ----------
    most : int
        The longest bytes.
    descriptor : int, optional
        Of the memory of a process that has handed it on. Raise ValueError if it is not that.
    """

    def __init__(self, most: int, descriptor: int | None = None) -> None:
        self._most = most
        size = _START + 2 * most
        if descriptor is not None and not _is_handed_on(descriptor, size):
            raise ValueError(f"descriptor {descriptor} is not such memory")
        self._memory = SharedMemory(size, descriptor)
        self._head = memoryview(self._memory.bytes)[:32].cast("Q")
        self._head[0] = _LAYOUT

    @property
    def count(self) -> int:
        """How often the bytes have been replaced."""
        return self._head[1]

    def read(self) -> tuple[int, bytes]:
        """Return how often the bytes have been replaced, and the bytes."""
        with self._memory.locked():
            count = self.count
            start = self._start(count)
            return count, self._memory.bytes[start : start + self._head[2 + count % 2]]

    def replace(self, count: int, content: bytes) -> bool:
        """Replace the bytes, unless another process has done so since the count was read."""
        if len(content) > self._most:
            raise ValueError(f"{len(content)} bytes are more than {self._most}")
        with self._memory.locked():
            if count != self.count:
                return False
            start = self._start(count + 1)
            self._memory.bytes[start : start + len(content)] = content
            self._head[2 + (count + 1) % 2] = len(content)
            self._head[1] = count + 1
        return True

    def hand_on(self) -> int:
        """Return a descriptor by which the program that this process executes next shares them."""
        os.set_inheritable(self._memory.descriptor, True)
        return self._memory.descriptor

    def _start(self, count: int) -> int:
        return _START + count % 2 * self._most


def _open_memory() -> IO[Any]:
    if hasattr(os, "memfd_create"):  # Linux; it needs no folder that can be written
        return os.fdopen(os.memfd_create("shared"), "r+b")
    return tempfile.TemporaryFile()


def _is_handed_on(descriptor: int, size: int) -> bool:
    try:
        layout = os.pread(descriptor, 8, 0)
        return os.fstat(descriptor).st_size == size and layout == _LAYOUT.to_bytes(8, sys.byteorder)
    except OSError:
        return False
