"""Fields that hold a date, or a date with a time of day."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from engine.languages import gettext as _
from engine.schema.date_formats import (
    ISO,
    SAMPLE,
    NoDate,
    fault_of,
    first_confused,
    moment_of,
    pattern_of,
)
from engine.schema.declarations import Policy, written, wrong_attributes
from engine.schema.kinds.field import Field, Finding
from engine.schema.kinds.number import UNUSUAL, Number
from engine.schema.kinds.spelling import spelling
from engine.schema.problem_codes import Code

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a wall clock has no zone
_DAY = 86_400
#: The seconds at which the months of leap years and others begin, up to the ends of the calendar.
_MONTHS = np.array([
    (datetime(year, month, 1) - _EPOCH) // timedelta(seconds=1)  # noqa: DTZ001
    for year in (1, 1600, 1900, 1970, 2000, 2023, 2024, 2100, 9999)
    for month in range(1, 13)
], np.float64)  # fmt: skip
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999


@dataclass(frozen=True, kw_only=True)
class Date(Field):
    """A date: text in JSON; the pipeline sees the seconds from 1970 to its midnight.

    The text is of ISO 8601, or one of the formats, in the codes of ``strptime``. Both ends of
    the range are included. An accepted gap is NaN.
    """

    formats: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None
    out_of_range: Policy = "refuse"

    kind: ClassVar[str] = "date"
    control: ClassVar[str] = "date"
    arrow_columns: ClassVar[tuple[str, ...]] = (*Field.arrow_columns, "dates")
    _noun: ClassVar[str] = "date"
    _iso: ClassVar[str] = "%Y-%m-%d"
    _json_format: ClassVar[str] = "date"
    _step: ClassVar[int] = _DAY

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.formats, list):
            object.__setattr__(self, "formats", tuple(self.formats))

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [ISO, *map(pattern_of, self.formats)]

    @cached_property
    def _ends(self) -> tuple[float | None, float | None]:
        """The declared ends of the range, in seconds."""
        ends = (self.minimum, self.maximum)
        low, high = (None if end is None else self._seconds(end, [ISO]) for end in ends)
        return low, high

    @cached_property
    def _count(self) -> Number:
        """The days or seconds since 1970 that are accepted, as a field."""
        is_open = self.out_of_range == "accept"
        low, high = (None if end is None or is_open else end / self._step for end in self._ends)
        return Number(name=self.name, example=0, integer=True, minimum=low, maximum=high)

    def expected(self) -> str:
        text = _("a date as {formats}") if self._step == _DAY else _("a date and time as {formats}")
        formats = _(" or ").join(map(SAMPLE.strftime, (self._iso, *self.formats)))
        text = text.format(formats=formats)
        return ", ".join(filter(None, (text, self.limits())))

    def hint(self) -> str:
        # The browser shows how its control is filled in.
        return ", ".join(filter(None, (self.limits(), self._clock_note())))

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if not isinstance(value, str):
            return None, self.finding(value)
        try:
            seconds = self._seconds(value, self._patterns)
        except (ValueError, OverflowError) as error:
            is_said = isinstance(error, NoDate)
            reason = str(error) if is_said else _(", which no calendar or clock shows")
            return None, self.finding(value, reason=reason)
        low, high = self._ends
        if (low is not None and seconds < low) or (high is not None and seconds > high):
            finding = self.finding(value, Code.OUT_OF_RANGE, _(", out of range"), self.out_of_range)
            return (None if finding.is_refused else seconds), finding
        return seconds, None

    def _seconds(self, text: str, patterns: list[re.Pattern[str]]) -> float:
        """Return the seconds from 1970 to a wall clock; raise ValueError or OverflowError."""
        error: Exception = NoDate()
        for pattern in patterns:
            if (match := pattern.fullmatch(text)) is None:
                continue
            try:
                is_iso = pattern is ISO
                moment = datetime.fromisoformat(text) if is_iso else moment_of(match.groupdict())
                elapsed = self._local(moment) - _EPOCH
                return float(elapsed.days * _DAY + elapsed.seconds)
            except (ValueError, OverflowError) as refusal:
                error = refusal
        raise error

    def _local(self, moment: datetime) -> datetime:
        """Return a moment by the wall clock of the field."""
        if moment.tzinfo is not None or moment.time() != _EPOCH.time():
            raise NoDate(_(", which has a time of day or an offset"))
        return moment

    def to_value(self, clean: Any) -> Any:
        return self.label(clean) if clean == clean else None

    def from_number(self, number: int | float | Decimal) -> Any:
        # pandas reads a column of 20240517 as numbers.
        text = spelling(number)
        is_written_so = any(pattern.fullmatch(text) for pattern in self._patterns[1:])
        return text if is_written_so else super().from_number(number)

    def json_value(self, clean: Any) -> Any:
        value = super().json_value(clean)
        return None if value is None else self.label(value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string"} | ({} if self.formats else {"format": self._json_format})

    def usual(self) -> str:
        parts = (" or ".join(("ISO 8601", *self.formats)), self._clock_note(), self.limits())
        return ", ".join(filter(None, parts))

    def _clock_note(self) -> str:
        return ""

    def noun(self) -> str:
        return _("date") if self._step == _DAY else _("date and time")

    def limits(self) -> str:
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return _("from {low} to {high}").format(low=low, high=high)
        if low is not None:
            return _("from {low}").format(low=low)
        return "" if high is None else _("to {high}").format(high=high)

    def label(self, number: float) -> str:
        moment = _EPOCH + timedelta(seconds=min(max(number // 1, _FIRST), _LAST))
        return moment.isoformat() if self._step == 1 else moment.date().isoformat()

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        return problems if wrong_attributes(self) else problems + self._declared_problems()

    def _has_valid_example(self) -> bool:
        # Nothing can be read by a format, a zone or an end that is wrong.
        return bool(self._declared_problems()) or super()._has_valid_example()

    def _declared_problems(self) -> list[str]:
        faults = [(layout, fault_of(layout, has_time=self._step == 1)) for layout in self.formats]
        problems = [
            _("format {layout} {fault}").format(layout=written(layout), fault=fault)
            for layout, fault in faults
            if fault
        ]
        problems = problems or self._zone_problems()
        for attribute in ("minimum", "maximum") if not problems else ():
            try:
                if (end := getattr(self, attribute)) is not None:
                    self._seconds(end, [ISO])
            except (ValueError, OverflowError):
                remedy = _("give a {noun} of ISO 8601").format(noun=self.noun())
                problems.append(
                    _("{attribute} is {end}: {remedy}").format(
                        attribute=attribute, end=written(end), remedy=remedy
                    )
                )
        return problems or self._ambiguities()

    def _zone_problems(self) -> list[str]:
        return []

    def _ambiguities(self) -> list[str]:
        """Name the formats that read a text of another one as another date."""
        layouts = dict(zip((self._iso, *self.formats), self._patterns, strict=True))
        return [
            _(
                "formats {first} and {second} read {text} as two dates: leave one of them out"
            ).format(first=repr(first), second=repr(second), text=text)
            for first, second in combinations(layouts, 2)
            if (text := first_confused(first, layouts[first], layouts[second]))
            or (text := first_confused(second, layouts[second], layouts[first]))
        ]

    def target_contradictions(self) -> list[str]:
        remedy = _("make it a Number, such as the days from another date")
        return [*super().target_contradictions(), f"the target cannot be a {self._noun}: {remedy}"]

    def draw(self, generator: np.random.Generator) -> str:
        example = self._seconds(self.example, self._patterns) / self._step
        reach = 4_000 * _DAY // self._step
        low, high = (None if end is None else end / self._step for end in self._ends)
        low = example - reach if low is None else low
        high = example + reach if high is None else high
        number = float(generator.integers(int(low), int(high), endpoint=True))
        if self.out_of_range == "accept" and generator.random() < UNUSUAL:
            number = high + reach
        text = self.label(number * self._step)
        finding = self.read(text)[1]  # its hour may be one that clocks skip
        return str(self.example) if finding and finding.is_refused else text

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        points = self._count.turning_points(values.astype(np.float64) / self._step, generator)
        ends = np.unique(self.near(np.append(_MONTHS, _MONTHS - 1)))
        return [*(point * self._step for point in points), *ends.tolist()]

    def span(self, values: np.ndarray) -> tuple[float, float] | None:
        ends = self._count.span(values / self._step)
        return None if ends is None else (ends[0] * self._step, ends[1] * self._step)

    def clean_range(self) -> tuple[float, float]:
        return self._range(*((None, None) if self.out_of_range == "accept" else self._ends))

    def usual_range(self) -> tuple[float, float]:
        return self._range(*self._ends)

    def _range(self, low: float | None, high: float | None) -> tuple[float, float]:
        last = _LAST // self._step * self._step
        return (float(_FIRST) if low is None else low), (float(last) if high is None else high)

    def near(self, values: np.ndarray) -> np.ndarray:
        low, high = self.clean_range()
        points = self._count.near(np.clip(values, low, high) / self._step) * self._step
        return points[(points >= low) & (points <= high)]


@dataclass(frozen=True, kw_only=True)
class DateTime(Date):
    """A date with a time of day; the pipeline sees the whole seconds since 1970 by the wall clock.

    The clock is that of a zone, by default UTC. A text with an offset is converted to it, one
    without is local there; a date alone is its midnight. A fraction of a second is dropped.
    """

    zone: str = ""

    kind: ClassVar[str] = "datetime"
    control: ClassVar[str] = "datetime-local"
    _noun: ClassVar[str] = "date and time"
    _iso: ClassVar[str] = "%Y-%m-%dT%H:%M:%S"
    _json_format: ClassVar[str] = "date-time"
    _step: ClassVar[int] = 1

    @cached_property
    def _clock(self) -> Any:
        return ZoneInfo(self.zone) if self.zone else UTC

    def _local(self, moment: datetime) -> datetime:
        if moment.tzinfo is not None:
            return moment.astimezone(self._clock).replace(tzinfo=None)
        if self.zone:
            # In the hour that clocks skip, the offset before it is the smaller one.
            before, after = (self._clock.utcoffset(moment.replace(fold=fold)) for fold in (0, 1))
            if before < after:
                raise NoDate(_(", a time that the clocks of {zone} skip").format(zone=self.zone))
        return moment

    def _clock_note(self) -> str:
        return _("{zone} unless an offset is given").format(zone=self.zone or "UTC")

    def _zone_problems(self) -> list[str]:
        try:
            ZoneInfo(self.zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            remedy = _("give a name of the IANA database, such as 'America/Santiago'")
            return [_("zone is {zone}: {remedy}").format(zone=written(self.zone), remedy=remedy)]
        return []
