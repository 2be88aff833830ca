"""Made-up records, which a version must answer as recorded wherever it is loaded.

They are drawn from what each field accepts, never from the data, so that the
card contains no row of the table.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.schema.kinds.field import UNUSUAL, Field

ROWS = 16


def golden_records(fields: Sequence[Field], *, seed: int) -> list[dict[str, Any]]:
    """Make up records that the fields accept.

    Returns
    -------
    list of dict
        ``ROWS`` records, as a caller would send them; the same fields and seed
        give the same records.
    """
    generator = np.random.default_rng(seed)
    return [{field.name: _value(field, generator) for field in fields} for _ in range(ROWS)]


def _value(field: Field, generator: np.random.Generator) -> Any:
    if field.missing == "accept" and generator.random() < UNUSUAL:
        return None
    return field.draw(generator)
