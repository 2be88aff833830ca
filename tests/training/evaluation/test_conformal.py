"""Limits of answers: how often they hold for rows that nobody has seen, and for parts of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.cards.facts import uncertainty_text
from engine.runtime.coverage import Intervals, class_sets
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.conformal import calibrate

NUMBER: dict[str, Any] = {"classes": None, "schema": {"target": {"kind": "number", "name": "y"}}}
NUMBER["schema"]["target"]["example"] = 1.0


def numbers(draw: np.random.Generator, n: int, *, skew: float = 0.0) -> HeldOutAnswers:
    """Draw true values and answers, whose errors grow with the answers by the skew."""
    predicted = draw.uniform(0, 10, n)
    errors = draw.normal(0, 1, n) * (1 + skew * predicted)
    return HeldOutAnswers(predicted + errors, predicted)


def calibrated(judged: HeldOutAnswers, trained: HeldOutAnswers | None = None) -> dict[str, Any]:
    return calibrate(judged, trained, pd.DataFrame(index=range(len(judged.truth))), "y")


def covered(entry: dict[str, Any], fresh: HeldOutAnswers, coverage: float = 0.9) -> np.ndarray:
    low, high = Intervals({**NUMBER, "uncertainty": entry}, coverage).of_all(fresh.predicted).T
    return np.asarray((low <= fresh.truth) & (fresh.truth <= high))


def test_limits_when_few_rows_are_pooled_are_the_ranks_of_all_errors() -> None:
    judged = numbers(np.random.default_rng(1), 100)
    errors = sorted(judged.truth - judged.predicted)

    entry = calibrated(judged)

    # A tenth of 101 ranks are 10, of which 5 are left out at either end.
    assert [[errors[4], errors[95]]] * 5 == entry["limits"]["0.9"]
    assert np.all(np.diff([high for (_, high), *_ in entry["limits"].values()]) >= 0)


@pytest.mark.parametrize(("rows", "most"), [(3, "0.5"), (18, "0.89"), (38, "0.94"), (199, "0.99")])
def test_limits_when_rows_are_few_end_where_no_row_would_be_outside(rows: int, most: str) -> None:
    entry = calibrated(numbers(np.random.default_rng(2), rows))

    assert most == [*entry["limits"]][-1]
    assert (rows < 19) == ("too few for a coverage of 90%" in entry.get("remark", ""))


@pytest.mark.parametrize("rows", [199, 260, 600, 1200])
def test_limits_when_there_are_enough_rows_are_there_for_each_coverage(rows: int) -> None:
    judged = numbers(np.random.default_rng(2), rows, skew=2)

    entry = calibrated_quickly(judged, None)

    assert 50 == len(entry["limits"])
    lows, highs = np.array([*entry["limits"].values()]).transpose(2, 0, 1)
    assert (np.diff(lows, axis=0) <= 0).all()
    assert (np.diff(highs, axis=0) >= 0).all()


def test_intervals_when_most_answers_are_exact_have_no_width() -> None:
    predicted = np.arange(300) % 7.0
    errors = np.where(np.arange(300) % 60 == 0, 1.0, 0.0)

    for truth in (predicted, predicted + errors):
        entry = calibrated(HeldOutAnswers(truth, predicted))

        assert "remark" not in entry
        assert [[0, 0]] * 5 == entry["limits"]["0.9"]
        assert (truth == predicted).mean() == pytest.approx(entry["measured"]["mean"], abs=0.005)


@pytest.mark.parametrize("groups", [5, 20])
def test_coverage_when_rows_are_of_groups_is_measured_on_other_groups(groups: int) -> None:
    measured, fresh = [], []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        judged, keys = grouped(draw, groups)
        entry = calibrate(judged, None, pd.DataFrame(), "y", keys=keys)
        measured.append(entry["measured"]["mean"])
        fresh.append(covered(entry, grouped(draw, 100)[0]).mean())

    # A fifth of the groups is missing when the coverage is measured, so it is a bit lower.
    assert groups == 20 or np.mean(fresh) < 0.8
    assert np.mean(fresh) - 0.08 < np.mean(measured) < np.mean(fresh) + 0.02


def grouped(draw: np.random.Generator, groups: int) -> tuple[HeldOutAnswers, np.ndarray]:
    """Draw answers to 20 rows of each group, whose rows err alike; and the groups."""
    keys, predicted = np.repeat(np.arange(groups), 20), draw.normal(size=20 * groups)
    errors = draw.normal(0, 2, groups)[keys] + draw.normal(0, 0.5, len(keys))
    return HeldOutAnswers(predicted + errors, predicted), keys


@pytest.mark.parametrize("rows", [25, 60, 400])
def test_intervals_when_errors_grow_hold_for_small_and_large_answers(rows: int) -> None:
    draw = np.random.default_rng(3)
    hits = np.zeros((100, 5))
    for trial in hits:
        trained = numbers(draw, 300, skew=2) if rows < 400 else None  # then each bucket counts
        entry = calibrated_quickly(numbers(draw, rows, skew=2), trained)
        fresh = numbers(draw, 500, skew=2)
        fifths = np.minimum(fresh.predicted // 2, 4)
        trial[:] = [covered(entry, fresh)[fifths == each].mean() for each in range(5)]

    by_fifth = hits.mean(axis=0)
    n = 80 if rows == 400 else rows  # of a bucket, or of all
    assert 1 - (n + 1) // 10 / (n + 1) == pytest.approx(by_fifth.mean(), abs=0.01)
    # Errors are counted as shares of a mean, which is the better, the narrower the buckets.
    assert by_fifth == pytest.approx(by_fifth.mean(), abs=0.02 if rows == 400 else 0.05)


def calibrated_quickly(judged: HeldOutAnswers, trained: HeldOutAnswers | None) -> dict[str, Any]:
    """Calibrate without measuring the coverage, which takes longest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.training.evaluation.conformal.RESPLITS", 1)
        return calibrated(judged, trained)


