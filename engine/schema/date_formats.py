"""How dates are written: ISO 8601, and formats in the codes of ``strptime``.

Unlike `datetime.strptime`, a format takes ASCII alone, and no text in two ways.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from engine.languages import gettext as _
from engine.schema.declarations import is_text

#: A date that shows what a format looks like.
SAMPLE = datetime(2024, 5, 17, 10, 30, tzinfo=UTC)

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

_OFFSET = r"Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d"

#: What each code of strptime stands for; of several digits a leading zero may be left out.
_CODES = {
    "Y": r"\d{4}", "y": r"\d\d", "m": r"\d\d?", "d": r"\d\d?",
    "b": f"(?i:{'|'.join(name[:3] for name in _MONTHS)})", "B": f"(?i:{'|'.join(_MONTHS)})",
    "H": r"\d\d?", "I": r"\d\d?", "p": "(?i:AM|PM)", "M": r"\d\d?", "S": r"\d\d?",
    "f": r"\d{1,9}", "z": _OFFSET,
}  # fmt: skip
_MONTH_PLACES = {name[:3].lower(): place for place, name in enumerate(_MONTHS, start=1)}

#: The codes of a whole date and of a time of day, with y, b, B and Ip as Y, m, m and H.
_WHOLE_DATE, _TIMES = "Ydm", ("", "H", "HM", "HMS", "HMSf")

ISO = re.compile(
    r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?:[T ](?P<H>[01]\d|2[0-3]):(?P<M>\d\d)"
    rf"(?::(?P<S>\d\d)(?:\.\d{{1,9}})?)?(?P<z>{_OFFSET})?)?",
    re.ASCII,
)


class NoDate(ValueError):
    """A text is no date; the message says why, where there is more to say."""


def pattern_of(layout: str) -> re.Pattern[str]:
    """Return what a format accepts; digits that follow one another need all of their places."""
    parts = re.split("%(.)", layout)
    inner = [*parts]
    inner[0] = inner[-1] = "no digit"
    for place in range(1, len(parts), 2):
        code, is_apart = parts[place], bool(inner[place - 1] and inner[place + 1])
        spelled = "%" if code == "%" else f"(?P<{code}>{_CODES[code]})"
        parts[place] = spelled if is_apart else spelled.replace(r"\d\d?", r"\d\d")
    parts[::2] = map(re.escape, parts[::2])
    return re.compile("".join(parts), re.ASCII)


def fault_of(layout: Any, *, has_time: bool) -> str:
    """Return what is wrong with a format, with the remedy; empty if nothing is."""
    if not is_text(layout):
        return _("is not text: give codes of strptime, as '%d/%m/%Y'")
    codes = re.findall("%(.?)", layout)
    if unknown := [code for code in codes if code not in (*_CODES, "%")]:
        return _("has %{unknown}: the codes are {listed}").format(
            unknown=unknown[0], listed=" ".join(f"%{code}" for code in _CODES)
        )
    plain = "".join(codes).translate({ord("y"): "Y", ord("b"): "m", ord("B"): "m"})
    days = "".join(code for code in plain if code in _WHOLE_DATE)
    if sorted(days) != sorted(_WHOLE_DATE):
        return _("is not of one year, one month and one day: give all of them once")
    times = [code for code in plain if code not in f"{_WHOLE_DATE}z%"]
    if not has_time and (times or "z" in plain):
        return _("has a time of day: make the field a DateTime")
    if "I" in times and "p" in times:
        times[times.index("I")] = "H"
        times.remove("p")
    if "".join(sorted(times, key="HMSfIp".index)) not in _TIMES or plain.count("z") > 1:
        return _("is not of one time of day: give the hour, then the minute, then the second, once")
    return ""


def moment_of(parts: Mapping[str, str | None]) -> datetime:
    """Return what the parts of a text show, without a zone unless they have an offset.

    Raise ValueError when no calendar or clock shows it.
    """
    numbers = {code: int(text) for code, text in parts.items() if text and text.isdecimal()}
    year = numbers.get("Y")
    if year is None:
        year = numbers["y"] + (1900 if numbers["y"] > 68 else 2000)  # as strptime has it
    name = parts.get("b") or parts.get("B")
    month = _MONTH_PLACES[name[:3].lower()] if name else numbers["m"]
    hour = numbers.get("H", 0)
    if (half := parts.get("p")) is not None:
        if not 1 <= numbers["I"] <= 12:
            raise NoDate(_(", which has no hour from 1 to 12"))
        hour = numbers["I"] % 12 + (12 if half.upper() == "PM" else 0)
    minute, second = numbers.get("M", 0), numbers.get("S", 0)
    return datetime(year, month, numbers["d"], hour, minute, second, tzinfo=_zone(parts.get("z")))


def _zone(offset: str | None) -> timezone | None:
    if offset is None or offset == "Z":
        return None if offset is None else UTC
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-size if offset.startswith("-") else size)


def first_confused(layout: str, own: re.Pattern[str], other: re.Pattern[str]) -> str:
    """Return a text of a format that another one reads as another date; empty if there is none."""
    for place in range(600):
        moment = SAMPLE - place * timedelta(days=31, hours=5, minutes=7, seconds=11)
        text = moment.strftime(layout)
        mine, theirs = own.fullmatch(text), other.fullmatch(text)
        if mine and theirs and _is_other(mine.groupdict(), theirs.groupdict()):
            return text
    return ""


def _is_other(mine: Mapping[str, str | None], theirs: Mapping[str, str | None]) -> bool:
    try:
        return moment_of(mine) != moment_of(theirs)
    except ValueError:
        return False
