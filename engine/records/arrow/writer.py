"""Answers as Arrow streams."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.records.arrow import END_OF_STREAM
from engine.records.spool import Spool
from engine.records.validation import Accepted
from engine.records.writers import Writer, table_names, warning_text
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion


class ArrowWriter(Writer):
    """An Arrow stream with the columns of an answer, and one for warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        import pyarrow

        super().__init__(version, spool)
        self._pyarrow = pyarrow
        self._labels = [
            pyarrow.array(column.labels) if column.labels else None for column in self._columns
        ]
        numbers = {False: pyarrow.float64(), True: pyarrow.string()}  # identifiers are text
        kinds = [
            kind
            for column, labels in zip(self._columns, self._labels, strict=True)
            for kind in [labels.type if labels else numbers[column.is_echo]] * len(column.headers)
        ]
        names = table_names(self._columns)
        self._schema = pyarrow.schema([*zip(names, [*kinds, pyarrow.string()], strict=True)])
        self._spool.write(self._schema.serialize().to_pybytes())

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        texts: list[str | None] = [None] * decisions.size
        for place, of_row in self._by_row(decisions, warnings).items():
            texts[place] = warning_text(of_row)
        arrays: list[Any] = []
        for column, labels in zip(self._columns, self._labels, strict=True):
            values = column.values(decisions)
            if labels:
                arrays.append(labels.take(self._pyarrow.array(values)))
            elif column.is_echo:
                texts_of = [None if value is None else str(value) for value in values]
                arrays.append(self._pyarrow.array(texts_of, self._pyarrow.string()))
            else:
                rows = np.atleast_2d(values.T)
                arrays += [self._pyarrow.array(np.ascontiguousarray(row)) for row in rows]
        arrays.append(self._pyarrow.array(texts, self._pyarrow.string()))
        batch = self._pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._spool.write(batch.serialize().to_pybytes())

    def finish(self) -> None:
        self._spool.write(END_OF_STREAM)
