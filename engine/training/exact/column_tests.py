"""What trees ask of the columns that they see."""

from typing import Any, NamedTuple

import numpy as np


class Tests(NamedTuple):
    """Tests of columns: true where the column is at most a threshold, or as a gap goes.

    `choice` is the row of `choices` that says which whole numbers are true, or -1; others go
    as a gap does, unless they are all true. Columns are compared in single precision if
    `is_single`.
    """

    column: Any
    threshold: Any
    gap_is_true: Any
    choice: Any
    choices: Any
    is_single: bool
    are_others_true: bool = False

    def take(self, rows: Any) -> "Tests":
        """Return some of the tests."""
        return self._replace(
            column=self.column[rows], threshold=self.threshold[rows],
            gap_is_true=self.gap_is_true[rows], choice=self.choice[rows],
        )  # fmt: skip

    def are_true(self, cells: Any) -> Any:
        """Return how the tests come out, for a cell each along the first axis."""
        shape = (-1, *(1,) * (cells.ndim - 1))
        threshold, gap, choice = (
            part.reshape(shape) for part in (self.threshold, self.gap_is_true, self.choice)
        )
        with np.errstate(all="ignore"):
            compared = cells.astype(np.float32).astype(np.float64) if self.is_single else cells
            true = np.where(np.isnan(compared), gap, compared <= threshold)
            if len(self.choices):
                is_code = (compared >= 0) & (compared < self.choices.shape[1])
                code = np.where(is_code, compared, 0).astype(np.intp)
                others = gap | (self.are_others_true & ~np.isnan(compared))
                chosen = np.where(is_code, self.choices[np.maximum(choice, 0), code], others)
                true = np.where(choice >= 0, chosen, true)
        return true.astype(bool)
