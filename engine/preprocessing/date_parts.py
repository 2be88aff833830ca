"""The parts of dates that a model learns from."""

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from engine.schema import DateTime

Part = Literal[
    "year", "month", "day", "weekday", "hour", "month_cycle", "weekday_cycle", "hour_cycle", "age"
]

#: How many values the part of a cycle has.
CYCLES = {"month_cycle": 12, "weekday_cycle": 7, "hour_cycle": 24}

#: The seconds of a day.
DAY = 86_400
#: The seconds from 1970 of the years that dates have, and one beyond.
FIRST, END = -62_135_596_800.0, 253_402_300_800.0


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn dates, as `Date` and `DateTime` give them to a pipeline, into numbers.

    Parameters
    ----------
    parts : tuple of str
        In this order, for each column: ``year``, ``month`` (1 to 12), ``day`` (1 to 31),
        ``weekday`` (Monday is 0) and ``hour``; ``month_cycle``, ``weekday_cycle`` and
        ``hour_cycle``, each a sine and a cosine; ``age``, the days since `since`.
    since : str
        A date of ISO 8601, or the name of another column of dates, which has no age itself.

    Notes
    -----
    A gap has no part: all of them are NaN.

    Examples
    --------
    >>> DateParts(parts=("year", "weekday")).fit_transform([[0.0], [951_782_400.0]])
    array([[1970.,    3.],
           [2000.,    1.]])
    """

    def __init__(
        self, parts: tuple[Part, ...] = ("year", "month", "weekday"), since: str = ""
    ) -> None:
        self.parts = parts
        self.since = since

    def fit(self, X: Any, y: Any = None) -> "DateParts":
        """Check the parts, and find what ages are counted from."""
        names = [str(name) for name in getattr(X, "columns", ())]
        known = Part.__args__  # type: ignore[attr-defined]
        if unknown := [part for part in self.parts if part not in known]:
            raise ValueError(f"the part {unknown[0]!r} is not one of {', '.join(known)}")
        if ("age" in self.parts) != bool(self.since):
            raise ValueError("the part 'age' needs `since`, and nothing else does")
        self.n_features_in_ = np.shape(X)[1]
        self.feature_names_in_ = np.array(
            names or [f"x{place}" for place in range(self.n_features_in_)], dtype=object
        )
        #: The place of the column that ages are counted from, or -1 and the seconds.
        self.since_place_ = names.index(self.since) if self.since in names else -1
        self.since_seconds_ = 0.0
        if self.since and self.since_place_ < 0:
            self.since_seconds_ = _seconds(self.since, names)
        # Stored with the model: a sine may have other last bits on another machine.
        self.cycles_ = {
            part: np.array([[wave(2 * np.pi * n / size) for wave in (np.sin, np.cos)]
                            for n in range(size)])
            for part, size in CYCLES.items() if part in self.parts
        }  # fmt: skip
        return self

    def transform(self, X: Any) -> Any:
        """Return the parts, of shape (n_rows, n_parts)."""
        check_is_fitted(self)
        dates = np.asarray(X, dtype=np.float64)
        seconds = np.where((dates >= FIRST) & (dates < END), dates, np.nan)
        start = seconds[:, self.since_place_] if self.since_place_ >= 0 else self.since_seconds_
        columns = []
        for place in range(self.n_features_in_):
            own: dict[str, Any] = {
                **_whole_parts(seconds[:, place]),
                "age": (seconds[:, place] - start) / DAY,
            }
            for part in self.parts_of(place):
                columns += self._waves(part, own) if part in self.cycles_ else [own[part]]
        return np.column_stack(columns)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return a name for each part, such as ``sold_year`` and ``sold_month_sine``."""
        check_is_fitted(self)
        names = self.feature_names_in_ if input_features is None else input_features
        return np.array([
            f"{name}_{part.removesuffix('_cycle')}{wave}"
            for place, name in enumerate(names)
            for part in self.parts_of(place)
            for wave in (("_sine", "_cosine") if part in CYCLES else ("",))
        ], dtype=object)  # fmt: skip

    def parts_of(self, place: int) -> list[Part]:
        """Return the parts of a column, by its place among those of the input."""
        return [part for part in self.parts if part != "age" or place != self.since_place_]

    def _waves(self, part: Part, own: dict[str, Any]) -> list[Any]:
        values = own[part.removesuffix("_cycle")]
        is_date = np.isfinite(values)
        first = 1 if part == "month_cycle" else 0
        waves = self.cycles_[part][np.where(is_date, values, first).astype(np.intp) - first]
        return [*np.where(is_date, waves.T, np.nan)]


def _whole_parts(seconds: Any) -> dict[str, Any]:
    is_date = np.isfinite(seconds)
    whole = np.floor(np.where(is_date, seconds, 0.0)).astype(np.int64)
    days = whole // DAY
    moments = whole.astype("datetime64[s]")
    months = moments.astype("datetime64[M]")
    parts = {
        "year": months.astype(np.int64) // 12 + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": days - months.astype("datetime64[D]").astype(np.int64) + 1,
        "weekday": (days + 3) % 7,  # 1970 began on a Thursday
        "hour": whole % DAY // 3600,
    }
    return {part: np.where(is_date, values, np.nan) for part, values in parts.items()}


def _seconds(since: str, names: list[str]) -> float:
    seconds, finding = DateTime(name="since", example=since).read(since)
    if finding:
        columns = f" {', '.join(names)}" if names else ", which the input does not name"
        remedy = f"give a date as 2024-05-17, or one of the columns{columns}"
        raise ValueError(f"since is {since!r}: {remedy}")
    return float(seconds)
