"""Which rows of a table to hold out: the last ones, whole groups, or any."""

from collections.abc import Mapping

import numpy as np

from engine.languages import gettext as _
from engine.schema.messages import quoted
from engine.training.infer.cells import Cells, Draft
from engine.training.infer.headers import is_id_name

#: So many different groups or times at least, and such a share of rows not before the last one.
_FEWEST, _IN_ORDER = 30, 0.99


def propose_split(columns: Mapping[str, Cells], drafts: list[Draft]) -> tuple[str, str]:
    """Return the `split` of a table and why; the common one where nothing suggests another.

    Ids that repeat tell of whole groups, and rows in the order of a date of a course of time.
    """
    for header, cells in columns.items():
        groups = len(cells.counts)
        if is_id_name(header) and not cells.gaps and _FEWEST <= groups <= len(cells.places) / 2:
            text = _("{header} repeats: whole groups of it are held out")
            return f"group:{header}", text.format(header=quoted(header))
    for draft in drafts:
        cells = columns[draft.header]
        if not cells.gaps and len(cells.counts) >= _FEWEST and _is_course(draft):
            text = _("the rows are in the order of {header}: the last ones are held out")
            return f"time:{draft.header}", text.format(header=quoted(draft.header))
    return "digest", ""


def _is_course(draft: Draft) -> bool:
    """Return whether a column has dates, and the rows are in their order."""
    if draft.kind not in ("Date", "DateTime") or draft.values is None:
        return False
    return bool((np.diff(draft.values) >= 0).mean() >= _IN_ORDER)
