"""A table that was read, and how a model file reads it again."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


class UnreadableTable(ValueError):
    """No model file can be written from a table; the message says why, and what to do."""


@dataclass(frozen=True)
class Source:
    """A table as text, a gap as the empty text, and how a model file reads it.

    The arguments are those of the function, a method of pandas unless it reads a database; the
    steps after it are code; nested are the columns that hold lists or objects; layout says in
    words how the file is built; a gap may be an empty text, too, where the cells have types;
    total words mark rows that are left out.
    """

    frame: pd.DataFrame
    function: str
    arguments: dict[str, Any]
    layout: str
    steps: tuple[str, ...] = ()
    nested: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)
    has_empty_text: bool = False
    totals: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the file is text, in which every cell is."""
        return self.function == "read_csv"
