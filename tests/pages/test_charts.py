"""Charts: their axes have round ticks, and their paths are where the numbers are."""

import re
from itertools import pairwise

import pytest

from engine.languages import choose
from engine.pages.charts import HEIGHT, bars, chart, line, scale, whiskers
from engine.pages.window import Window, read_window

NOW = 1_767_225_600 + 3700  # 2026-01-01T01:01:40Z
HOUR = NOW // 3600


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0, 287], ["0", "100", "200", "300"]),
        ([3, 4], ["0", "1", "2", "3", "4"]),
        ([0, 0], ["0", "0.5", "1"]),
        ([120_000], ["0", "50,000", "100,000", "150,000"]),
        ([0.0013], ["0", "0.0005", "0.001", "0.0015"]),
    ],
)
def test_axis_when_from_zero_has_round_ticks(values: list[float], texts: list[str]) -> None:
    ticks = scale(values).ticks()

    assert texts == [text for _, text in ticks]
    assert [HEIGHT, 0] == [ticks[0][0], ticks[-1][0]]


@pytest.mark.parametrize("values", [[0.91, 0.93], [-5.0, 12.0], [7.0], [1e-9, 2e-9], [1e12]])
def test_axis_when_not_from_zero_has_all_values_between_its_ends(values: list[float]) -> None:
    axis = scale(values, from_zero=False)

    assert all(0 <= axis.y(value) <= HEIGHT for value in values)
    assert 2 <= len(axis.ticks()) <= 7


def test_bars_when_read_back_have_the_heights_of_their_numbers() -> None:
    columns = [[2, 0, 1], [1, 3, 0]]
    axis = scale([3, 3, 1])

    paths = bars(columns, axis)

    heights = [
        [(float(bottom) - float(top)) * 3 / HEIGHT
         for bottom, top in re.findall(r" ([\d.]+)h[\d.]+V([\d.]+)h", path)]
        for path in paths
    ]  # fmt: skip
    assert [[2, 1], [1, 3]] == [[round(height, 1) for height in part] for part in heights]
    assert paths[1].startswith("M23.3 53.3")  # on top of the first one, which is 2 of 3


def test_line_when_a_period_has_no_value_is_broken() -> None:
    axis = scale([0, 4])

    assert "M100.0 160.0L300.0 80.0M650.0 0.0h100.0" == line([0, 2, None, 4, None], axis)
    assert "M100.0 160.0V0.0" == whiskers([0, None, 1, None, None], [4, None, None, 1, None], axis)


def test_chart_when_described_has_rows_of_periods_with_numbers_and_few_labels() -> None:
    window, _ = read_window({"window": "7d"}, NOW)
    totals = [0] * 165 + [3, 0, 12]

    part = chart("k", "T", "S", window, axis=scale(totals), paths=[], heads=["n"], columns=[totals])

    assert [("2025-12-31 23:00", ("3",)), ("2026-01-01 01:00", ("12",))] == part["rows"]
    assert 7 == len(part["times"])
    gaps = [after - before for (before, _), (after, _) in pairwise(part["times"])]
    assert [pytest.approx(100 / 7)] * 6 == gaps


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Window(HOUR - 23, HOUR + 1, 1, "24h")),
        ({"window": "7d"}, Window(HOUR + 1 - 168, HOUR + 1, 1, "7d")),
        ({"window": "30d"}, Window((HOUR // 24 - 29) * 24, (HOUR // 24 + 1) * 24, 24, "30d")),
        ({"from": "2025-12-30", "to": "2025-12-31"},
         Window((HOUR // 24 - 2) * 24, HOUR // 24 * 24, 1)),
        ({"from": "2025-01-01", "to": "2026-01-01"},
         Window((HOUR // 24 - 365) * 24, (HOUR // 24 + 1) * 24, 24)),
    ],
)  # fmt: skip
def test_window_when_chosen_is_that_time(query: dict[str, str], expected: Window) -> None:
    assert (expected, "") == read_window(query, NOW)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"window": "1h"}, "The window is '1h': choose one of 24h, 7d, 30d, 90d."),
        ({"from": "2025-12-30"}, "The day '' is not a date"),
        ({"from": "2025-02-30", "to": "2025-12-31"}, "The day '2025-02-30' is not a date"),
        ({"from": "20251230", "to": "2025-12-31"}, "The day '20251230' is not a date"),
        ({"from": "1969-12-31", "to": "2025-12-31"}, "The day '1969-12-31' is not a date"),
        ({"from": "2025-12-31", "to": "2025-12-30"}, "exchange them"),
        ({"from": "2025-01-01", "to": "2026-01-02"}, "These are 367 days: choose 366 at most."),
    ],
)
def test_window_when_not_valid_says_what_is_wrong(query: dict[str, str], words: str) -> None:
    window, problem = read_window(query, NOW)

    assert words in problem
    assert 24 == window.size


def test_labels_when_in_portuguese_are_dates_as_people_write_them() -> None:
    window, _ = read_window({"window": "30d"}, NOW)

    choose("pt-BR")
    try:
        labels, short = window.labels(), window.labels(is_short=True)
    finally:
        choose("en")

    assert ("01/01/2026", "01/01") == (labels[-1], short[-1])
    assert ("2026-01-01", "01-01") == (window.labels()[-1], window.labels(is_short=True)[-1])
    day, _ = read_window({}, NOW)
    assert ("2026-01-01 01:00", "01:00") == (day.labels()[-1], day.labels(is_short=True)[-1])
