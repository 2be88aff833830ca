"""The numbers that stand for words where records are rows of doubles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.schema.fields import MISSING, UNKNOWN, Category, Field


def words(field: Category) -> tuple[str, ...]:
    """Give what a pipeline may see of a field, each word at the place of its code."""
    return (*field.categories, MISSING, UNKNOWN)


def codes(field: Category) -> dict[str, float]:
    """Give the code of each word: its place, as a double."""
    return {word: float(place) for place, word in enumerate(words(field))}


class Coding:
    """Turns clean columns into a matrix, and a matrix into clean columns.

    Parameters
    ----------
    fields : sequence of fields
        In the order of the matrix's columns.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        categories = [one for one in fields if isinstance(one, Category)]
        self._codes = {one.name: codes(one) for one in categories}
        self._words = {one.name: np.array(words(one), dtype=object) for one in categories}

    def pack(self, columns: Mapping[str, Any]) -> Any:
        """Give clean columns as a matrix.

        Returns
        -------
        ndarray of shape (n_records, n_fields)
            Doubles: numbers and flags as they are, NaN for a gap; codes for
            words.
        """
        matrix = np.empty((len(columns[self._fields[0].name]), len(self._fields)))
        for place, one in enumerate(self._fields):
            values = columns[one.name]
            known = self._codes.get(one.name)
            matrix[:, place] = values if known is None else [known[word] for word in values]
        return matrix

    def unpack(self, matrix: Any) -> dict[str, Any]:
        """Give the columns of a matrix: doubles, and words as objects."""
        columns = {}
        for place, one in enumerate(self._fields):
            values = matrix[:, place]
            known = self._words.get(one.name)
            columns[one.name] = values if known is None else known[values.astype(np.intp)]
        return columns
