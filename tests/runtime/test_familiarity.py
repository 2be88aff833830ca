"""Distances to the training rows, by codes that tell no value of a row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.runtime.familiarity import code_rows
from engine.schema.fields import Category, Field, Flag, Number, Text
from engine.schema.record_schema import Coding

INPUTS: tuple[Field, ...] = (
    Number(name="area", example=1.0),
    Category(name="city", example="b", categories=("a", "b"), missing="accept", unknown="accept"),
    Flag(name="new", example=True),
    Text(name="note", example="x"),
)


def pack(inputs: Sequence[Field], **columns: Any) -> Any:
    return Coding(inputs).pack(columns)


def drawn(n: int, seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        "area": draw.normal(100, 10, n), "city": ["b"] * n, "new": (draw.random(n) < 0.5) * 1.0,
        "note": np.array(["x" * size for size in draw.integers(1, 9, n)], dtype=object),
    }  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    return drawn(500, 1)


@pytest.mark.parametrize(
    ("change", "distance"),
    [
        ({}, 0), ({"area": 1000.0}, 1), ({"area": -1000.0}, 1), ({"area": np.nan}, 1),
        ({"city": "a"}, 1), ({"city": "(unknown)"}, 1), ({"city": ""}, 1), ({"new": np.nan}, 1),
        ({"note": "x" * 100}, 1), ({"area": 1000.0, "city": "a"}, 2),
    ],
)  # fmt: skip
def test_distance_is_the_share_of_fields_that_no_training_row_is_near(
    rows: dict[str, Any], change: dict[str, Any], distance: int
) -> None:
    coded = code_rows(pack(INPUTS, **rows), INPUTS)
    assert coded is not None
    record = {name: [column[0]] for name, column in rows.items()}
    if change.get("city"):
        words = {"(unknown)": INPUTS[1].words[-1]}
        change = {**change, "city": words.get(change["city"], change["city"])}
    elif "city" in change:
        change = {"city": next(word for word in INPUTS[1].words if word not in ("a", "b"))}
    record |= {name: [value] for name, value in change.items()}

    assert [distance / 4] == coded.distances(pack(INPUTS, **record), INPUTS).tolist()


def test_distance_of_numbers_is_by_the_tenths_that_lie_between() -> None:
    inputs = (Number(name="area", example=1.0), Number(name="rooms", example=1.0))
    values = np.arange(1000.0)
    coded = code_rows(pack(inputs, area=values[:1], rooms=values[:1] + 50), inputs)
    learnt = code_rows(pack(inputs, area=values, rooms=values), inputs)
    assert coded is not None
    assert learnt is not None

    # The nearest on the diagonal to (50, 950) is nine tenths away in all.
    near = learnt.distances(pack(inputs, area=[50.0], rooms=[950.0]), inputs)

    assert [0.5] == near.tolist()


def test_codes_hold_no_value_of_a_row_nor_a_private_field(rows: dict[str, Any]) -> None:
    inputs = (Number(name="area", example=1.0, private=True), *INPUTS[1:])
    coded = code_rows(pack(inputs, **rows), inputs)
    assert coded is not None

    far = coded.distances(
        pack(inputs, **{n: [c[0]] for n, c in rows.items()} | {"area": [1e9]}), inputs
    )

    assert ["city", "new", "note"] == [*coded.edges]
    assert [0.0] == far.tolist()
    assert code_rows(pack(inputs[:1], area=rows["area"]), inputs[:1]) is None


def test_rows_like_those_of_training_are_rarely_beyond_the_threshold() -> None:
    from engine.training.uncertainty import _familiarity

    inputs = INPUTS[:3]
    rates = []
    for seed in range(20):
        coded = code_rows(pack(inputs, **drawn(300, seed)), inputs)
        assert coded is not None
        distances = coded.distances(pack(inputs, **drawn(200, seed + 100)), inputs)
        entry = _familiarity(distances, np.arange(200.0), is_by_time=False)
        fresh = coded.distances(pack(inputs, **drawn(500, seed + 200)), inputs)
        rates.append(((fresh > entry["threshold"]).mean(), entry["false_alarms"]))

    measured, stated = np.mean(rates, axis=0)
    assert measured <= 0.015
    assert measured == pytest.approx(stated, abs=0.005)
