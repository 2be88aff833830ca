"""The numbers that stand for words where records are rows of doubles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.schema.fields import Field


class Coding:
    """Turns clean columns into a matrix of doubles, a column per field, and back."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._names = [field.name for field in fields]
        worded = [field for field in fields if field.words]
        self._codes = {field.name: field.word_codes for field in worded}
        self._words = {field.name: np.array(field.words, dtype=object) for field in worded}

    def pack(self, columns: Mapping[str, Any]) -> Any:
        """Return clean columns as a matrix of shape (n_records, n_fields).

        It holds numbers and flags as they are, NaN for a gap, and codes for words.
        """
        matrix = np.empty((len(columns[self._names[0]]), len(self._names)))
        for place, name in enumerate(self._names):
            values = columns[name]
            codes = self._codes.get(name)
            matrix[:, place] = values if codes is None else [codes[word] for word in values]
        return matrix

    def unpack(self, matrix: Any) -> dict[str, Any]:
        """Return the columns of a matrix: doubles, and words as objects."""
        columns = {}
        for place, name in enumerate(self._names):
            values = matrix[:, place]
            words = self._words.get(name)
            columns[name] = values if words is None else words[values.astype(np.intp)]
        return columns
