"""The doubles that stand for the cells of a table."""

from collections.abc import Mapping
from typing import Any

from engine.schema.fields import Field

#: The spellings of a column that are remembered.
_MOST_REMEMBERED = 1000


class CellCodes(dict[Any, float]):
    """The double of each valid cell of a field, which reads a cell when it first comes.

    A cell that is not plainly valid raises `LookupError`.
    """

    def __init__(self, field: Field, codes: Mapping[Any, float]) -> None:
        super().__init__()
        self._field = field
        self._codes = codes

    def __missing__(self, cell: Any) -> float:
        value = self._field.from_cell(cell)
        if value is None and self._field.missing == "refuse":
            raise LookupError("a gap")
        code = self._codes[value]
        if len(self) < _MOST_REMEMBERED:
            self[cell] = code
        return code
