"""What a runtime is: it takes clean values, as a schema's fields read them, and returns outputs.

onnxruntime, pandas and scikit-learn are imported when first needed: onnxruntime must not be
imported in a process that forks.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from engine.schema.json_decoder import as_matrix

#: Clean values by field, one sequence of equal length for each.
Columns = Mapping[str, Any]


class Outputs(msgspec.Struct, frozen=True, gc=False):
    """A model's raw outputs for n records: probabilities, or else values."""

    values: Any  # labels or numbers, of shape (n,)
    probabilities: Any  # doubles of shape (n, n_classes), in the order of the card's classes


class Runtime(Protocol):
    """Runs a version."""

    def run(self, columns: Columns) -> Outputs:
        """Return the outputs for clean columns of equal length."""

    def run_matrix(self, matrix: Any) -> Outputs:
        """Return the outputs for clean values, doubles of shape (n, n_fields)."""

    def run_record(self, packed: bytes) -> tuple[float, ...]:
        """Return what one record is answered by: the number of a regression, or probabilities.

        The record is its doubles, as in a row of the matrix.
        """
        outputs = self.run_matrix(as_matrix(packed))
        numbers = outputs.values if outputs.probabilities is None else outputs.probabilities
        return tuple(map(float, numbers.ravel().tolist()))

    def turning_points(self) -> dict[int, Any]:
        """Return the numbers at which answers turn, by the places of the fields; known fields only.

        An answer is the same between two neighbouring ones, the greater one included.
        """
        return {}


class MarginRuntime(Runtime, Protocol):
    """Runs a version that can be compared with its pipeline."""

    def margins(self, columns: Columns) -> Any:
        """Return what a classifier without probabilities decides by; None where it has none."""
