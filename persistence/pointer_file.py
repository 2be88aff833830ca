"""The pointer of a model in a folder: ``promoted.json``, read and replaced whole."""

from collections.abc import Callable
from pathlib import Path

from persistence.atomic_files import locked, replace_file
from persistence.promotions import DAMAGED, Pointer


def read_pointer(home: Path) -> Pointer:
    """Read a model's pointer.

    Raises
    ------
    OSError
        When the model has no promoted version.
    ValueError, KeyError, TypeError, AttributeError, RecursionError
        When the file is damaged: `DAMAGED`.
    """
    return Pointer.read((home / "promoted.json").read_bytes())


def tag_pointer(home: Path) -> str | None:
    """Tell one content of a model's pointer from another; None when there is none."""
    try:
        found = (home / "promoted.json").stat()
    except OSError:
        return None
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"


def change_pointer(home: Path, change: Callable[[Pointer | None], Pointer]) -> None:
    """Replace a model's pointer by what is made of it; nobody else does so meanwhile.

    Parameters
    ----------
    change : callable
        Given the pointer, or None where there is none or it is damaged.
    """
    with locked(home):
        try:
            known = read_pointer(home)
        except (FileNotFoundError, *DAMAGED):
            known = None
        found = change(known)
        if found != known:
            replace_file(home / "promoted.json", found.write())