def classes(draw: np.random.Generator, n: int, rare: float) -> HeldOutAnswers:
    """Draw rows of two classes, one of them rare, with probabilities that are not sure."""
    truth = draw.random(n) < rare
    margin = draw.normal(np.where(truth, 0, -2), 1)
    positive = 1 / (1 + np.exp(-margin))
    shares = np.stack([1 - positive, positive], axis=1)
    return HeldOutAnswers(truth, positive >= 0.5, shares, [False, True], True)


def test_sets_when_a_class_is_rare_hold_for_each_class() -> None:
    draw = np.random.default_rng(4)
    entry = calibrated(classes(draw, 4000, 0.05))
    fresh = classes(draw, 10_000, 0.05)

    card = {"classes": [False, True], "uncertainty": entry}
    sets = class_sets(card, 0.9, fresh.probabilities, fresh.predicted.astype(int).tolist())

    is_in = np.array(
        [truth in row["classes"] for truth, row in zip(fresh.truth, sets, strict=True)]
    )
    assert 0.9 == pytest.approx(is_in[~fresh.truth].mean(), abs=0.02)
    assert 0.9 == pytest.approx(is_in[fresh.truth].mean(), abs=0.05)  # by 200 rows
    assert min(len(row["classes"]) for row in sets) == 1


def test_set_when_no_class_is_likely_enough_has_the_predicted_one() -> None:
    card = {"classes": ["a", "b"], "uncertainty": {"rows": 9, "limits": {"0.9": [0.9, 0.8]}}}

    sets = class_sets(card, 0.9, [[0.6, 0.4], [0.1, 0.9]], [0, 1])

    assert [["a"], ["b"]] == [entry["classes"] for entry in sets]


def test_coverage_is_measured_on_rows_that_did_not_make_the_limits() -> None:
    means = [
        calibrated(numbers(np.random.default_rng(seed), 30))["measured"]["mean"]
        for seed in range(8)
    ]

    # Of 24 rows the least and the largest error are the limits; no own row is outside of them.
    assert 1 - 2 / 25 == pytest.approx(np.mean(means), abs=0.01)


def test_class_when_it_has_too_few_rows_is_in_every_set() -> None:
    judged = classes(np.random.default_rng(5), 200, 0.03)
    rows = int(judged.truth.sum())

    entry = calibrated(judged)

    assert rows < 9
    assert 0 == entry["limits"]["0.9"][1] < entry["limits"]["0.9"][0]


def test_part_when_its_errors_are_larger_is_named() -> None:
    draw = np.random.default_rng(6)
    judged = numbers(draw, 1000)
    words = pd.DataFrame({"city": np.where(draw.random(1000) < 0.3, "far", "near")})
    far = words["city"].to_numpy() == "far"
    judged.truth[far] += draw.normal(0, 3, far.sum())

    entry = calibrate(judged, None, words, "y", keys=far.astype(float), is_by_time=True)

    parts = {(part["field"], part["is"]): part for part in entry["measured"]["parts"]}
    assert 0.9 == pytest.approx(entry["measured"]["mean"], abs=0.02)
    assert parts["city", "far"]["coverage"] < 0.8 < 0.93 < parts["city", "near"]["coverage"]
    assert int(far.sum()) == parts["city", "far"]["rows"]
    assert parts["time", "the last fifth"]["coverage"] < 0.8
    assert "off by more than 2 points in" in uncertainty_text(entry)


def test_interval_when_the_target_ends_ends_there_too() -> None:
    entry = calibrated(numbers(np.random.default_rng(7), 100))
    card = {**NUMBER, "uncertainty": entry}
    card["schema"] = {"target": {**NUMBER["schema"]["target"], "minimum": 2.0, "maximum": 3.0}}

    intervals = Intervals(card, 0.9)

    assert [(2.0, 3.0), (2.0, 2.0)] == [intervals.of(2.5), intervals.of(-1e308)]
    assert [[2.0, 3.0], [2.0, 2.0]] == intervals.of_all([2.5, -1e308]).tolist()
