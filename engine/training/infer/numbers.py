"""How numbers are written in a table, and round numbers around them."""

import math
import re
from typing import NamedTuple

import numpy as np
import pandas as pd

_PLAIN = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


class Style(NamedTuple):
    """The signs of a decimal point and between thousands."""

    decimal: str
    thousands: str

    @property
    def pattern(self) -> str:
        """The regular expression of a number of this style."""
        if not self.thousands:
            return _PLAIN.replace(r"\.", re.escape(self.decimal))
        point, group = re.escape(self.decimal), re.escape(self.thousands)
        return rf"[-+]?(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:{point}\d+)?(?:[eE][-+]?\d+)?"

    def parse(self, words: pd.Series) -> np.ndarray:
        """Return the numbers that words spell; NaN for the others."""
        is_spelled = words.str.fullmatch(self.pattern, flags=re.ASCII).fillna(False).to_numpy(bool)
        numbers = np.full(len(words), np.nan)
        spelled = words[is_spelled]
        if self.thousands:
            spelled = spelled.str.replace(self.thousands, "", regex=False)
        if self.decimal != ".":
            spelled = spelled.str.replace(self.decimal, ".", regex=False)
        numbers[is_spelled] = spelled.to_numpy().astype(np.float64)
        return numbers


PLAIN = Style(".", "")
_COMMA = Style(",", "")
_GROUPED = (Style(".", ","), Style(",", "."))


def is_number(text: str) -> bool:
    """Return whether a text spells a number of any style."""
    text = text.strip()
    return any(re.fullmatch(style.pattern, text, re.ASCII) for style in (PLAIN, _COMMA, *_GROUPED))


def find_style(columns: list[pd.Series], *, delimiter: str) -> Style:
    """Return the style of a file: that in which most columns of words are numbers.

    A comma before three digits only separates thousands where commas separate the cells, too.
    """
    columns = [words for words in columns if len(words) and words.str.contains(r"\d").all()]
    grouped_first = delimiter == ","
    styles = (PLAIN, *_GROUPED, _COMMA) if grouped_first else (PLAIN, _COMMA, *_GROUPED)
    counts = [
        sum(bool(words.str.fullmatch(style.pattern, flags=re.ASCII).all()) for words in columns)
        for style in styles
    ]
    return styles[counts.index(max(counts))] if counts else PLAIN


def round_beyond(size: float) -> float:
    """Return a round number with room beyond a size: 1, 2 or 5 and zeros."""
    if size <= 0:
        return 0.0
    size *= 1.2
    power = 10.0 ** math.floor(math.log10(size))
    round_number = next(step * power for step in (1, 2, 5, 10) if step * power >= size * 0.999999)
    return float(f"{round_number:.6g}")
