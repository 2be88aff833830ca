"""The exact runtime gives the answers that a file says, number by number."""

import math
from typing import Any

import numpy as np

from engine.runtime.exact import ExactRuntime
from engine.schema import Number
from tests.runtime.exact_files import File, Member, Slot, stump

SLOTS = [Slot(0), Slot(1, gap=-math.inf)]


def test_regression_adds_the_leaves_and_divides_when_there_are_trees() -> None:
    trees = [stump(0, 1.5, 10.0, 20.0, 2), stump(1, 0.0, 1.0, 2.0, 2)]
    runtime = open_file(File(2, SLOTS, [Member(trees, divisor=2.0)], values=[100.0]))

    outputs = runtime.run_matrix(np.array([[1.5, 0.5], [2.0, math.nan], [math.nan, 0.0]]))

    assert [(100 + 10 + 2) / 2, (100 + 20 + 1) / 2, (100 + 20 + 1) / 2] == outputs.values.tolist()


def open_file(file: File, **options: Any) -> ExactRuntime:
    fields = [Number(name=f"x{place}", example=1.0) for place in range(file.n_fields)]
    return ExactRuntime(file.write(), fields, **{"has_probabilities": False} | options)
