"""What a table holds, in a line per column."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from engine.schema.fields import MISSING, UNKNOWN, Field
from engine.schema.messages import shown
from engine.training.evaluation.reference import reference

#: So many columns have a line each. Of a wider table, those with gaps or unknown words do.
LINES = 20


def summarise(X: pd.DataFrame, fields: Sequence[Field]) -> list[str]:
    """Return a line for each column of a clean table: its kind, its range, gaps, unknown words."""
    lines: list[str] = []
    plain = 0
    for field in fields:
        column = X[field.name]
        rows = reference(column.to_frame(), [field])[field.name]
        shares = [
            f"{share:.2g} % {what}"
            for what in ("missing", "unknown")
            if (share := 100 * rows.get(what, 0) / len(column))
        ]
        if (len(fields) <= LINES or shares) and len(lines) < LINES:
            lines.append(f"{field.name}: {', '.join([_content(column, field), *shares])}")
        else:
            plain += 1
    return lines + ([f"and {plain} more columns"] if plain else [])


def _content(column: pd.Series, field: Field) -> str:
    if field.words:
        rows = column[~column.isin([MISSING, UNKNOWN])].value_counts()
        words = f"{len(rows)} word{'s' * (len(rows) != 1)}"
        return f"{field.kind}, {words}, most often {shown(rows.index[0])}"
    if field.is_text:
        lengths = column.str.len()
        return f"{field.kind}, {lengths.min()} to {lengths.max()} characters"
    values = column.to_numpy(dtype=np.float64)
    if field.classes is not None:
        return f"{field.kind}, {100 * np.nanmean(values):.2g} % true"
    return f"{field.kind}, {field.label(np.nanmin(values))} to {field.label(np.nanmax(values))}"
