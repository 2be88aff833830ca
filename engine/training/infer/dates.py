"""Columns of dates: in which formats, and with which of the day and the month first."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.schema import Date, DateTime
from engine.schema.messages import quoted
from engine.training.infer.cells import FEW_ODD, Cells, Draft

_LIKE_DATES = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})([ ,].*)?|"
    r"\d{4}-\d{2}|\d{1,2}/\d{4}|\d{1,2}:\d{2}(:\d{2})?( ?[AaPp]\.?[Mm]\.?)?|"
    r"\d{1,2}[ -][A-Za-z]{3,9}\.?[ -]\d{2,4}([ ,].*)?|[A-Za-z]{3}-\d\d|"
    r"([A-Za-z]{3,9},? )?[A-Za-z]{3,9}\.? \d{1,2},? \d{4}([ ,].*)?|"
    r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
)
#: The formats that are tried besides ISO 8601, alone and with a time of day.
_DAYS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y",
    "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y-%m-%d",
)  # fmt: skip
_TIMES = (
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %I:%M %p",
    " %H:%M:%S%z",
    " %H:%M:%S UTC",
    " %H:%M:%S %z",
)
#: A year in two figures from 40 to 68 may be of this century or, as one of birth, of the last.
_CENTURY = DateTime(name="date", example="").read("2040-01-01")[0]
#: So many words tell the formats, and a column has so many at most.
_ENOUGH, _MOST_FORMATS = 500, 4


def dates_of(cells: Cells) -> Draft | None:
    """Return a field of dates, or why dates cannot be read; None where there are none."""
    words = [*map(str, cells.counts.index)]
    few = words[:: max(1, len(words) // _ENOUGH)]
    if sum(bool(_LIKE_DATES.fullmatch(word)) for word in few) <= 0.9 * len(few):
        return None
    example = quoted(words[0][:40])
    formats = _formats_of(few, cells)
    is_read = np.isfinite(_seconds(_field(formats, few), few))
    field = _field(formats, [word for word, is_date in zip(few, is_read, strict=True) if is_date])
    if field.contradictions() or not is_read.any():
        text = _("dates or times in a form that is not read, such as {example}")
        return Draft(cells.header, "", text.format(example=example))
    seconds = _seconds(field, words)
    if "%y" in "".join(formats) and np.nanmax(seconds) >= _CENTURY:
        late = quoted(words[int(np.nanargmax(seconds))])
        text = _("years of two digits, which may be of two centuries, such as {late}")
        return Draft(cells.header, "", text.format(late=late))
    is_odd = np.isnan(seconds)
    odd = [word for word, is_none in zip(words, is_odd, strict=True) if is_none]
    if len(odd) > FEW_ODD or len(odd) == len(words):
        text = _("dates, and other words such as {word}")
        return Draft(cells.header, "", text.format(word=quoted(odd[0][:40])))
    arguments: dict[str, Any] = {"formats": field.formats} if field.formats else {}
    arguments["example"] = words[int(np.argmin(is_odd))]
    ends = [field.label(end) for end in (np.nanmin(seconds), np.nanmax(seconds))]
    summary = _("{low} to {high}").format(low=ends[0], high=ends[1])
    draft = Draft(cells.header, type(field).__name__, summary, arguments)
    draft.values, draft.odd = cells.spread(seconds), tuple(odd)
    draft.remark = "; ".join(_remarks(field, few, odd))
    return draft


def _formats_of(words: list[str], cells: Cells) -> tuple[str, ...]:
    """Return the formats that read words, beside ISO 8601."""
    rest = [word for word in words if DateTime(name="date", example=word).read(word)[1]]
    chosen: tuple[str, ...] = ()
    while rest and len(chosen) < _MOST_FORMATS:
        times = ("", *_TIMES) if any(":" in word for word in rest) else ("",)
        layouts = [day + time for day in _DAYS for time in times]
        read = {each: np.isfinite(_seconds(_field((each,), rest[:1]), rest)) for each in layouts}
        most = max(int(is_read.sum()) for is_read in read.values())
        if not most:
            break
        best = [each for each in layouts if read[each].sum() == most]
        chosen = (*chosen, min(best, key=lambda layout: _jumps(layout, cells)))
        rest = [word for word, is_read in zip(rest, read[chosen[-1]], strict=True) if not is_read]
    return chosen


def _jumps(layout: str, cells: Cells) -> float:
    """Return how far the dates of neighbouring rows are apart, by a format."""
    seconds = _seconds(_field((layout,), []), [*map(str, cells.counts.index)])
    jumps = np.abs(np.diff(cells.spread(seconds)[:5000]))
    return float(np.nanmean(jumps)) if np.isfinite(jumps).any() else 0.0


def _field(formats: tuple[str, ...], words: list[str]) -> Date:
    """Return a field of dates, or of times where a format or a word has one."""
    example = words[0] if words else ""
    date = Date(name="date", example=example, formats=formats)
    times = DateTime(name="date", example=example, formats=formats)
    is_date = not any(re.search("%[HI]", layout) for layout in formats)
    return (
        date
        if is_date and not any(date.read(w)[1] and not times.read(w)[1] for w in words)
        else times
    )


def _seconds(field: Date, words: Sequence[str]) -> np.ndarray:
    read = [field.read(word)[0] for word in words]
    return np.array([np.nan if each is None else each for each in read], dtype=float)


def _remarks(field: Date, words: list[str], odd: list[str]) -> list[str]:
    remarks = [_("read as gaps: {words}").format(words=", ".join(map(quoted, odd)))] if odd else []
    if len(field.formats) > 1:
        text = _("dates are written in {count} formats, besides ISO 8601")
        remarks.append(text.format(count=len(field.formats)))
    for layout in field.formats:
        swapped = layout.translate({ord("d"): "m", ord("m"): "d"})
        if "%m" in layout and not re.search("%Y.?%m.?%d", layout):
            other = np.isfinite(_seconds(_field((swapped,), []), words))
            if other.all():
                text = _("the order of day and month is a guess: {layout}, not {swapped}")
                remarks.append(text.format(layout=layout, swapped=swapped))
    if isinstance(field, DateTime) and any(
        re.search(r"\d(Z|[+-]\d\d:?\d\d)$", word) for word in words
    ):
        remarks.append(
            _("times with an offset are read in UTC: set `zone` for the hours of a place")
        )
    return remarks
