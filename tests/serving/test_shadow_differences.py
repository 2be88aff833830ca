"""How far the answers of two versions are from each other."""

from typing import Any

import numpy as np
import pytest

from engine.runtime.loading import as_card, load_version
from engine.runtime.runtimes import Outputs
from engine.runtime.version import StoredVersion, decide_columns
from engine.serving.shadow import differences
from persistence.model_persistence import ModelStore


def decided(version: StoredVersion, **card: Any) -> tuple[StoredVersion, Any]:
    """Give a version whose card says otherwise, and its answers to two records."""
    other = StoredVersion(as_card({**version.card, **card}), version._runtime)
    numbers = {"small": (0.7, 0.5), "large": (0.1, 0.25), "medium": (0.2, 0.25)}
    columns = [numbers[name] for name in other.card["classes"]]
    return other, decide_columns(Outputs(None, np.array(columns).T), other.card)


def test_differences_when_the_classes_are_in_another_order_are_none(toy_store: ModelStore) -> None:
    version = load_version(toy_store, "parcel")
    old = decided(version, classes=["small", "large", "medium"])
    other = decided(version, classes=["medium", "small", "large"])

    is_other, distance = differences(*old, *other)

    assert ([False, False], [0.0, 0.0]) == (is_other.tolist(), distance.tolist())


def test_differences_when_a_class_is_missing_take_its_probability_as_none(
    toy_store: ModelStore,
) -> None:
    version = load_version(toy_store, "parcel")
    old = decided(version, classes=["small", "large", "medium"])
    other = decided(version, classes=["large", "medium"], positive="large", threshold=0.5)

    is_other, distance = differences(*old, *other)

    assert ([True, True], [0.7, 0.5]) == (is_other.tolist(), distance.tolist())


@pytest.mark.parametrize(
    ("spread", "start", "change", "is_other"),
    [
        (2.0, 1e9, 1.0, True),  # half of the spread, though a billionth of the number
        (2.0, 1e9, 1.9e-5, False),
        (2e-9, 1e-9, 1e-10, True),
        (1e5, 5.0, 0.9, False),
        (0.0, 1800.0, 1e-9, True),
        (None, 1800.0, 1e-7, False),  # as on an old card
        (None, 1800.0, 0.02, True),
    ],
)
def test_differences_when_numbers_are_predicted_are_those_beyond_a_share_of_the_spread(
    toy_store: ModelStore, spread: float | None, start: float, change: float, *, is_other: bool
) -> None:
    version = load_version(toy_store, "rent")
    version = StoredVersion(as_card({**version.card, "spread": spread}), version._runtime)
    ours, theirs = (
        decide_columns(Outputs(np.array([start + more, start]), None), version.card)
        for more in (0.0, change)
    )

    differs, distance = differences(version, ours, version, theirs)

    assert [is_other, False] == differs.tolist()
    assert [pytest.approx(change, rel=0.01), 0.0] == distance.tolist()
