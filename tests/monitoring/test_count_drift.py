"""Drift by counts: a field that has moved is named, no other, and none by few rows."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from engine.monitoring.count_drift import FieldShift, shifts
from engine.monitoring.statistics import psi
from engine.schema.fields import MISSING, UNKNOWN, Category, Date, Flag, Number

AGE = Number(name="age", example=3)
JOB = Category(name="job", categories=("a", "b", "c"), example="a", unknown="accept")
DAY = Date(name="day", example="2026-01-01")
EDGES = [10.0, 20.0, 30.0]
REFERENCE: dict[str, Any] = {
    "age": {"edges": EDGES, "counts": [250, 250, 250, 240], "missing": 10},
    "job": {"counts": {"a": 600, "b": 390, "c": 5}, "missing": 0, "unknown": 5},
    "day": {"edges": [0.0, 86400.0], "counts": [400, 300, 300], "missing": 0},
}


def compare(**counts: dict[str, int]) -> dict[str, FieldShift]:
    found = shifts([AGE, JOB, DAY], REFERENCE, counts)
    return {shift.field.name: shift for shift in found}


def test_field_when_it_has_moved_comes_first_with_the_index_of_its_bins() -> None:
    found = compare(
        age={"0": 25, "1": 25, "2": 25, "3": 120, MISSING: 5},
        job={"a": 120, "b": 78, "c": 1, UNKNOWN: 1}, day={"2": 200},
    )  # fmt: skip

    assert ["age", "day", "job"] == [*found]
    assert ["drift", "time", "none"] == [shift.verdict for shift in found.values()]
    expected = psi([250, 250, 250, 240, 10], [25, 25, 25, 120, 5])
    assert expected == pytest.approx(found["age"].psi, rel=0.05)  # gaps are rare, and pooled alone
    assert ["< 10", "10 to 20", "20 to 30", "≥ 30", MISSING] == found["age"].bins
    assert ["a", "b", "c", MISSING, UNKNOWN] == found["job"].bins
    assert (0.25, 0.125) == found["age"].pairs()[0]


def test_bins_of_a_flag_are_called_as_everywhere() -> None:
    entry = {"edges": [0.0, 1.0], "counts": [0, 80, 20], "missing": 3}

    (shift,) = shifts([Flag(name="late", example=True)], {"late": entry}, {"late": {"2": 7}})

    assert ["false", "true", MISSING] == shift.bins
    assert ([80, 20, 3], [0, 7, 0]) == (shift.reference, shift.window)


def test_fields_when_there_are_few_rows_are_unknown() -> None:
    found = compare(age={"3": 99}, job={"a": 1})

    assert {"unknown"} == {shift.verdict for shift in found.values()}
    assert "drift" == compare(age={"3": 100})["age"].verdict


@pytest.mark.parametrize("rows", [100, 1000])
def test_fields_when_nothing_has_moved_are_seldom_named(rows: int) -> None:
    generator, named = np.random.default_rng(0), 0
    trials = 400
    for _ in range(trials):
        counts = {}
        for name, entry in REFERENCE.items():
            words = name == "job"
            before = entry["counts"] if words else dict(enumerate(entry["counts"]))
            shares = np.array([*before.values(), entry["missing"], entry.get("unknown", 0)])
            # The reference is a sample, too: both are drawn from the same shares.
            drawn = generator.multinomial(rows, generator.dirichlet(shares + 0.01))
            names = [*map(str, before), MISSING, UNKNOWN]
            counts[name] = Counter(dict(zip(names, drawn.tolist(), strict=True)))
        named += any(shift.verdict in ("drift", "time") for shift in compare(**counts).values())

    assert named <= 0.02 * trials
