"""The time that a dashboard shows, chosen in the query of its address."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from engine.languages import gettext as _
from engine.languages import local_date
from engine.schema.messages import shown

#: The windows that end now: hours in all, and hours of a period.
WINDOWS = {"24h": (24, 1), "7d": (7 * 24, 1), "30d": (30 * 24, 24), "90d": (90 * 24, 24)}

#: Longer times are not shown; up to so many days are shown by the hour.
_MOST_DAYS, _DAYS_BY_HOUR = 366, 7

_FIRST = date(1970, 1, 1)


class Window(NamedTuple):
    """A time in hours since 1970, in UTC, in periods of 1 or 24 hours."""

    first: int
    end: int
    hours: int
    name: str = ""

    @property
    def size(self) -> int:
        """The number of its periods."""
        return (self.end - self.first) // self.hours

    def place(self, hour: float) -> int:
        """Return the number of the period that an hour is in."""
        return int((hour - self.first) // self.hours)

    def labels(self, *, is_short: bool = False) -> list[str]:
        """Return what people call its periods; in short as an axis has them."""
        texts = []
        for hour in range(self.first, self.end, self.hours):
            moment = datetime.fromtimestamp(hour * 3600, UTC)
            day, time = local_date(moment.isoformat()), f"{moment:%H}:00"
            if is_short:
                texts.append(time if self.size <= 24 else day.removeprefix(f"{moment.year}-")[:5])
            else:
                texts.append(f"{day} {time}" if self.hours == 1 else day)
        return texts


def read_window(query: Mapping[str, str], now: float) -> tuple[Window, str]:
    """Return the window that a query chooses, and what is wrong with it, if anything."""
    name, days = query.get("window", "24h"), (query.get("from", ""), query.get("to", ""))
    length, hours = WINDOWS.get(name, WINDOWS["24h"])
    end = (int(now // 3600) // hours + 1) * hours
    window = Window(end - length, end, hours, name)
    if not any(days):
        problem = _("The window is {text}: choose one of {names}.")
        choice = problem.format(text=shown(name), names=", ".join(WINDOWS))
        return window, "" if name in WINDOWS else choice
    if wrong := [text for text in days if _hour(text) is None]:
        problem = _("The day {text} is not a date from 1970 on: choose both days.")
        return window, problem.format(text=shown(wrong[0]))
    first, last = (_hour(text) or 0 for text in days)
    if first > last:
        return window, _("The first day comes after the last day: exchange them.")
    if (count := (last - first) // 24 + 1) > _MOST_DAYS:
        problem = _("These are {count} days: choose {most} at most.")
        return window, problem.format(count=count, most=_MOST_DAYS)
    return Window(first, last + 24, 1 if count <= _DAYS_BY_HOUR else 24), ""


def _hour(text: str) -> int | None:
    """Return the first hour of a day since 1970; None where a text is no such day."""
    try:
        is_date = re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text)
        days = (date.fromisoformat(text) - _FIRST).days if is_date else -1
    except ValueError:
        return None
    return days * 24 if days >= 0 else None
