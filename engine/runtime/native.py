"""A stored model that its fitted scikit-learn pipeline runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.runtime.runtimes import Columns, Outputs
from engine.schema.fields import Field
from engine.schema.record_schema import Coding

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(columns: Columns, fields: Sequence[Field]) -> "DataFrame":
    """Make the frame that a pipeline is fitted on and predicts from.

    Returns
    -------
    DataFrame of shape (n_records, n_fields)
        Text as objects for categories, doubles for numbers and flags.
    """
    import pandas as pd

    return pd.DataFrame(
        {field.name: pd.Series(columns[field.name], dtype=_dtype(field)) for field in fields}
    )


class NativeRuntime:
    """Runs a fitted scikit-learn pipeline as it is."""

    def __init__(self, pipeline: Any, fields: Sequence[Field]) -> None:
        self._pipeline = pipeline
        self._fields = fields
        self._coding = Coding(fields)

    def run(self, columns: Columns) -> Outputs:
        """Return the outputs for clean columns of equal length."""
        table = frame(columns, self._fields)
        if hasattr(self._pipeline, "predict_proba"):
            return Outputs(None, self._pipeline.predict_proba(table))
        return Outputs(np.asarray(self._pipeline.predict(table)).reshape(-1), None)

    def run_matrix(self, matrix: Any) -> Outputs:
        """Return the outputs for clean values, doubles of shape (n, n_fields)."""
        return self.run(self._coding.unpack(matrix))


def _dtype(field: Field) -> type:
    return object if field.words else np.float64
