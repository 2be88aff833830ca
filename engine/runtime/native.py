"""A stored model that its fitted scikit-learn pipeline runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.schema.fields import Field
from engine.schema.record_schema import Coding

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(columns: Columns, fields: Sequence[Field]) -> "DataFrame":
    """Make the frame that a pipeline is fitted on and predicts from: one row per record.

    Categories and texts are text, as objects; numbers, flags and dates are doubles.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            field.name: pd.Series(
                columns[field.name], dtype=object if field.is_text else np.float64
            )
            for field in fields
        }
    )


#: What a pipeline raises for values that it does not take.
REJECTIONS = (ValueError, ArithmeticError)

#: Infinite and undefined results are read in the answers; NumPy's warnings would fill the screen.
_QUIET = np.errstate(all="ignore")

#: The most calls of the pipeline that look for the records which it does not take.
_MOST_CALLS = 64


class NativeRuntime(Runtime):
    """Runs a fitted scikit-learn pipeline as it is.

    A record that the pipeline rejects, such as one with a number that is too large for
    single precision, has no answer: NaN, or None for a label without probabilities.
    """

    def __init__(self, pipeline: Any, fields: Sequence[Field]) -> None:
        self._pipeline = pipeline
        self._fields = fields
        self._coding = Coding(fields)

    def run(self, columns: Columns) -> Outputs:
        try:
            return self.answer(columns)
        except REJECTIONS as error:
            if isinstance(error, AttributeError):  # it is not fitted, whatever the records are
                raise
            return self._answer_apart(columns)

    def run_matrix(self, matrix: Any) -> Outputs:
        return self.run(self._coding.unpack(matrix))

    @_QUIET
    def answer(self, columns: Columns) -> Outputs:
        """Return the outputs; what the pipeline raises for a record passes through."""
        table = frame(columns, self._fields)
        if hasattr(self._pipeline, "predict_proba"):
            return Outputs(None, self._pipeline.predict_proba(table))
        return Outputs(np.asarray(self._pipeline.predict(table)).reshape(-1), None)

    @_QUIET
    def margins(self, columns: Columns) -> Any:
        """Return how far records are from the border between classes; None without margins."""
        if not hasattr(self._pipeline, "decision_function"):
            return None
        return self._pipeline.decision_function(frame(columns, self._fields))

    def _answer_apart(self, columns: Columns) -> Outputs:
        """Answer the records that the pipeline takes, found by halving.

        Records that are not told apart within so many calls have no answer together.
        """
        size, calls = len(next(iter(columns.values()))), 0
        pending, answered = [(0, size)], []
        while pending and calls < _MOST_CALLS:
            start, stop = pending.pop()
            calls += 1
            try:
                part = {name: values[start:stop] for name, values in columns.items()}
                answered.append((start, stop, self.answer(part)))
            except REJECTIONS:
                middle = (start + stop) // 2
                pending += [(start, middle), (middle, stop)] if stop - start > 1 else []
        return self._joined(size, answered)

    def _joined(self, size: int, answered: list[tuple[int, int, Outputs]]) -> Outputs:
        classes = getattr(self._pipeline, "classes_", None)
        if hasattr(self._pipeline, "predict_proba"):
            probabilities = np.full((size, len(self._pipeline.classes_)), np.nan)
            for start, stop, outputs in answered:
                probabilities[start:stop] = outputs.probabilities
            return Outputs(None, probabilities)
        values = np.full(size, np.nan if classes is None else None)
        for start, stop, outputs in answered:
            values[start:stop] = outputs.values
        return Outputs(values, None)
