"""What the columns of a table hold: a kind of field each, or why a column is set aside."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from engine.languages import gettext as _
from engine.languages import local_number, ngettext
from engine.schema.kinds.flag import FLAG_WORDS
from engine.schema.kinds.number import MAX_EXACT_INTEGER
from engine.schema.kinds.spelling import spelling
from engine.schema.messages import quoted
from engine.training.infer.cells import FEW_ODD, Cells, Draft
from engine.training.infer.dates import dates_of
from engine.training.infer.headers import is_code_name, is_id_name, unit_of, words_in
from engine.training.infer.numbers import Form, Style, as_groups, find_form, is_number, round_beyond

#: A few words in a column of numbers are gaps, too: in such a share of the rows.
_ODD_SHARE = 0.05
#: A column with a larger share of gaps is set aside.
_MOST_GAPS = 0.95
#: So many whole numbers at most are the codes of a category, each in ten rows on average.
_MOST_CODES = 30
#: So many spellings of yes and no, at most.
_MOST_SPELLINGS = 20
#: The longest word of a category.
_LONGEST_WORD = 60

#: Numbers that stand for gaps in some tables.
_STAND_INS = {-1, -9, -99, -999, -9999, -99999, 99, 999, 9999, 99999, 999999}

_SHARES = {"percent", "pct", "percentage", "%"}

_TRUE_AND_FALSE = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("1", "0"), ("on", "off"),
    ("sim", "nao"), ("s", "n"), ("si", "no"), ("oui", "non"), ("ja", "nein"), ("ja", "nee"),
    ("tak", "nie"), ("да", "нет"), ("true", "0"), ("1", "false"),
)  # fmt: skip


def describe(cells: Cells, style: Style, most_words: int) -> Draft:
    """Decide what a column holds, by its words alone."""
    rows, words = len(cells.places), cells.counts
    share = local_number(f"{100 * cells.gaps / rows:.2g}")
    gaps = _("{share}% missing").format(share=share) if cells.gaps else ""
    form = find_form(words.index.to_series(), style)
    odd = words[form.odd]
    is_odd_rare = len(odd) <= FEW_ODD and odd.sum() <= _ODD_SHARE * words.sum()
    first = quoted(str(words.index[0])[:40]) if len(words) else ""
    if not len(words) or cells.gaps > _MOST_GAPS * rows:
        return Draft(cells.header, "", gaps if len(words) else _("no value in any row"))
    if len(words) == 1:
        text = _("always {first} or missing") if gaps else _("always {first}")
        return Draft(cells.header, "", text.format(first=first))
    if dates := dates_of(cells):
        draft = dates
    elif flag := flag_of(cells):
        draft = flag
    elif is_odd_rare and len(words) > len(odd) + 1:
        draft = _number(cells, form, most_words)
    elif odd.size > 10 and all(map(is_number, map(str, odd.index))):
        text = _("numbers written in another way than most, such as {first}")
        draft = Draft(cells.header, "", text.format(first=first))
    elif len(odd) < len(words) / 2 and len(words) > most_words:
        text = _("numbers, and words such as {word}")
        draft = Draft(cells.header, "", text.format(word=quoted(str(odd.index[0])[:40])))
    else:
        draft = category(cells, most_words)
    if draft.kind and (cells.gaps or draft.odd):
        draft.arguments["missing"] = "accept"
        draft.summary += f", {gaps}" if gaps else ""
    return draft


def flag_of(cells: Cells) -> Draft | None:
    """Return a flag if the words are two ways to say yes and no."""
    if len(cells.counts) > _MOST_SPELLINGS:
        return None
    spelled = {str(word): spelling(word) for word in cells.counts.index}
    folded = {*map(_folded, spelled.values())}
    pair = next((pair for pair in _TRUE_AND_FALSE if set(pair) == folded), None)
    if pair is None:
        return None
    meanings = {word: _folded(plain) == pair[0] for word, plain in spelled.items()}
    values = cells.spread([*meanings.values()])
    synonyms = {spelled[word]: meaning for word, meaning in meanings.items()}
    synonyms = {word: meaning for word, meaning in synonyms.items() if word not in FLAG_WORDS}
    share = 100 * np.nanmean(values)
    arguments = {"example": bool(share >= 50)} | ({"synonyms": synonyms} if synonyms else {})
    summary = _("{share}% true").format(share=local_number(f"{share:.3g}"))
    return Draft(cells.header, "Flag", summary, arguments, values)


def _folded(word: str) -> str:
    """Return a word in small letters without accents, which many leave out."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def number(cells: Cells, form: Form) -> Draft:
    """Return a number field; the words that are none are its odd ones."""
    words = cells.counts.index
    values = cells.spread(form.numbers)
    present = np.sort(values[~np.isnan(values)])
    is_whole = bool((present % 1 == 0).all())
    arguments = _number_arguments(cells.header, present, form.unit, is_whole=is_whole)
    summary = _("whole, {low} to {high}") if is_whole else _("{low} to {high}")
    summary = summary.format(low=_shown(present[0]), high=_shown(present[-1]))
    odd = tuple(map(str, words[form.odd]))
    remarks = [_("read as gaps: {words}").format(words=", ".join(map(quoted, odd)))] if odd else []
    if not form.replacements and len(grouped := as_groups(words, ".")) and present[-1] < 1000:
        text = _("{word} is read with a decimal point: if its point separates thousands, give "
                 "read_csv thousands='.'")  # fmt: skip
        remarks.append(text.format(word=quoted(grouped.iloc[0])))
    if form.replacements:
        place = max(np.flatnonzero(~form.odd), key=lambda place: len(words[place]))
        word, value = quoted(str(words[place])), local_number(f"{form.numbers[place]:.15g}")
        remarks.append(_("{word} is read as {value}").format(word=word, value=value))
    low, high = present[present > present[0]], present[present < present[-1]]
    for end, rest in ((present[0], low), (present[-1], high)):
        if end in _STAND_INS and len(rest) and abs(end - np.median(rest)) > 2 * np.ptp(rest):
            text = _("{value} may stand for a gap: if it does, add it to na_values")
            remarks.append(text.format(value=f"{end:g}"))
    draft = Draft(cells.header, "Number", summary, arguments, values, odd, "; ".join(remarks))
    draft.replacements = form.replacements
    return draft


