"""Made-up records, which a version must answer as recorded wherever it is loaded.

They are drawn from what each field accepts, never from the data, so that the
card contains no row of the table.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.schema.kinds.field import Field
from engine.schema.kinds.number import UNUSUAL

ROWS = 16


def golden_records(fields: Sequence[Field], *, seed: int) -> list[dict[str, Any]]:
    """Make up ``ROWS`` records as a caller would send them, decided by the fields and the seed."""
    generator = np.random.default_rng(seed)

    def draw(field: Field) -> Any:
        is_gap = field.missing == "accept" and generator.random() < UNUSUAL
        return None if is_gap else field.draw(generator)

    return [{field.name: draw(field) for field in fields} for _ in range(ROWS)]
