"""The units that a rate of requests takes, against sums made by hand."""

import sys

import pytest

from tests.support.project import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import scale


@pytest.mark.parametrize(
    ("cores", "each", "units"),
    [(1, 2, 1), (1.1, 2, 2), (4, 0.25, 32), (1, 1 / 16, 32)],
)
def test_units_have_twice_the_cores_rounded_up(cores: float, each: float, units: int) -> None:
    assert units == scale.units_for(cores, scale.Unit("a", "b", each, 512))


def test_cores_and_databases_are_those_of_a_small_example() -> None:
    # 2,000 requests of 500 microseconds are one second of CPU time per second.
    assert 1 == scale.cores_for(2_000, 500)
    # 1,000 are stored per second, so 2,001 take three; 1,000 microseconds for each.
    assert 3 == scale.databases_for(2_001, 1_000)
    assert 1_020 == scale.total_micros("20", 1_000)


def test_rows_say_which_units_have_too_little_memory() -> None:
    rows = {row[0]: row for row in scale.rows(40, 180, 300)}

    assert ["0.0625", "128", "576", "no"] == [*rows["Fly.io, shared-cpu-1x"][1:]]
    assert ["2", "4", "18", "yes"] == [*rows["Fly.io, performance-2x"][1:]]
