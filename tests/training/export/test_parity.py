"""How the gate compares, and which rows it compares on."""

from typing import Any

import numpy as np
import pytest

from engine.runtime.runtimes import Outputs
from engine.schema import Category, Flag, Number
from engine.schema.card import Decision
from engine.training.export.parity import challenge_rows, compare, slower


class Fixed:
    """Answers the same whatever it is asked."""

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs

    def run(self, columns: Any) -> Outputs:
        return self.outputs

    def run_matrix(self, matrix: Any) -> Outputs:
        return self.outputs


@pytest.mark.parametrize(
    ("shift", "is_accepted"),
    [(0.0, True), (0.9e-5, True), (1.1e-5, False), (1e-3, False), (np.nan, False)],
)
def test_compare_when_probabilities_differ_accepts_up_to_the_tolerance(
    shift: float, *, is_accepted: bool
) -> None:
    native = np.array([[0.4, 0.6], [0.7, 0.3]])
    card: Decision = {"classes": [False, True], "positive": True, "threshold": 0.5}

    parity = compare(
        lambda: Fixed(Outputs(None, native + np.array([-shift, shift]))),
        Outputs(None, native),
        {"size": [1.0, 2.0]},
        card,
    )

    assert is_accepted == (parity.reason == "")


@pytest.mark.parametrize(("factor", "is_accepted"), [(1 + 0.9e-5, True), (1 + 1.2e-5, False)])
def test_compare_when_numbers_differ_accepts_up_to_the_tolerance(
    factor: float, *, is_accepted: bool
) -> None:
    native = np.array([1000.0, -1000.0, 0.0])
    card: Decision = {"classes": None, "positive": None, "threshold": 0.5}

    parity = compare(
        lambda: Fixed(Outputs(native * factor, None)),
        Outputs(native, None),
        {"size": [1.0, 2.0, 3.0]},
        card,
    )

    assert is_accepted == (parity.reason == "")


@pytest.mark.parametrize(
    ("one_row", "thousand_rows", "reason"),
    [
        (0.1, 1.0, ""),
        (1.0, 2.0, ""),
        (1.1, 0.5, "it is slower: 1100.00 ms for one row, the pipeline 1000.00 ms"),
        (0.1, 2.1, "it is slower: 2100.00 ms for thousand rows, the pipeline 1000.00 ms"),
    ],
)
def test_speed_rule_when_slower_for_one_row_or_twice_in_bulk_refuses(
    one_row: float, thousand_rows: float, reason: str
) -> None:
    native = {"one_row": 1.0, "thousand_rows": 1.0}

    found = slower({"one_row": one_row, "thousand_rows": thousand_rows}, native)

    assert reason == found


def test_challenge_when_fields_declare_policies_makes_only_what_they_accept() -> None:
    fields = (
        Number(name="a", example=1, minimum=0, maximum=9),
        Number(name="b", example=1, integer=True, missing="accept"),
        Number(name="c", example=1, out_of_range="accept", maximum=5),
        Category(name="d", example="x", categories=("x", "y")),
        Category(name="e", example="x", categories=("x",), unknown="accept", missing="accept"),
        Flag(name="f", example=True),
    )
    numbers = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [1.0, 2.0], "f": [1.0, 0.0]}
    columns: dict[str, list[Any]] = {**numbers, "d": ["x", "y"], "e": ["x", "x"]}

    rows = challenge_rows(columns, fields, seed=0)

    single = np.float32(1.5)
    near = {1.5, np.nextafter(1.5, 0), np.nextafter(1.5, 9)}
    near |= {float(np.nextafter(single, np.float32(end))) for end in (0, 9)}
    assert {1.0, 2.0, 0.0, 9.0, *near} == set(rows["a"])
    assert {3.0, 4.0} == {value for value in rows["b"] if value == value}
    assert any(value != value for value in rows["b"])
    assert max(rows["c"]) > 1000 and min(rows["c"]) < -1000
    assert {"x", "y"} == set(rows["d"])
    assert {"x", "__unknown__", "__missing__"} == set(rows["e"])
    assert {0.0, 1.0} == set(rows["f"])
    assert len({len(values) for values in rows.values()}) == 1
