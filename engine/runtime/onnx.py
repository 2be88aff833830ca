"""A stored model run through onnxruntime."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.runtime.onnx_file import refuse_external_data
from engine.runtime.parallel import in_slices
from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.schema.fields import Field
from engine.schema.record_schema import Coding

#: The only input of an exported graph. Older graphs have one per field.
RECORD = "record"


def open_session(content: bytes) -> Any:
    """Open an ONNX file with onnxruntime, for one thread, as `refuse_external_data` allows."""
    refuse_external_data(content)
    # Without this, its import starts a thread that reports to its maker, and the children
    # of a process that forks afterwards hang.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    # These are the file's bytes, for a change of providers, which never comes.
    session._model_bytes = None
    return session


class OnnxRuntime(Runtime):
    """Runs an exported model, whose digest the caller has checked.

    Its probabilities are the second output, or the only one: of all classes, or of the second
    of two classes alone.
    """

    def __init__(self, content: bytes, fields: Sequence[Field], *, has_probabilities: bool) -> None:
        self._session = open_session(content)
        import onnxruntime

        # A run only reads them, so threads may share them; making them takes as long as a run
        # of a small model.
        self._options = onnxruntime.RunOptions()
        # The session's own method checks on every run what is always so here.
        self._run = getattr(self._session, "_sess", self._session).run
        self._coding = Coding(fields)
        self._has_probabilities = has_probabilities
        outputs = [output.name for output in self._session.get_outputs()]
        self._outputs = outputs[1:2] or outputs if has_probabilities else outputs[:1]
        self._margins = [] if has_probabilities else outputs[1:2]
        inputs = self._session.get_inputs()
        self._inputs = [node.name for node in inputs]
        signature = [(node.name, node.type, node.shape[1:]) for node in inputs]
        self._is_packed = [(RECORD, "tensor(double)", [len(fields)])] == signature

    def run(self, columns: Columns) -> Outputs:
        return self.run_matrix(self._coding.pack(columns))

    def run_matrix(self, matrix: Any) -> Outputs:
        output = in_slices(self._answer, matrix)
        if self._has_probabilities:
            return Outputs(None, _all_probabilities(output))
        return Outputs(output.reshape(-1), None)

    def margins(self, columns: Columns) -> Any:
        """Return what a classifier without probabilities decides by; None if it is left out."""
        if not self._margins:
            return None
        (margins,) = self._run(
            self._margins, self._feeds(self._coding.pack(columns)), self._options
        )
        return margins

    def _answer(self, matrix: Any) -> Any:
        (output,) = self._run(self._outputs, self._feeds(matrix), self._options)
        return output

    def _feeds(self, matrix: Any) -> dict[str, Any]:
        if self._is_packed:
            return {RECORD: matrix}
        columns = self._coding.unpack(matrix)
        return {name: columns[name].reshape(-1, 1) for name in self._inputs}


def _all_probabilities(probabilities: Any) -> Any:
    """Return probabilities as doubles, with the first class's where it is left out."""
    if probabilities.shape[1] > 1:
        return probabilities.astype(np.float64, copy=False)
    if len(probabilities) == 1:  # plain floats: each call of NumPy takes a microsecond or two
        second = min(probabilities.item(), 1.0)
        return np.array(((1.0 - second, second),))
    second = np.minimum(probabilities, 1.0, dtype=np.float64)  # a sum may round above 1
    return np.concatenate((1.0 - second, second), axis=1)
