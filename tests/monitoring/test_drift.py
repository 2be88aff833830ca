"""Which fields are reported as shifted: the right ones, and no others."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from engine.monitoring.drift import FEWEST_ROWS, Report, compare
from engine.runtime.reference import FieldReference
from engine.schema import Date, Number, Text
from engine.schema.fields import UNKNOWN
from tests.support.drift_trials import (
    Made,
    card_of,
    false_alarms,
    numbers,
    powers,
    reference_of,
    trial,
    twenty,
    window_of,
    words,
)

FEW = [
    numbers("age", lambda rows, draw: draw.normal(40, 10, rows), gaps=0.02),
    words("home", 3, unknown=0.01),
]


def of(name: str, report: Report) -> set[str]:
    return {each.what for each in report.comparisons if each.field == name and each.is_shifted}


def compared(*shifted: Made, rows: int = 1000) -> Report:
    """Compare a window in which some of the few fields are others."""
    names = {made.field.name: made for made in (*FEW, *shifted)}
    return trial(FEW, [*names.values()], 5000, rows, np.random.default_rng(1))


def test_report_when_nothing_moves_says_so() -> None:
    report = compared()

    assert ("none", "no shift", []) == (report.verdict, report.reason, report.shifted)
    assert {"age", "home", "(answer)", "(probability)"} == {e.field for e in report.comparisons}


@pytest.mark.parametrize(
    ("shifted", "what"),
    [
        (numbers("age", lambda rows, draw: draw.normal(45, 10, rows), gaps=0.02), "values"),
        (numbers("age", lambda rows, draw: draw.normal(40, 10, rows), gaps=0.08), "gaps"),
        (words("home", 3, unknown=0.06), "unknown"),
        (numbers("age", lambda rows, draw: np.where(draw.random(rows) < 0.05, 4000,
                                                    draw.normal(40, 10, rows))), "beyond"),
    ],
)  # fmt: skip
def test_report_when_one_field_moves_names_it_alone(shifted: Made, what: str) -> None:
    report = compared(shifted)

    assert [shifted.field.name] == report.shifted
    assert {what} == of(shifted.field.name, report)
    assert f"shifted: {shifted.field.name}" == report.reason


def test_report_when_all_words_are_unknown_names_the_field() -> None:
    def strange(rows: int, draw: np.random.Generator) -> np.ndarray:
        return np.full(rows, UNKNOWN, object)

    assert ["home"] == compared(replace(FEW[1], make=strange)).shifted


def test_report_when_the_difference_is_sure_and_small_names_nothing() -> None:
    shifted = numbers("age", lambda rows, draw: draw.normal(41.5, 10, rows), gaps=0.02)

    report = compared(shifted, rows=50_000)

    (values,) = (e for e in report.comparisons if (e.field, e.what) == ("age", "values"))
    assert values.p < 1e-3
    assert [] == report.shifted


def test_report_when_there_are_few_rows_says_how_many() -> None:
    report = compared(rows=FEWEST_ROWS - 1)

    assert ("unknown", "not enough yet: 99 of 100 rows") == (report.verdict, report.reason)
    assert [] == report.comparisons


def test_report_when_the_version_is_old_says_so() -> None:
    draw = np.random.default_rng(0)

    report = compare(card_of(FEW), None, window_of(FEW, 300, draw))

    assert "unknown" == report.verdict
    assert "train it again" in report.reason


def test_report_when_a_field_is_private_leaves_it_out() -> None:
    draw = np.random.default_rng(0)
    reference = reference_of(FEW, 1000, draw)
    reference.fields.pop("age")

    report = compare(card_of(FEW), reference, window_of(FEW, 300, draw))

    assert "age" not in {each.field for each in report.comparisons}


@pytest.mark.parametrize("value", [np.nan, 3.0])
def test_report_when_a_column_is_empty_or_constant_is_no_error(value: float) -> None:
    report = compared(numbers("age", lambda rows, draw: np.full(rows, value)))

    assert ["age"] == report.shifted


def test_report_when_time_passes_does_not_count_its_dates() -> None:
    def days(first: int) -> Made:
        field = Date(name="day", example="2024-05-17", missing="accept", maximum="2029-01-01",
                     out_of_range="accept")  # fmt: skip
        return Made(field, lambda rows, draw: draw.integers(first, first + 300, rows) * 86_400.0)

    later, beyond_the_range = (
        trial([days(19_000)], [days(first)], 5000, 1000, np.random.default_rng(1))
        for first in (19_300, 21_500)
    )

    assert ([], 1) == (later.shifted, later.comparisons[0].size)
    assert {"outside"} == of("day", beyond_the_range)


HUGE = Number(name="x", example=1, missing="accept")
ODD = [
    Made(HUGE, lambda rows, draw: draw.standard_cauchy(rows)),
    Made(HUGE, lambda rows, draw: draw.standard_cauchy(rows) * 1e-310),
    Made(HUGE, lambda rows, draw: draw.normal(size=rows) * 1e300),
    Made(HUGE, lambda rows, draw: np.full(rows, np.nan)),
    Made(HUGE, lambda rows, draw: np.full(rows, 5.0)),
    Made(HUGE, lambda rows, draw: np.where(draw.random(rows) < 0.05, np.inf, 1.0)),
    Made(HUGE, lambda rows, draw: draw.choice([-1.7e308, 0.0, 1.7e308], rows)),
    words("x", 3, unknown=1.0), words("x", 3, gaps=1.0), words("x", 3, shares=(998, 1, 1)),
    Made(Text(name="x", example="a"), lambda rows, draw: draw.choice(np.array(["a", "bc"]), rows)),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.filterwarnings("error")
def test_report_when_odd_values_do_not_move_is_none(odd: Made) -> None:
    assert "none" == trial([odd], [odd], 1000, 500, np.random.default_rng(4)).verdict


@pytest.mark.parametrize("decimals", [None, 0])
def test_numbers_when_rounded_or_not_are_compared_by_the_step_of_the_version(
    decimals: int | None,
) -> None:
    draw = np.random.default_rng(2)
    reference = reference_of(FEW, 1000, draw)
    window = window_of(FEW, 500, draw)
    sample = [float(round(x, decimals)) if decimals == 0 else x
              for x in draw.normal(40, 10, 1000).tolist()]  # fmt: skip
    reference.fields["age"] = FieldReference(sorted(sample), decimals)

    values = compare(card_of(FEW), reference, window).comparisons[0]

    numbers = [float(round(x)) if decimals == 0 else x for x in window.columns["age"] if x == x]
    assert stats.ks_2samp(sample, numbers).statistic == pytest.approx(values.size, abs=1e-9)


def test_reports_when_nothing_moves_are_seldom_wrong() -> None:
    # The tables of docs/explanation/drift.md have thousands.
    shown = false_alarms(1000, 200, trials=12)[:, 0]

    assert shown.sum() <= 1


@pytest.mark.slow
def test_reports_when_something_moves_find_it_as_often_as_stated() -> None:
    assert len(twenty()) == 20
    assert min(powers(5000, 1000, trials=5).values()) >= 0.8
