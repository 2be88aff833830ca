"""A stored model run from its own fitted arrays, by the library of exact.c.

Its answers have the bits of scikit-learn's own for trees; one record is answered as in a batch.
"""

import struct
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.runtime.exact_contents import turning_points
from engine.runtime.exact_library import Library, open_library
from engine.runtime.parallel import in_slices
from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.schema.fields import Field
from engine.schema.record_schema import Coding
from persistence.store_errors import UntrustedArtifact

#: What is wrong with a file, by the number of the rule in exact_check.c.
BROKEN_RULES = {
    1: "it is too short for a header",
    2: "it does not begin as such a file does",
    3: "a count in its header is out of range",
    4: "its size is not what its header says",
    5: "a slot has an unknown kind or field, or a factor that is not finite",
    6: "the tables of its slots are not one behind the other",
    7: "a member has an unknown kind, link or width, or a factor that is not finite",
    8: "a member has another number of outputs than the file, or than its link makes",
    9: "the base of a member is not in the file",
    10: "the trees or terms of its members are not one behind the other",
    11: "a term has a slot or a coefficient that is not in the file",
    12: "the trees do not divide the nodes among them",
    13: "a tree has an output that does not exist, or is deeper than it has nodes",
    14: "a leaf has a slot, a set, or a value that is not finite",
    15: "the vector of a leaf is not in the file",
    16: "a node's children are not behind it in its tree, or its slot does not exist",
    17: "a node has a threshold that is not a number, or a set that is not in the file",
    18: "a leaf is deeper than its tree says",
    19: "a value is not finite",
    20: "there is no memory to check it",
}

#: The header's fields in front of the divisor, and the sizes of what lies before the nodes.
_HEADER = struct.Struct("<8s12I")
_SIZES = {"n_slots": 48, "n_tables": 8, "n_sets": 8, "n_members": 64, "n_trees": 16}
_COUNTS = (
    "n_fields", "n_slots", "n_tables", "n_sets", "n_members", "n_trees", "n_nodes", "n_values",
    "n_terms", "n_outputs",
)  # fmt: skip

_CACHE_LINE = 64

#: So few records are answered before another thread would get the interpreter.
_FEW = 32


class ExactRuntime(Runtime):
    """Runs a file of the exact runtime, whose digest the caller has checked.

    Raise UntrustedArtifact when it breaks a rule of exact_check.c, NoExactLibrary when there is
    no library. ``classes`` are the labels of a classifier without probabilities.
    """

    def __init__(
        self,
        content: bytes,
        fields: Sequence[Field],
        *,
        has_probabilities: bool,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._library = open_library()
        self._file, counts = _checked(content, self._library)
        if counts["n_fields"] != len(fields):
            raise UntrustedArtifact(
                f"model.trees takes {counts['n_fields']} fields, the card has {len(fields)}"
            )
        self._address = self._file.ctypes.data
        self._plan = np.empty(self._library.plan_size(self._address) // 8, np.float64)
        self._library.plan(self._address, self._plan.ctypes.data)
        self._n_outputs = counts["n_outputs"]
        self._has_probabilities = has_probabilities
        self._labels = None if classes is None else np.array([*classes, None], dtype=object)
        self._coding = Coding(fields)
        self._scratch_size = self._library.scratch(self._address)
        self._record_size = 8 * len(fields)
        self._workspaces = _Workspaces(
            self._address, self._plan.ctypes.data, self._n_outputs, self._scratch_size
        )
        self._run_record = self._library.record
        self._unpack = struct.Struct(f"={self._n_outputs}d").unpack_from

    def run(self, columns: Columns) -> Outputs:
        return self.run_matrix(self._coding.pack(columns))

    def run_matrix(self, matrix: Any) -> Outputs:
        outputs = in_slices(self._answer, matrix)
        if self._has_probabilities:
            return Outputs(None, outputs)
        return Outputs(outputs[:, 0] if self._labels is None else self._chosen(outputs), None)

    def run_record(self, packed: bytes) -> tuple[float, ...]:
        """Return the outputs for one record, given as the bytes of a double per field."""
        if len(packed) != self._record_size:
            raise ValueError(f"a record has {self._record_size} bytes, got {len(packed)}")
        workspace, outputs = self._workspaces.mine
        self._run_record(workspace, packed)
        return self._unpack(outputs)

    def turning_points(self) -> dict[int, Any]:
        return turning_points(self._file)

    def margins(self, columns: Columns) -> Any:
        """Return what a classifier without probabilities decides by; None for other models."""
        if self._has_probabilities or self._labels is None:
            return None
        margins = in_slices(self._answer, self._coding.pack(columns))
        return margins[:, 0] if self._n_outputs == 1 else margins

    def _answer(self, matrix: Any) -> Any:
        rows = np.asarray(matrix, dtype=np.float64)
        if not rows.flags.aligned or any(step % 8 or step < 0 for step in rows.strides):
            rows = np.ascontiguousarray(rows)
        outputs = np.empty((len(rows), self._n_outputs))
        scratch = np.empty(self._scratch_size)
        predict = self._library.predict_at_once if len(rows) <= _FEW else self._library.predict
        predict(
            self._address, self._plan.ctypes.data, rows.ctypes.data, len(rows),
            rows.strides[0] // 8, rows.strides[1] // 8, outputs.ctypes.data, scratch.ctypes.data,
        )  # fmt: skip
        return outputs

    def _chosen(self, margins: Any) -> Any:
        """Return the labels, as scikit-learn decides by margins; None where there is no margin."""
        assert self._labels is not None
        chosen = (margins[:, 0] > 0).astype(int) if self._n_outputs == 1 else margins.argmax(axis=1)
        return self._labels[np.where(np.isnan(margins).any(axis=1), -1, chosen)]


class _Workspaces(threading.local):
    """What a thread needs for one record: its outputs are read before it answers another."""

    def __init__(self, file: int, plan: int, n_outputs: int, scratch_size: int) -> None:
        outputs, self._scratch = np.empty(n_outputs), np.empty(scratch_size)
        pointers = file, plan, outputs.ctypes.data, self._scratch.ctypes.data
        self._workspace = np.array(pointers, dtype=np.uintp)
        self.mine = self._workspace.ctypes.data, outputs.data


def _checked(content: bytes, library: Library) -> tuple[Any, dict[str, int]]:
    """Return an aligned copy of a file that keeps every rule, and its counts."""
    if len(content) < _HEADER.size:
        raise UntrustedArtifact(f"model.trees is not used: {BROKEN_RULES[1]}")
    counts = dict(zip(_COUNTS, _HEADER.unpack_from(content)[1:], strict=False))
    nodes = 64 + sum(counts[name] * size for name, size in _SIZES.items())
    room = np.empty(len(content) + _CACHE_LINE, np.uint8)
    # The nodes begin at a cache line, so that none lies in two.
    start = -(room.ctypes.data + nodes) % _CACHE_LINE
    file = room[start : start + len(content)]
    file[:] = np.frombuffer(content, np.uint8)
    file.flags.writeable = False
    if rule := library.check(file.ctypes.data, len(content)):
        raise UntrustedArtifact(f"model.trees is not used: {BROKEN_RULES[rule]}")
    return file, counts