def _shown(value: float) -> str:
    """Return a number with six figures, whole ones with all, and commas where it is long."""
    value = value if value % 1 == 0 else float(f"{value:.6g}")
    return local_number(f"{value:.15g}" if 10_000 <= abs(value) < 1e15 else f"{value:.6g}")


def _number(cells: Cells, form: Form, most_words: int) -> Draft:
    """Return a number, a category of codes, or why the column tells nothing."""
    header, words = cells.header, cells.counts
    draft, numbers = number(cells, form), form.numbers
    assert draft.values is not None
    is_whole = "integer" in draft.arguments
    if is_whole and np.nanmax(np.abs(numbers)) >= MAX_EXACT_INTEGER:
        return Draft(header, "", _("whole numbers beyond 2**53, as ids are"))
    if is_whole and (reason := is_id(cells, draft.values)):
        return Draft(header, "", reason)
    if is_whole and all(re.fullmatch(r"\+\d{7,}", str(word)) for word in words.index):
        text = _("phone numbers, such as {word}")
        return Draft(header, "", text.format(word=quoted(str(words.index[0]))))
    has_zeros = any(word[0] == "0" and word[1:2].isdigit() for word in words.index)
    is_coded = len(words) <= _MOST_CODES and words.sum() >= 10 * len(words)
    is_coded = is_coded and np.nanmin(numbers) >= 0 and is_code_name(header)
    if is_whole and (has_zeros or is_coded):
        draft = category(cells, most_words)
        draft.remark = _("whole numbers taken for codes; if they count, make it a Number")
    return draft


def is_id(cells: Cells, values: np.ndarray) -> str:
    """Return why words or whole numbers tell rows apart and nothing else; empty if they do not."""
    filled, distinct = int(cells.counts.sum()), len(cells.counts)
    if filled < 10 or distinct < 0.95 * filled:
        return ""
    if len(values) == filled and len({*np.diff(values).tolist()}) == 1:
        return _("counts the rows")
    return _("an id: nearly every row has its own") if is_id_name(cells.header) else ""


