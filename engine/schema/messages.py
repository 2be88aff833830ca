"""How values and words stand in an error message."""

from bisect import bisect
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

#: A suggestion compares so many words.
_MOST_COMPARED = 200


def shown(value: Any) -> str:
    """Write a value for an error message, at most 40 characters of it."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int) and abs(value) > 10**30:
        return "a very large whole number"
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """Suggest the nearest of some sorted words, or nothing when none is near.

    Of many only the neighbours in the alphabet are compared, so that an
    unknown word costs the same whatever their number.
    """
    at = bisect(words, word) if len(words) > _MOST_COMPARED else 0
    first = max(0, at - _MOST_COMPARED // 2)
    near = get_close_matches(word[:64], words[first : first + _MOST_COMPARED], n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def plain(number: float) -> str:
    """Write a number without exponent where it is whole, 10000 and not 1e+04."""
    is_short = float(number).is_integer() and abs(number) < 10**15
    return str(int(number)) if is_short else str(number)
