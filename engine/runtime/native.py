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

    Categories are text, as objects; numbers and flags are doubles.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            field.name: pd.Series(columns[field.name], dtype=object if field.words else np.float64)
            for field in fields
        }
    )


class NativeRuntime(Runtime):
    """Runs a fitted scikit-learn pipeline as it is."""

    def __init__(self, pipeline: Any, fields: Sequence[Field]) -> None:
        self._pipeline = pipeline
        self._fields = fields
        self._coding = Coding(fields)

    def run(self, columns: Columns) -> Outputs:
        table = frame(columns, self._fields)
        if hasattr(self._pipeline, "predict_proba"):
            return Outputs(None, self._pipeline.predict_proba(table))
        return Outputs(np.asarray(self._pipeline.predict(table)).reshape(-1), None)

    def run_matrix(self, matrix: Any) -> Outputs:
        return self.run(self._coding.unpack(matrix))