def _number_arguments(
    header: str, values: np.ndarray, sign: str, *, is_whole: bool
) -> dict[str, Any]:
    """Return the arguments of a number from sorted values: its range has room, in round numbers."""
    low, high, middle = float(values[0]), float(values[-1]), float(values[len(values) // 2])
    minimum = -round_beyond(-low) if low < 0 else 0.0
    maximum = round_beyond(high) if high > 0 else 0.0
    if 0 <= low and high <= 1 and not is_whole:
        maximum = 1.0
    elif 0 <= low and 50 < high <= 100 and {sign, unit_of(header), *words_in(header)} & _SHARES:
        maximum = 100.0
    elif is_whole and 1800 <= low and high <= 2100:
        minimum, maximum = 1800.0, 2100.0
    arguments: dict[str, Any] = {"unit": unit} if (unit := unit_of(header) or sign) else {}
    arguments["example"] = int(middle) if is_whole else middle
    arguments |= {"integer": True} if is_whole else {}
    for name, end in (("minimum", minimum), ("maximum", maximum)):
        arguments[name] = int(end) if end.is_integer() and abs(end) < 1e15 else end
    return arguments


def category(cells: Cells, most_words: int) -> Draft:
    """Return a category, or why a column has too many words for one."""
    header, counts = cells.header, cells.counts
    filled, distinct = int(counts.sum()), len(counts)
    if reason := is_id(cells, np.empty(0)):
        return Draft(header, "", reason)
    longest = max(len(str(word)) for word in counts.index)
    if longest > _LONGEST_WORD or (distinct > filled / 2 and distinct > 10):
        word = str(counts.index[0])
        is_text = longest > _LONGEST_WORD or any(" " in str(word) for word in counts.index[:20])
        text = (
            _("text, such as {word}") if is_text else _("words that hardly repeat, such as {word}")
        )
        return Draft(header, "", text.format(word=quoted(word[:40])))
    synonyms, codes = join_spellings(counts)
    ranked = codes.sort_values(ascending=False, kind="stable")
    often = ranked if distinct <= 10 else ranked[ranked > 1]
    listed = sorted(map(str, often.index[:most_words]), key=_in_order)
    share = codes[listed].sum() / filled
    if share < 0.3:
        text = _("{words} words, the {few} most frequent in {share}% of the rows")
        words = local_number(f"{distinct:,}".replace(",", ""))
        return Draft(
            header, "", text.format(words=words, few=len(listed), share=f"{100 * share:.0f}")
        )
    synonyms = {word: meaning for word, meaning in synonyms.items() if meaning in listed}
    rest = len(codes) - len(listed)
    arguments: dict[str, Any] = {"categories": tuple(listed)}
    if synonyms:
        arguments["synonyms"] = synonyms
    arguments |= {"example": str(ranked.index[0]), "unknown": "accept" if rest else "refuse"}
    places = {word: place for place, word in enumerate(codes.index)}
    meanings = {**places, **{word: places[meaning] for word, meaning in synonyms.items()}}
    summary = ngettext("{count} word", "{count} words", len(listed))
    if all(map(str.isdecimal, listed)):
        summary = ngettext("{count} code", "{count} codes", len(listed))
    draft = Draft(header, "Category", summary.format(count=len(listed)), arguments)
    draft.values = values_of(cells, meanings)
    text = _(", {rest} rarer and new ones unknown") if rest else _(", new ones refused")
    draft.summary += text.format(rest=local_number(str(rest)))
    return draft


def values_of(cells: Cells, meanings: Mapping[str, float]) -> np.ndarray:
    """Return the number of each cell's word; NaN for a gap and other words."""
    words = cells.counts.index
    return cells.spread(
        [meanings.get(word, meanings.get(spelling(word), np.nan)) for word in words]
    )


def _in_order(word: str) -> tuple[float, str]:
    return float(word) if re.fullmatch(r"\d+(\.\d+)?", word) else np.inf, word.casefold()


def join_spellings(counts: pd.Series) -> tuple[dict[str, str], pd.Series]:
    """Return the other spellings of words by case and inner spaces, and the rows of each word."""
    spellings: dict[str, list[str]] = {}
    for word in counts.sort_values(ascending=False, kind="stable").index:
        spellings.setdefault(" ".join(spelling(word).casefold().split()), []).append(str(word))
    synonyms: dict[str, str] = {}
    rows: dict[str, int] = {}
    for same in spellings.values():
        first = spelling(same[0])
        rows[first] = sum(int(counts[word]) for word in same)
        synonyms |= {word: first for word in same[1:] if spelling(word) != first}
    return synonyms, pd.Series(rows)
