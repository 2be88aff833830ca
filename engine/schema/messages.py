"""How values and words stand in an error message."""

import re
import unicodedata
from bisect import bisect
from collections.abc import Iterable, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from engine.languages import gettext as _

#: A suggestion compares so many words, and so many letters of the unknown one.
_MOST_COMPARED, _MOST_LETTERS = 200, 64
#: How alike two words are, from 0 to 1, from which one is suggested for the other.
_ALIKE = 0.66
#: Letters at the beginning of a word that count for more than others.
_STEM = 4
#: Scores below it have too few digits among four decimals, as for a target of 1e-9.
_SMALL = 1e-3
#: Smaller numbers, and their inverses, have an exponent.
_FEW_ZEROS = 1e-15
#: Zero-width joiners, which belong to words of some scripts.
JOINERS = re.compile("([\u200c\u200d])")

#: Words as they are compared, without case and accents, and as they are written; sorted.
Vocabulary = Sequence[tuple[str, str]]


def shown(value: Any) -> str:
    """Write a value for an error message, at most 40 characters of it."""
    if isinstance(value, (dict, list)):
        return _("an object") if isinstance(value, dict) else _("a list")
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int) and abs(value) > 10**30:
        return _("a very large whole number")
    text = quoted(value[:_MOST_LETTERS]) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def rounded(value: float, *, sign: str = "") -> str:
    """Write a score: with four decimals, or the digits that count when it is very small."""
    if not 0 < abs(value) < _SMALL:
        return format(value, f"{sign}.4f")
    return (sign if value > 0 else "") + plain(value, 4)


def quoted(word: str) -> str:
    """Write a word of any script in quotes; what cannot be seen, or turns text, is escaped."""
    parts = JOINERS.split(word)
    text = "".join(part if JOINERS.match(part) else repr(part)[1:-1] for part in parts)
    mark = '"' if "'" in word and '"' not in word else "'"
    return f"{mark}{text}{mark}"


def vocabulary(words: Iterable[str]) -> Vocabulary:
    """Sort words for `did_you_mean`."""
    return sorted((_folded(word), word) for word in words)


def did_you_mean(word: str, words: Vocabulary) -> str:
    """Suggest the nearest of some words, or nothing when none is near.

    Of many only the neighbours in the alphabet are compared, so that an
    unknown word costs the same whatever their number.
    """
    folded = _folded(word[:_MOST_LETTERS])
    at = bisect(words, (folded,)) if len(words) > _MOST_COMPARED else 0
    first = max(0, at - _MOST_COMPARED // 2)
    matcher = SequenceMatcher(b=folded, autojunk=False)
    stems = [folded[:size] for size in range(1, 1 + min(_STEM, len(folded)))]
    nearest, best = "", _ALIKE
    for candidate, written in words[first : first + _MOST_COMPARED]:
        stem = sum(map(candidate.startswith, stems))
        likeness = _likeness(matcher, candidate, stem, least=best)
        if likeness > best:
            nearest, best = written, likeness
    return _(" (did you mean {word}?)").format(word=quoted(nearest)) if nearest else ""


def plain(number: float, digits: int | None = None) -> str:
    """Write a number for people: without an exponent, unless it would have too many zeros.

    With so many digits that count, and all that it has in front of the point; else with all.
    """
    if not _FEW_ZEROS <= abs(number) < 1 / _FEW_ZEROS:
        return str(number or 0)
    if digits:
        is_long = abs(number) >= 10**digits
        number = round(number) if is_long else float(format(number, f".{digits}g"))
    return format(Decimal(str(number)), "f").removesuffix(".0")


def _folded(word: str) -> str:
    """Return a word without case and accents."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)) or letters


def _likeness(matcher: SequenceMatcher[str], word: str, stem: int, *, least: float) -> float:
    """Return how alike a word is to the matcher's, with which it has a stem; 0 below a least."""
    share = stem / 10
    matcher.set_seq1(word)
    for ratio in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio):
        likeness = share + (1 - share) * ratio()
        if likeness < least:
            return 0.0
    return likeness
