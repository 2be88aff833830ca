"""How a stored model is run: exported through onnxruntime, or natively.

Both runtimes take clean columns, as a schema's fields read them, and give raw
outputs. onnxruntime, pandas and scikit-learn are imported when first needed:
onnxruntime must not be imported in a process that forks.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from models.fields import Category, Field

if TYPE_CHECKING:
    from pandas import DataFrame

#: Clean values by field, one sequence of equal length for each.
Columns = Mapping[str, Any]


class Outputs(NamedTuple):
    """What a model gives for n records.

    Attributes
    ----------
    values : ndarray of shape (n,) or None
        Labels or numbers; None where the probabilities say it all.
    probabilities : ndarray of shape (n, n_classes) or None
        In the order of the card's classes.
    """

    values: Any
    probabilities: Any


class Runtime(Protocol):
    """Something that runs one version."""

    def run(self, columns: Columns) -> Outputs:
        """Give the outputs for clean columns of equal length."""
        ...


def frame(columns: Columns, fields: Sequence[Field]) -> "DataFrame":
    """Make the frame that a pipeline is fitted on and predicts from.

    Returns
    -------
    DataFrame of shape (n_records, n_fields)
        Text as objects for categories, doubles for numbers and flags.
    """
    import pandas as pd

    return pd.DataFrame(
        {one.name: pd.Series(columns[one.name], dtype=_dtype(one)) for one in fields}
    )


class OnnxRuntime:
    """Runs an exported model with one thread.

    Parameters
    ----------
    content : bytes
        The file's bytes, whose digest the caller has checked.
    fields : sequence of fields
        As in the card; each is an input of the graph.
    has_probabilities : bool
        Whether the second output holds probabilities.
    """

    def __init__(self, content: bytes, fields: Sequence[Field], *, has_probabilities: bool) -> None:
        # Without this, importing it starts a thread that reports to its maker and
        # hangs the children of a process that forks afterwards.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._has_probabilities = has_probabilities
        outputs = [output.name for output in self._session.get_outputs()]
        self._output = outputs[1] if has_probabilities else outputs[0]
        needed = {one.name for one in self._session.get_inputs()}
        self._inputs = [(one.name, _dtype(one)) for one in fields if one.name in needed]

    def run(self, columns: Columns) -> Outputs:
        """Give the outputs for clean columns of equal length."""
        feeds: dict[str, Any] = {
            name: np.array(columns[name], dtype=dtype).reshape(-1, 1)
            for name, dtype in self._inputs
        }
        (output,) = self._session.run([self._output], feeds)
        if self._has_probabilities:
            return Outputs(None, output.astype(np.float64))
        return Outputs(output.reshape(-1), None)


class NativeRuntime:
    """Runs a fitted scikit-learn pipeline as it is."""

    def __init__(self, pipeline: Any, fields: Sequence[Field]) -> None:
        self._pipeline = pipeline
        self._fields = fields

    def run(self, columns: Columns) -> Outputs:
        """Give the outputs for clean columns of equal length."""
        table = frame(columns, self._fields)
        if hasattr(self._pipeline, "predict_proba"):
            return Outputs(None, self._pipeline.predict_proba(table))
        return Outputs(np.asarray(self._pipeline.predict(table)).reshape(-1), None)


def _dtype(one: Field) -> type:
    return object if isinstance(one, Category) else np.float64
