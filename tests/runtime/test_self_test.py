"""A version answers as its card says, to the spread of the answers to real rows."""

from typing import Any

import numpy as np
import pytest

from engine.runtime.runtimes import Outputs, Runtime
from engine.runtime.version import StoredVersion
from engine.schema import Number
from engine.schema.record_schema import Schema

SCHEMA = Schema((Number(name="x", example=0.0),), Number(name="y", example=1.0))


class Answers(Runtime):
    """Answers with what it has, whatever it is asked."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, dtype=np.float64)

    def run(self, columns: Any) -> Outputs:
        return Outputs(self.values, None)

    def run_matrix(self, matrix: Any) -> Outputs:
        return Outputs(self.values, None)


def version(recorded: Any, answers: Any, **card: Any) -> StoredVersion:
    rows = [
        {"record": {"x": 0.0}, "value": float(value), "probability": None, "probabilities": None}
        for value in recorded
    ]
    facts: Any = {
        "model": "m", "version": "v", "runtime": "onnx", "schema": SCHEMA.to_json(),
        "classes": None, "positive": None, "threshold": 0.5, "has_probabilities": False,
        "seconds": {"one_row": 1e-5, "thousand_rows": 1e-3}, "example": rows[0],
        "golden": rows[1:], **card,
    }  # fmt: skip
    return StoredVersion(facts, Answers(answers))


UNITS = np.array([3.0, -2.0, 5.0, 1.0])


@pytest.mark.parametrize(("offset", "scale"), [(0, 1e-9), (1.7e9, 600), (1e9, 1), (0, 1e12)])
@pytest.mark.parametrize(("share", "is_good"), [(0.0, True), (9e-6, True), (1.2e-5, False)])
def test_answers_when_off_by_a_share_of_the_spread_are_good_up_to_the_tolerance(
    offset: float, scale: float, share: float, *, is_good: bool
) -> None:
    spread = 7 * scale
    recorded = offset + scale * UNITS

    trouble = version(recorded, recorded + share * spread, spread=spread).self_test()

    assert is_good == (trouble is None)


@pytest.mark.parametrize("constant", [0.0, 9e-6, 3e-9])
def test_answers_when_constant_are_refused_for_a_tiny_target(constant: float) -> None:
    trouble = version(1e-9 * UNITS, np.full(4, constant), spread=7e-9).self_test()

    assert trouble is not None


@pytest.mark.parametrize(("shift", "is_good"), [(0.0, True), (1e-12, False)])
def test_answers_when_all_real_ones_were_equal_must_be_equal(
    shift: float, *, is_good: bool
) -> None:
    assert is_good == (version(UNITS, UNITS + shift, spread=0.0).self_test() is None)


def test_answers_when_the_card_is_of_before_are_held_to_their_own_size() -> None:
    assert version(UNITS, UNITS * (1 + 9e-6)).self_test() is None
    assert version(UNITS, UNITS * (1 + 2e-5)).self_test() is not None
