"""How numbers are written in a table, and round numbers around them."""

import math
import re
from typing import NamedTuple

import numpy as np
import pandas as pd

#: So many words of a column tell the style of its numbers.
_ENOUGH = 2000
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
        if self == PLAIN:
            plain: np.ndarray = pd.to_numeric(words, errors="coerce").to_numpy(float, copy=True)
            plain[np.isinf(plain)] = np.nan
            return plain
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


#: What may stand beside a number: a currency, a share, or a unit.
_SIGN = (
    r"R\$|US\$|[$€£¥₹₽₩₺%‰°]|(?:USD|EUR|GBP|JPY|CHF|CLP|BRL|CAD|AUD|MXN|INR|CNY|SEK|NOK|DKK|PLN)\b"
    r"|(?:k|m|c|µ)?[gml]\b|k?Wh?\b|lbs?\b|oz\b|km/h|mph|°[CF]|h\b|min\b|ms\b|s\b"
)
_MARKED = (
    rf"(?P<minus>[-+\u2212(]?)\s*(?P<before>{_SIGN})?\s*(?P<behind>[-\u2212]?)"
    rf"(?P<number>\d[\d.,'\u2019\s]*|[.,]\d+)\s*(?P<after>{_SIGN})?(?P<close>[-)]?)"
)


class Form(NamedTuple):
    """The numbers of words, and how signs around them are taken away, if there are any."""

    numbers: np.ndarray
    unit: str = ""
    replacements: dict[str, str] = {}  # noqa: RUF012

    @property
    def odd(self) -> np.ndarray:
        """Which words are no numbers."""
        is_odd: np.ndarray = np.isnan(self.numbers)
        return is_odd


def find_form(words: pd.Series, style: Style) -> Form:
    """Return the numbers that words spell, in the file's style or with signs around them.

    The sign of a decimal point is the file's in both cases.
    """
    plain = Form(style.parse(words))
    if not plain.odd.any():
        return plain
    few = words.iloc[:: max(1, len(words) // _ENOUGH)]
    if len(words) > 2 * _ENOUGH and not find_form(few, style).replacements:
        return plain
    marked = words.str.extract(f"^{_MARKED}$")
    numbers = marked["number"].dropna().str.strip()
    units = pd.concat([marked["before"], marked["after"]]).dropna().unique()
    is_bare = marked["number"].notna() & marked["before"].isna() & marked["after"].isna()
    is_share = bool({*units} & {"%", "‰"})
    if not len(numbers) or len(units) > 1 or (is_share and is_bare.any()):
        return plain  # 50% and 0.5 in one column do not tell what 0.5 is
    signs = (style.thousands, ".", ",", " ", "'", "\u2019", "\xa0", "\u202f", "")
    styles = [Style(style.decimal, sign) for sign in signs if sign != style.decimal]
    if _is_money(units) and as_groups(numbers, style.decimal).str.len().max() > 5:
        # No price has three decimals and two figures before them: they are thousands.
        styles = [Style({".": ",", ",": "."}[style.decimal], style.decimal)]
    counts = [int((~np.isnan(each.parse(numbers))).sum()) for each in styles]
    best = styles[counts.index(max(counts))]
    replacements = {
        **({"\u2212": "-"} if words.str.contains("\u2212").any() else {}),
        rf"[^-\d{re.escape(best.decimal)}()]": "",
        **({r"\((.*)\)": r"-\1"} if (marked["close"] == ")").any() else {}),
        **({r"(.*)-$": r"-\1"} if (marked["close"] == "-").any() else {}),
        **({",": "."} if best.decimal == "," else {}),
    }
    is_spelled = words.index.isin(numbers.index[~np.isnan(best.parse(numbers))])
    freed = words.where(is_spelled, "").replace(replacements, regex=True)
    form = Form(PLAIN.parse(freed), str(units[0]) if len(units) else "", replacements)
    return form if form.odd.sum() < plain.odd.sum() else plain


def is_number(text: str) -> bool:
    """Return whether a text spells a number of any style."""
    text = text.strip()
    return any(re.fullmatch(style.pattern, text, re.ASCII) for style in (PLAIN, _COMMA, *_GROUPED))


def find_style(columns: list[pd.Series], *, delimiter: str) -> Style:
    """Return the style of a file: that in which most columns of words are numbers.

    A comma before three digits only separates thousands where commas separate the cells, too.
    """
    few = [words.iloc[:: max(1, len(words) * 4 // _ENOUGH)] for words in columns]
    columns = [_unmarked(words) for words in few if len(words) and words.str.contains(r"\d").all()]
    grouped_first = delimiter == ","
    listed = (PLAIN, *_GROUPED, _COMMA) if grouped_first else (PLAIN, _COMMA, *_GROUPED)
    # A sign that is a decimal point in one column separates no thousands in another.
    styles = [
        style
        for style in listed
        if not (style.thousands and any(_has_decimals(words, style.thousands) for words in columns))
    ]
    counts = [
        sum(bool(words.str.fullmatch(style.pattern, flags=re.ASCII).all()) for words in columns)
        for style in styles
    ]
    scores = [
        count + any(_has_small(words, style.thousands) for words in columns if style.thousands) / 2
        for count, style in zip(counts, styles, strict=True)
    ]
    return styles[scores.index(max(scores))] if scores else PLAIN


def as_groups(words: pd.Series | pd.Index, sign: str) -> pd.Series:
    """Return the words with a sign if it may separate thousands in all of them, else none."""
    signed = pd.Series(words, dtype=object)
    signed = signed[signed.str.contains(sign, regex=False)]
    pattern = rf"[-+]?[1-9]\d{{0,2}}(?:{re.escape(sign)}\d{{3}})+"
    return signed if signed.str.fullmatch(pattern).all() else signed.iloc[:0]


def _has_small(words: pd.Series, sign: str) -> bool:
    """Return whether a sign is in many numbers, as one of thousands, and not in those below.

    Decimals that are not padded with zeros would have other lengths, and padded ones all have it.
    """
    has_sign = words.str.contains(sign, regex=False)
    return len(as_groups(words, sign)) >= 10 and bool((~has_sign).any())


def _is_money(units: np.ndarray) -> bool:
    return any(re.search(r"[$€£¥₹₽₩₺]|^[A-Z]{3}$", unit) for unit in units)


def _has_decimals(words: pd.Series, point: str) -> bool:
    """Return whether many words have one point, and not three figures behind it."""
    decimals = rf"[-+]?\d+{re.escape(point)}(\d{{1,2}}|\d{{4,}})"
    return bool(words.str.fullmatch(decimals).mean() > 0.1)


def _unmarked(words: pd.Series) -> pd.Series:
    """Return words without the signs around the numbers in them, if all have numbers."""
    numbers = words.str.extract(f"^{_MARKED}$")["number"]
    bare = numbers.str.replace(r"[\s'\u2019]", "", regex=True)
    return words if bare.isna().any() else bare


def round_beyond(size: float) -> float:
    """Return a round number with room beyond a size: 1, 2 or 5 and zeros."""
    if size <= 0:
        return 0.0
    size *= 1.2
    power = 10.0 ** math.floor(math.log10(size))
    round_number = next(step * power for step in (1, 2, 5, 10) if step * power >= size * 0.999999)
    return float(f"{round_number:.6g}")
