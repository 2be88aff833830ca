"""What a table holds, in a line per column."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from engine.languages import gettext as _
from engine.languages import local_number, mark, ngettext
from engine.schema.fields import MISSING, UNKNOWN, Field
from engine.schema.messages import shown
from engine.training.evaluation.reference import reference

#: So many columns have a line each. Of a wider table, those with gaps or unknown words do.
LINES = 20


#: What the kinds are called; the catalogues find them here.
_KINDS = (
    mark("number"), mark("category"), mark("flag"), mark("date"), mark("datetime"), mark("text"),
)  # fmt: skip


def summarise(X: pd.DataFrame, fields: Sequence[Field]) -> list[str]:
    """Return a line for each column of a clean table: its kind, its range, gaps, unknown words."""
    lines: list[str] = []
    plain = 0
    for field in fields:
        column = X[field.name]
        rows = reference(column.to_frame(), [field])[field.name]
        shares = [
            text.format(share=local_number(f"{share:.2g}"))
            for what, text in (
                ("missing", _("{share}% missing")),
                ("unknown", _("{share}% unknown")),
            )
            if (share := 100 * rows.get(what, 0) / len(column))
        ]
        if (len(fields) <= LINES or shares) and len(lines) < LINES:
            lines.append(f"{field.name}: {', '.join([_content(column, field), *shares])}")
        else:
            plain += 1
    return lines + ([_("and {count} more columns").format(count=plain)] if plain else [])


def _content(column: pd.Series, field: Field) -> str:
    if field.words:
        rows = column[~column.isin([MISSING, UNKNOWN])].value_counts()
        text = ngettext(
            "{kind}, {count} word, most often {word}", "{kind}, {count} words, most often {word}",
            len(rows),
        )  # fmt: skip
        return text.format(kind=_(field.kind), count=len(rows), word=shown(rows.index[0]))
    if field.is_text:
        lengths = column.str.len()
        text = _("{kind}, {low} to {high} characters")
        return text.format(kind=_(field.kind), low=lengths.min(), high=lengths.max())
    values = column.to_numpy(dtype=np.float64)
    if field.classes is not None:
        share = local_number(f"{100 * np.nanmean(values):.2g}")
        return _("{kind}, {share}% true").format(kind=_(field.kind), share=share)
    low, high = field.label(np.nanmin(values)), field.label(np.nanmax(values))
    return _("{kind}, {low} to {high}").format(kind=_(field.kind), low=low, high=high)
