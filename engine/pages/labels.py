"""Names beside and beneath a drawing, cut so that they fit and do not overlap."""

from collections.abc import Sequence
from itertools import accumulate
from math import ceil

#: Columns that are narrower have the numbers of their rows in place of names.
_NARROWEST = 24

#: What a line of text takes from top to bottom, and a number from left to right.
_LINE, _NUMBER = 11, 15

#: From this character on, letters are as wide as they are high.
_WIDE_FROM = 0x1100


def beside(names: Sequence[str], width: float, height: float, room: float) -> list[str]:
    """Name rows of a height; they are numbered where columns of a width are too narrow."""
    if width < _NARROWEST:
        names = [f"{at} {name}" for at, name in enumerate(names, 1)]
    return _every(ceil(_LINE / height), [_short(name, room) for name in names])


def beneath(names: Sequence[str], width: float) -> list[str]:
    """Name columns of a width, by the numbers of their rows if it is too narrow."""
    if width >= _NARROWEST:
        return [_short(name, width) for name in names]
    return _every(ceil(_NUMBER / width), [str(at) for at in range(1, len(names) + 1)])


def _every(step: int, names: Sequence[str]) -> list[str]:
    return [name if at % step == 0 else "" for at, name in enumerate(names)]


def _short(name: str, width: float) -> str:
    """Cut a name to a width, as wide as its letters are in common fonts."""
    ends = [*accumulate(map(_letter_width, name))]
    if not ends or ends[-1] <= width:
        return name
    letters = sum(end <= width - _letter_width("…") for end in ends)
    return f"{name[: max(1, letters)]}…"


def _letter_width(letter: str) -> float:
    if letter in "mw@%—…" or ord(letter) >= _WIDE_FROM:
        return 11.0
    if letter.isupper():
        return 8.2
    return 4.4 if letter in " fijlrt.,:;'|!()[]-" else 6.8
