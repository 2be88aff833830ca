"""The thresholds of trees that take doubles."""

import numpy as np

from engine.training.export.single_trees import largest_that_round_to


def test_doubles_when_they_are_limits_round_as_the_singles_do() -> None:
    draw = np.random.default_rng(0)
    singles = np.concatenate(
        [
            draw.integers(0, 2**31, 20_000, dtype=np.int32).view(np.float32),
            -draw.integers(0, 2**31, 20_000, dtype=np.int32).view(np.float32),
            np.array([0, 1, -1, 0.1, 2**24, 3.4028235e38, -3.4028235e38, 1e-45], dtype=np.float32),
        ]
    )
    singles = singles[np.isfinite(singles)]

    limits = largest_that_round_to(singles)

    with np.errstate(over="ignore"):
        assert (limits.astype(np.float32) <= singles).all()
        assert (np.nextafter(limits, np.inf).astype(np.float32) > singles).all()
