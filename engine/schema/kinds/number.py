"""Fields that hold a quantity."""

import math
import re
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from engine.languages import gettext as _
from engine.schema.declarations import Policy, written, wrong_attributes
from engine.schema.kinds.field import Field, Finding
from engine.schema.messages import plain
from engine.schema.problem_codes import Code

#: The share of unusual values among made-up ones, where a field accepts them.
UNUSUAL = 1 / 8
#: Beyond this a double cannot hold every whole number.
MAX_EXACT_INTEGER = 2**53
#: Numbers at or beyond 2**53 may have been rounded already: they are read slowly.
LARGEST_PLAIN = float(MAX_EXACT_INTEGER - 1)
#: No number is drawn beyond; a double still has a digit after the point there.
_LARGEST_DRAWN = 1e15
_LARGEST = float(np.finfo(np.float64).max)
#: So many middles between neighbouring values are tried of one field.
_MOST_MIDDLES = 256

_NUMBER = re.compile(r"-?\d{1,400}(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A quantity, held as a double; an accepted gap is NaN.

    Both ends of the range are included. An accepted number outside it goes to the
    model as it is, and the answer carries a warning. The limit is the largest size
    that the fitted pipeline takes, where the range leaves it open: training finds it.
    """

    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    out_of_range: Policy = "refuse"
    limit: float | None = None

    kind: ClassVar[str] = "number"
    arrow_columns: ClassVar[tuple[str, ...]] = ("numbers",)
    value_codes: ClassVar[None] = None

    @property
    def _low(self) -> float:
        return -self._most if self.minimum is None else self.minimum

    @property
    def _high(self) -> float:
        return self._most if self.maximum is None else self.maximum

    @property
    def _most(self) -> float:
        return math.inf if self.limit is None else self.limit

    def expected(self) -> str:
        low, high = (None if end is None else plain(end) for end in (self.minimum, self.maximum))
        text = _("a whole number") if self.integer else _("a number")
        if low and high:
            text += _(" from {low} to {high}").format(low=low, high=high)
        elif low or high:
            text += (
                _(" of at least {low}").format(low=low)
                if low
                else _(" of at most {high}").format(high=high)
            )
        return f"{text} ({self.unit})" if self.unit else text

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None, self.finding(value)
        if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
            reason = _(
                ", beyond {max_exact_integer}, up to which a double holds each whole number"
            ).format(max_exact_integer=MAX_EXACT_INTEGER)
            return None, self.finding(value, Code.NOT_FINITE, reason)
        number = float(value)
        if not math.isfinite(number):
            return None, Finding(
                Code.NOT_FINITE,
                _("is not a finite double: send {expected}").format(expected=self.expected()),
            )
        if self.integer and not number.is_integer():
            return None, self.finding(value)
        if abs(number) > self._most:
            reason = _(", beyond {most:g}, which is the most that this model takes").format(
                most=self._most
            )
            return None, self.finding(value, Code.OUT_OF_RANGE, reason)
        if (self.minimum is not None and number < self.minimum) or (
            self.maximum is not None and number > self.maximum
        ):
            finding = self.finding(value, Code.OUT_OF_RANGE, _(", out of range"), self.out_of_range)
            return (None if finding.is_refused else number), finding
        return number, None

    def to_value(self, clean: Any) -> Any:
        return int(clean) if self.integer and clean == clean else super().to_value(clean)

    def from_text(self, text: str) -> Any:
        # Digits, point and exponent as in JSON.
        if not _NUMBER.fullmatch(text):
            return text
        return int(text) if text.lstrip("-").isdecimal() else float(text)

    def json_value(self, clean: Any) -> Any:
        value = super().json_value(clean)
        return int(value) if self.integer and value is not None else value

    @property
    def json_type(self) -> Any:
        limits = Meta(
            ge=min(max(self._low, -LARGEST_PLAIN), LARGEST_PLAIN),
            le=max(min(self._high, LARGEST_PLAIN), -LARGEST_PLAIN),
            multiple_of=1 if self.integer else None,
        )
        return Annotated[float, limits]

    def are_plain(self, numbers: np.ndarray) -> bool:
        return bool(
            (np.abs(numbers) < MAX_EXACT_INTEGER).all()  # NaN is not
            and ((numbers >= self._low) & (numbers <= self._high)).all()
            and not (self.integer and (numbers % 1).any())
        )

    @property
    def datatype(self) -> str:
        # Whole numbers with gaps come as doubles: NaN stands for a gap.
        return "INT64" if self.integer and self.missing == "refuse" else "FP64"

    def json_schema(self) -> dict[str, Any]:
        kind = {"type": "integer" if self.integer else "number"}
        ends = zip(("minimum", "maximum"), self.clean_range(), strict=True)
        return kind | {key: end for key, end in ends if math.isfinite(end)}

    def usual(self) -> str:
        if self.out_of_range == "refuse":
            return ""
        ends = {"from": self.minimum, "to": self.maximum}
        texts = [f" {word} {end}" for word, end in ends.items() if end is not None]
        return "expected" + "".join(texts) if texts else ""

    def noun(self) -> str:
        return _("whole number") if self.integer else _("number")

    def limits(self) -> str:
        low, high = self.minimum, self.maximum
        if low is None or high is None:
            if low is high:
                return ""
            least, most = _("at least {low}").format(low=low), _("at most {high}").format(high=high)
            return most if low is None else least
        return _("{low} to {high}").format(low=low, high=high)

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if wrong_attributes(self).keys() & {"minimum", "maximum", "integer"}:
            return problems
        low, high = f"minimum {written(self.minimum)}", f"maximum {written(self.maximum)}"
        if self._low > self._high:
            problems.append(_("{low} is above {high}: exchange them").format(low=low, high=high))
        elif self.integer and math.isfinite(self._low) and math.ceil(self._low) > self._high:
            problems.append(
                _("no whole number is between {low} and {high}: widen the range").format(
                    low=low, high=high
                )
            )
        return problems

    def draw(self, generator: np.random.Generator) -> float:
        low, high = self._drawn_range()
        value = float(generator.uniform(low, high))
        if self.out_of_range == "accept" and generator.random() < UNUSUAL:
            value += high - low if self.maximum is not None else low - high
            value = min(max(value, -self._most), self._most)
        if self.integer:
            return round(value)
        short = float(f"{value:.6g}")
        return short if low <= short <= high else value

    def _drawn_range(self) -> tuple[float, float]:
        """Return the range to draw from; an end that is not declared lies beyond the example."""
        example = float(self.example)
        reach = max(1.0, abs(example))
        low = example - reach if self.minimum is None else self.minimum
        high = example + reach if self.maximum is None else self.maximum
        most = min(self._most, _LARGEST_DRAWN)
        low, high = max(low, -most), min(high, most)
        if self.integer:
            low, high = math.ceil(low), math.floor(high)
        return (low, high) if low <= high else (example, example)

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        """Return the middles between neighbouring values, where trees split, and the ends.

        An export may compute in single precision, so the nearest singles and
        doubles on both sides of a middle are there, too.
        """
        seen = np.array(super().turning_points(values, generator), dtype=np.float64)
        middles = (seen[1:] + seen[:-1]) / 2
        if len(middles) > _MOST_MIDDLES:
            middles = np.sort(generator.choice(middles, _MOST_MIDDLES, replace=False))
        ends = [end for end in (self.minimum, self.maximum) if end is not None]
        ends_seen = np.array([*seen[:1], *seen[-1:], *ends], dtype=np.float64)
        points = np.concatenate([self.near(middles), self._accepted(ends_seen)])
        if self.out_of_range == "accept":
            size = max(1.0, float(np.abs(points).max()))
            points = np.append(points, [-1e3 * size, 1e3 * size])
        return list(points.tolist())

    def span(self, values: np.ndarray) -> tuple[float, float] | None:
        seen = values[np.isfinite(values)]
        if not len(seen):
            return None
        is_open = self.out_of_range == "accept"
        low = float(seen.min()) if is_open or self.minimum is None else float(self.minimum)
        high = float(seen.max()) if is_open or self.maximum is None else float(self.maximum)
        return low, high

    def near(self, values: np.ndarray) -> np.ndarray:
        near = [np.floor(values), np.ceil(values)] if self.integer else _neighbours(values)
        return self._accepted(np.concatenate(near))

    def extremes(self) -> list[float]:
        sizes = np.array([1e15, 1e30, 1e37, 1e38, 1e39, 1e100, 1e150, 1e200, 1e300, _LARGEST])
        sizes = np.append(sizes[sizes < self._most], min(self._most, _LARGEST))
        is_open = self.out_of_range == "accept"
        low, high = (is_open or end is None for end in (self.minimum, self.maximum))
        points = np.concatenate([-sizes if low else sizes[:0], sizes if high else sizes[:0]])
        return list(self._accepted(points).tolist())

    def with_limit(self, limit: float) -> "Number":
        return replace(self, limit=limit)

    def _accepted(self, points: np.ndarray) -> np.ndarray:
        low, high = self.clean_range()
        return points[(points >= low) & (points <= high)]

    def clean_range(self) -> tuple[float, float]:
        is_open = self.out_of_range == "accept"
        return (-self._most, self._most) if is_open else (self._low, self._high)

    def usual_range(self) -> tuple[float, float]:
        return self._low, self._high


def _neighbours(numbers: np.ndarray) -> list[np.ndarray]:
    """Return numbers with the doubles and the singles next to them."""
    singles = numbers.astype(np.float32)
    return [
        numbers,
        np.nextafter(numbers, -np.inf),
        np.nextafter(numbers, np.inf),
        np.nextafter(singles, np.float32(-np.inf)).astype(np.float64),
        singles.astype(np.float64),
        np.nextafter(singles, np.float32(np.inf)).astype(np.float64),
    ]
