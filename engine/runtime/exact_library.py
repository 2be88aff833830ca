"""The compiled library of the exact runtime: where it lies, and how it is opened.

Its name says which source it was made from and for which machine, so one that is out of date
or foreign is recognised. `engine/runtime/compile_exact.py` makes it.
"""

import ctypes
import hashlib
import struct
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
SOURCES = ("exact.c", "exact_check.c", "exact_plan.c")

#: Doubles are computed as written, for every machine of a kind: nothing is fused or reordered.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared")

#: Where the header of a library for Linux says for which machine it is, and how long the file.
_ELF_HEADER = struct.Struct("<4sB13xH20xQ10xHH")

#: This process's own program, on Linux.
_PROGRAM = Path("/proc/self/exe")


class NoExactLibrary(Exception):
    """The exact runtime cannot run here: why, and what to do."""

    remedy = "run `python -m engine.runtime.compile_exact`"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: {self.remedy}")
        self.why = why


class Library(NamedTuple):
    """The functions of the library; each pointer is an address."""

    check: Any  # file, size -> 0, or the number of the rule that the file breaks
    plan_size: Any  # file -> the bytes of room that its plan needs
    plan: Any  # file, room: make the plan
    scratch: Any  # file -> the doubles of room that a prediction needs
    predict: Any  # as in exact.c; other threads run meanwhile
    predict_at_once: Any  # the same, for few records: no other thread takes the interpreter
    record: Any  # workspace, record: one record


def library_path(folder: Path = FOLDER) -> Path:
    """Return where the library of this source for this machine lies, compiled or not."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for name in ("exact.h", *SOURCES):
        digest.update(FOLDER.joinpath(name).read_bytes())
    return folder / f"exact-{digest.hexdigest()[:12]}-{sysconfig.get_platform()}.so"


@cache
def open_library(path: Path | None = None) -> Library:
    """Open the library; raise NoExactLibrary when it is absent or not of this machine."""
    path = path or library_path()
    if not path.is_file():
        others = sorted(other.name for other in path.parent.glob("exact-*.so"))
        state = f"is out of date or of another machine ({others[0]})" if others else "is absent"
        raise NoExactLibrary(f"the library of the exact runtime {state}")
    try:
        if fault := _fault(path.read_bytes()):
            raise NoExactLibrary(f"the library of the exact runtime {fault}")
        released, holding = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
        return Library(
            check=_typed(released.exact_check, ctypes.c_int, "pn"),
            plan_size=_typed(released.exact_plan_size, ctypes.c_size_t, "p"),
            plan=_typed(released.exact_plan, None, "pp"),
            scratch=_typed(released.exact_scratch, ctypes.c_size_t, "p"),
            predict=_typed(released.exact_predict, None, "pppnnnpp"),
            predict_at_once=_typed(holding.exact_predict, None, "pppnnnpp"),
            record=_typed(holding.exact_record, None, "pb"),
        )
    except (OSError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise NoExactLibrary(
            f"the library of the exact runtime does not open here ({reason})"
        ) from error


def _fault(content: bytes) -> str | None:
    """Return what is wrong with a library for Linux, if anything, without opening it.

    One that ends before its table of sections, which comes last, would end the process.
    """
    if not content.startswith(b"\x7fELF"):
        return None
    if len(content) < _ELF_HEADER.size:
        return "is damaged, its end is missing"
    *machine, start, size, count = _ELF_HEADER.unpack_from(content)
    if _PROGRAM.exists():
        with _PROGRAM.open("rb") as program:
            if machine != [*_ELF_HEADER.unpack(program.read(_ELF_HEADER.size))[:3]]:
                return "is of another machine"
    return "is damaged, its end is missing" if len(content) < start + size * count else None


def _typed(function: Any, result: Any, arguments: str) -> Any:
    types = {"p": ctypes.c_void_p, "n": ctypes.c_size_t, "b": ctypes.c_char_p}
    function.restype, function.argtypes = result, [types[letter] for letter in arguments]
    return function
