"""The cells of a column, and the field that they are taken for."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from engine.schema.fields import GAP_WORDS

#: What stands for a gap in a table, beside the words that pandas reads so.
_MARKERS = {*(word.casefold() for word in GAP_WORDS), "?", "-", "--", "---", ".", "..", "n.a.",
            "n/d", "s/d", "(null)", "#ref!", "#value!", "#div/0!"}  # fmt: skip
#: So many words in a column of numbers or dates are gaps, too.
FEW_ODD = 5


class Cells(NamedTuple):
    """A column: the words of its cells without spaces around them, the most frequent first.

    Each row has the place of its word, -1 for a gap. The gap words are written as in the file.
    """

    header: str
    places: np.ndarray
    counts: pd.Series
    gap_words: tuple[str, ...]
    is_padded: bool

    @property
    def gaps(self) -> int:
        """The number of cells without a value."""
        return int((self.places < 0).sum())

    def spread(self, numbers: Any) -> np.ndarray:
        """Return the number of each row's word; NaN for a gap."""
        values: np.ndarray = np.append(np.asarray(numbers, dtype=float), np.nan)[self.places]
        return values


@dataclass
class Draft:
    """A field as it will be written; without a kind it is set aside, and the summary says why.

    The values are those of all rows, as numbers; odd words are read as gaps, and rows with a
    dropped word of the target are left out.
    """

    header: str
    kind: str
    summary: str
    arguments: dict[str, Any] = field(default_factory=dict)
    values: np.ndarray | None = None
    odd: tuple[str, ...] = ()
    remark: str = ""
    name: str = ""
    dropped: tuple[str, ...] = ()
    replacements: dict[str, str] = field(default_factory=dict)

    def set_aside(self, reason: str) -> None:
        """Make it no field."""
        self.kind, self.summary = "", reason

    def add_remark(self, remark: str) -> None:
        """Add what a reader should look at."""
        self.remark = "; ".join(filter(None, (self.remark, remark)))


def cells_of(header: str, column: pd.Series) -> Cells:
    """Look at a column of text once."""
    codes, raw = pd.factorize(column)
    words = np.asarray(raw, dtype=object)
    stripped = np.array([word.strip() for word in words], dtype=object)
    is_gap = np.array([word.casefold() in _MARKERS for word in stripped], dtype=bool)
    stripped[is_gap] = None
    places, distinct = pd.factorize(stripped)
    codes = places[codes]
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    order = np.argsort(-counts, kind="stable")
    ranks = np.append(np.argsort(order), -1)  # the last is for gaps
    is_padded = bool((words != stripped)[~is_gap].any())
    ranked = pd.Series(counts[order], index=pd.Index(distinct[order], dtype=object))
    return Cells(header, ranks[codes], ranked, tuple(words[is_gap]), is_padded)
