"""Memory that is given back to the system once it is free."""

import ctypes
from contextlib import suppress

#: Names of glibc's mallopt: at what size a piece is mapped by itself, and how many heaps there are.
_MAPPED_FROM, _MOST_HEAPS = -3, -8


def give_memory_back() -> None:
    """Let the C library return what large requests took; call it before there are threads.

    Otherwise glibc learns from each large piece to keep the next one, in a heap of each
    thread: after a few bodies of 5 MB a worker stays three times as large. Elsewhere than with
    glibc nothing happens.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MAPPED_FROM, 2**20)
        mallopt(_MOST_HEAPS, 2)
