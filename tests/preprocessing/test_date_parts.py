"""The parts of dates are those of Python's calendar, and gaps stay gaps."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from skops.io import dumps

from engine.preprocessing.date_parts import DateParts
from engine.runtime.trusted_types import load_pipeline

ALL: Any = ("year", "month", "day", "weekday", "hour", "month_cycle", "weekday_cycle",
            "hour_cycle", "age")  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def expected(moment: datetime, since: datetime) -> list[float]:
    angles = [(moment.month - 1) / 12, moment.weekday() / 7, moment.hour / 24]
    waves = [wave(math.tau * angle) for angle in angles for wave in (math.sin, math.cos)]
    age = (moment - since) / timedelta(days=1)
    whole = [moment.year, moment.month, moment.day, moment.weekday(), moment.hour]
    return [*map(float, whole), *waves, age]


def test_parts_when_of_all_years_are_those_of_the_calendar() -> None:
    draw = np.random.default_rng(0)
    ends = [-62_135_596_800, 253_402_300_799, -1, 0, 951_782_400, -86_400]
    seconds = [*ends, *draw.integers(ends[0], ends[1], 2_000).tolist()]
    since = datetime(2000, 1, 1, tzinfo=UTC)

    parts = DateParts(parts=ALL, since="2000-01-01").fit_transform(np.array([seconds]).T)

    rows = [expected(EPOCH + timedelta(seconds=count), since) for count in seconds]
    np.testing.assert_allclose(parts, rows, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(parts[:, :5], np.array(rows)[:, :5])


def test_parts_when_there_is_no_date_are_nan() -> None:
    gaps = [[math.nan], [math.inf], [-math.inf], [1e300], [253_402_300_800.0], [-62_135_596_801.0]]

    assert np.isnan(DateParts(parts=ALL, since="2000-01-01").fit_transform(gaps)).all()


def test_age_when_since_another_column_is_between_them() -> None:
    X = pd.DataFrame({"born": [0.0, math.nan, 86_400.0], "sold": [172_800.0, 0.0, 129_600.0]})
    parts = DateParts(parts=("age", "day"), since="born").fit(X)

    assert ["born_day", "sold_age", "sold_day"] == list(parts.get_feature_names_out())
    np.testing.assert_array_equal(
        [[1, 2, 3], [math.nan, math.nan, 1], [2, 0.5, 2]], parts.transform(X)
    )


@pytest.mark.parametrize(("words", "problem"), [
    ({"parts": ("yaer",)}, "the part 'yaer' is not one of year, month"),
    ({"parts": ("age",)}, "the part 'age' needs `since`"),
    ({"parts": ("year",), "since": "2000-01-01"}, "the part 'age' needs `since`"),
    ({"parts": ("age",), "since": "born"}, "since is 'born': give a date as 2024-05-17, or one of"),
])  # fmt: skip
def test_parts_when_not_valid_are_refused(words: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        DateParts(**words).fit(pd.DataFrame({"sold": [0.0]}))


def test_parts_when_stored_are_trusted_and_the_same() -> None:
    X = pd.DataFrame({"sold": [0.0, 1e9]})
    fitted = clone(DateParts(parts=ALL, since="2000-01-01")).fit(X)

    loaded = load_pipeline(dumps(fitted), model="any")

    np.testing.assert_array_equal(fitted.transform(X), loaded.transform(X))
