"""What a client has not taken yet of its answer."""

import tempfile
from typing import IO

#: Bytes of an answer that wait in memory at most; the others wait in an unnamed file.
MOST_IN_MEMORY = 2**22

#: What is sent at a time.
_PIECE = 2**18


class Unsent:
    """Bytes in the order in which they are to be sent, so that no thread waits for a client.

    Attributes
    ----------
    in_memory, on_disk : int
        How many bytes wait where.
    """

    def __init__(self) -> None:
        self.in_memory = self.on_disk = 0
        self._memory = bytearray()  # what comes first
        self._file: IO[bytes] | None = None
        self._place = 0  # where in the file the rest begins

    def __bool__(self) -> bool:
        return bool(self.in_memory or self.on_disk)

    def add(self, content: bytes | memoryview) -> None:
        """Append; raise OSError where there is no room for a file."""
        if not self.on_disk and self.in_memory + len(content) <= MOST_IN_MEMORY:
            self._memory += content
            self.in_memory = len(self._memory)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  it outlives this
        self._file.seek(self._place + self.on_disk)
        self.on_disk += len(content)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]

    def first(self) -> bytes | bytearray:
        """Return what comes first: all that is in memory, else a piece of the file."""
        if not self.in_memory and self._file is not None:
            self._file.seek(self._place)
            self._memory += self._file.read(min(_PIECE, self.on_disk))
            self._place += len(self._memory)
            self.on_disk -= len(self._memory)
            self.in_memory = len(self._memory)
        return self._memory

    def drop(self, size: int) -> None:
        """Forget bytes that were sent."""
        del self._memory[:size]
        self.in_memory = len(self._memory)
        if not self:
            self.close()

    def close(self) -> None:
        """Forget all."""
        self._memory.clear()
        if self._file is not None:
            self._file.close()
        self._file, self._place = None, 0
        self.in_memory = self.on_disk = 0
