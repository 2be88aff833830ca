"""Dates are read strictly: one text has one meaning, or is refused."""

# ruff: noqa: DTZ001  wall clocks have no zone

import json
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.schema.fields import Date, DateTime, Field
from engine.schema.problem_codes import Code


def day(**words: Any) -> Date:
    return Date(**{"name": "sold", "example": "2024-05-17", **words})


def moment(**words: Any) -> DateTime:
    return DateTime(**{"name": "paid", "example": "2024-05-17", **words})


def seconds(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(("field", "text", "expected"), [
    (day(), "1970-01-01", (1970, 1, 1)),
    (day(), "0001-01-01", (1, 1, 1)),
    (day(), "9999-12-31", (9999, 12, 31)),
    (day(), "2024-02-29", (2024, 2, 29)),
    (day(), "2024-05-17T00:00:00.000", (2024, 5, 17)),
    (day(formats=("%d/%m/%Y",)), "7/5/2024", (2024, 5, 7)),
    (day(formats=("%d/%m/%Y",)), "2024-05-07", (2024, 5, 7)),
    (day(formats=("%d%m%Y",)), "07052024", (2024, 5, 7)),
    (day(formats=("%d %B %Y",)), "7 may 2024", (2024, 5, 7)),
    (day(formats=("%d-%b-%y",)), "07-MAY-69", (1969, 5, 7)),
    (moment(), "2024-05-17", (2024, 5, 17)),
    (moment(), "1969-12-31T23:59:59.9", (1969, 12, 31, 23, 59, 59)),
    (moment(), "2024-05-17T10:30:00+05:30", (2024, 5, 17, 5)),
    (moment(), "2024-05-17 10:30Z", (2024, 5, 17, 10, 30)),
    (moment(zone="America/Santiago"), "2024-05-17T10:30:00Z", (2024, 5, 17, 6, 30)),
    (moment(zone="America/Santiago"), "2024-05-17T10:30:00", (2024, 5, 17, 10, 30)),
    # This hour comes twice: the wall clock shows the same.
    (moment(zone="America/Santiago"), "2024-04-06T23:30:00", (2024, 4, 6, 23, 30)),
    (moment(zone="America/Santiago"), "0001-01-01", (1, 1, 1)),
    (moment(zone="America/Santiago"), "9999-12-31T23:59:59", (9999, 12, 31, 23, 59, 59)),
    (moment(formats=("%m/%d/%y %I:%M %p",)), "5/17/24 12:05 am", (2024, 5, 17, 0, 5)),
    (moment(formats=("%Y%m%d%H%M%S%z",)), "20240517103000-0100", (2024, 5, 17, 11, 30)),
])  # fmt: skip
def test_date_when_valid_is_seconds_of_the_wall_clock(
    field: Date, text: str, expected: tuple[int, ...]
) -> None:
    assert (seconds(*expected), None) == field.read(text)


@pytest.mark.parametrize(("field", "value", "reason"), [
    (day(), "2023-02-29", "which no calendar or clock shows"),
    (day(), "2024-02-30", "which no calendar or clock shows"),
    (day(), "0000-01-01", "which no calendar or clock shows"),
    (day(), "10000-01-01", "is '10000-01-01': send a date as 2024-05-17"),
    (day(), " 2024-05-17", "is ' 2024-05-17': send"),
    (day(), "2024-5-17", "is '2024-5-17': send"),
    (day(), "20240517", "is '20240517': send"),
    (day(), "٢٠٢٤-05-17", "send a date as 2024-05-17"),
    (day(), 20240517, "is 20240517: send a date as 2024-05-17"),
    (day(), 1715904000.0, "send a date as 2024-05-17"),
    (day(), True, "is true: send"),
    (day(), ["2024-05-17"], "is a list: send"),
    (day(), "2024-05-17T10:00:00", "which has a time of day or an offset: send a date as 2024-"),
    (day(), "2024-05-17T00:00:00Z", "which has a time of day"),
    (day(formats=("%d%m%Y",)), "7052024", "is '7052024': send"),
    (day(formats=("%d/%m/%Y",)), "१७/05/2024", "send a date as"),
    (day(formats=("%d/%m/%Y",)), "05/17/2024", "as 2024-05-17 or 17/05/2024"),
    (moment(), "2024-05-17T24:00:00", "is '2024-05-17T24:00:00': send a date and time as"),
    (moment(), "2024-05-17T10:00:60", "which no calendar or clock shows"),
    (moment(), "2024-05-17T10:00+24:00", "+24:00': send a date and time as"),
    (moment(), "2024-05-17T10:00+05:75", "+05:75': send a date and time as"),
    (moment(formats=("%d/%m/%Y%z",)), "1/2/2024+05:75", "+05:75': send a date and time as"),
    (moment(), "0001-01-01T00:00+01:00", "which no calendar or clock shows"),
    (moment(zone="Asia/Tokyo"), "9999-12-31T23:00Z", "which no calendar or clock shows"),
    (moment(zone="America/Santiago"), "2024-09-08T00:30", "a time that the clocks of America/"),
    (moment(formats=("%d/%m/%Y %I %p",)), "1/2/2024 13 pm", "which has no hour from 1 to 12"),
])  # fmt: skip
def test_date_when_not_valid_is_refused_with_the_reason(
    field: Date, value: Any, reason: str
) -> None:
    clean, finding = field.read(value)

    assert None is clean and finding is not None and finding.is_refused
    assert Code.WRONG_TYPE == finding.code and reason in finding.detail


def test_date_when_out_of_range_is_refused_or_accepted() -> None:
    text = {"minimum": "2020-01-01", "maximum": "2024-12-31"}

    for value, is_inside in [("2020-01-01", 1), ("2024-12-31", 1), ("2019-12-31", 0)]:
        assert bool(is_inside) is (day(**text).read(value)[1] is None)
    clean, finding = day(**text, out_of_range="accept").read("2025-01-01")
    assert seconds(2025, 1, 1) == clean
    assert finding and not finding.is_refused and Code.OUT_OF_RANGE == finding.code


@pytest.mark.parametrize(("cell", "expected"), [
    (date(2024, 5, 17), (2024, 5, 17)),
    (datetime(2024, 5, 17), (2024, 5, 17)),
    (pd.Timestamp("2024-05-17"), (2024, 5, 17)),
    ("17.05.2024", (2024, 5, 17)),
    (17052024, (2024, 5, 17)),
    (17052024.0, (2024, 5, 17)),
    (pd.NaT, None), (None, None), ("", None), ("NA", None), (float("nan"), None),
])  # fmt: skip
def test_cell_when_a_date_or_a_gap_is_read(cell: Any, expected: Any) -> None:
    field = day(formats=("%d.%m.%Y", "%d%m%Y"), missing="accept")

    clean, finding = field.read(field.from_cell(cell))

    assert None is finding
    assert np.isnan(clean) if expected is None else seconds(*expected) == clean


@pytest.mark.parametrize(("cell", "expected"), [
    (pd.Timestamp("2024-05-17 10:30:00.123456789"), (2024, 5, 17, 10, 30)),
    (pd.Timestamp("2024-05-17 10:30", tz="America/Santiago"), (2024, 5, 17, 14, 30)),
    (datetime(2024, 5, 17, 10, 30, tzinfo=UTC), (2024, 5, 17, 10, 30)),
])  # fmt: skip
def test_cell_when_a_time_is_read_with_its_offset(cell: Any, expected: tuple[int, ...]) -> None:
    field = moment()

    assert (seconds(*expected), None) == field.read(field.from_cell(cell))
    assert field.read(field.from_cell(time(10, 30)))[1]


@pytest.mark.parametrize(("field", "problem"), [
    (day(formats=("%d/%m/%Y", "%m/%d/%Y")), "formats '%d/%m/%Y' and '%m/%d/%Y' read "),
    (day(formats=("%Y-%d-%m",)), "formats '%Y-%m-%d' and '%Y-%d-%m' read "),
    (day(formats=("%Y%m%d", "%d%m%Y")), "formats '%Y%m%d' and '%d%m%Y' read "),
    (day(formats=("%d/%m",)), "format '%d/%m' is not of one year, one month and one day"),
    (day(formats=("%d/%m/%Y %d",)), "is not of one year, one month and one day"),
    (day(formats=("%d/%m/%Y %H",)), "has a time of day: make the field a DateTime"),
    (day(formats=("%j %Y",)), "format '%j %Y' has %j: the codes are %Y "),
    (day(formats=("%d/%m/%Y 5%",)), "has %: the codes are"),
    (day(formats=(5,)), "format 5 is not text: give codes of strptime"),
    (day(formats="%d/%m/%Y"), "formats is '%d/%m/%Y': give a tuple"),
    (moment(formats=("%d/%m/%Y %M",)), "is not of one time of day: give the hour"),
    (moment(formats=("%d/%m/%Y %I",)), "is not of one time of day"),
    (day(minimum="17/05/2024"), "minimum is '17/05/2024': give a date of ISO 8601"),
    (day(minimum=date(2024, 5, 17)), "minimum is datetime.date(2024, 5, 17): give text"),
    (day(example=date(2024, 5, 17)), "the example is datetime.date(2024, 5, 17): give a date"),
    (day(minimum="2025-01-01", maximum="2024-01-01"), "give a date as 2024-05-17, from 2025-"),
    (moment(zone="Santiago"), "zone is 'Santiago': give a name of the IANA database"),
    (moment(zone="America"), "zone is 'America': give a name of the IANA database"),
    (moment(zone="../UTC"), "zone is '../UTC': give a name of the IANA database"),
    (moment(zone=None), "zone is None: give text"),
])  # fmt: skip
def test_date_when_it_contradicts_itself_is_refused(field: Date, problem: str) -> None:
    (line,) = field.contradictions()

    assert problem in line


@pytest.mark.parametrize("field", [
    day(), day(formats=("%d/%m/%Y", "%d/%m/%y", "%b %d, %Y"), minimum="1999-01-01"),
    moment(zone="America/Santiago", formats=("%d/%m/%Y %H:%M",), out_of_range="accept"),
])  # fmt: skip
def test_date_when_it_goes_through_a_card_is_the_same(field: Date) -> None:
    assert [] == field.contradictions()
    assert field == Field.from_json(json.loads(json.dumps(field.to_json())))


def test_date_when_the_target_is_refused() -> None:
    assert "the target cannot be a date" in day().target_contradictions()[0]


@pytest.mark.parametrize("field", [
    day(minimum="2020-01-01"), day(missing="accept"),
    moment(zone="America/Santiago", maximum="2024-10-01", out_of_range="accept"),
])  # fmt: skip
def test_date_when_made_up_is_accepted_and_whole(field: Date) -> None:
    draw = np.random.default_rng(0)
    real = np.array([seconds(2020, 1, 1), seconds(2020, 1, 4), np.nan])
    step = 1 if isinstance(field, DateTime) else 86_400

    texts = [field.draw(draw) for _ in range(200)]
    points = [*field.turning_points(real, draw), *field.near(real[:2] + 0.5)]

    assert not any(finding and finding.is_refused for _, finding in map(field.read, texts))
    assert points and not any(point % step for point in points)
    assert field.label(real[0] + 0.5).startswith("2020-01-01")
    span = field.span(real)
    assert span is not None and seconds(2020, 1, 1) == span[0]


def test_date_when_made_up_in_an_hour_that_clocks_skip_is_the_example() -> None:
    ends = {"minimum": "2024-03-31T01:30", "maximum": "2024-03-31T03:30"}
    field = moment(zone="Europe/Berlin", example="2024-03-31T01:30", **ends)
    draw = np.random.default_rng(0)

    texts = [field.draw(draw) for _ in range(50)]

    assert field.example in texts and len({*texts}) > 10
    assert not any(finding for _, finding in map(field.read, texts))
