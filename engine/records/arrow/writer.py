"""Answers as Arrow streams."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.records.arrow.process import END_OF_STREAM
from engine.records.spool import Spool
from engine.records.validation import Accepted
from engine.records.writers import by_row, column_names, warning_text, with_chosen
from engine.runtime.version import Decisions, StoredVersion


class ArrowWriter:
    """An Arrow stream with a column for each of a prediction's parts, and one for warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        import pyarrow

        self._pyarrow = pyarrow
        classes = version.card["classes"]
        self._classes = classes and pyarrow.array(classes)
        kinds = [pyarrow.float64()] * len(column_names(version))
        kinds[0] = self._classes.type if classes else kinds[0]
        kinds[-1] = pyarrow.string()
        self._described: Any = pyarrow.schema([*zip(column_names(version), kinds, strict=True)])
        self._spool = spool
        self._spool.write(self._described.serialize().to_pybytes())
        self._first = 0

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows as a batch."""
        texts: list[str | None] = [None] * decisions.size
        for row, found in by_row(warnings).items():
            texts[row - self._first] = warning_text(found)
        self._first += decisions.size
        if decisions.chosen is None:
            values = decisions.numbers
        else:
            values = self._classes.take(self._pyarrow.array(decisions.chosen))
        shares = () if decisions.probabilities is None else with_chosen(decisions).T
        columns = [values, *map(np.ascontiguousarray, shares), texts]
        arrays = [
            self._pyarrow.array(column, kind)
            for column, kind in zip(columns, self._described.types, strict=True)
        ]
        batch = self._pyarrow.RecordBatch.from_arrays(arrays, schema=self._described)
        self._spool.write(batch.serialize().to_pybytes())

    def finish(self) -> None:
        """Write the end of the stream."""
        self._spool.write(END_OF_STREAM)
