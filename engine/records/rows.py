"""Records as rows: how many there may be, and where a problem stands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.records.problems import BadRequest, Problem
from engine.schema.problem_codes import Code

#: Records in one JSON body; more would let one small body fill the memory.
MAX_RECORDS = 10_000


@dataclass(frozen=True)
class Records:
    """Records as they came.

    Attributes
    ----------
    rows : list
        Each should be an object; the validation checks it. A `Problem`
        stands for a row that could not be read.
    is_single : bool
        Whether the body was one record, so that the answer is one prediction.
    is_table : bool
        Whether all rows have the same keys, named once in the body.
    first : int
        The number of the first row; not 0 in a part of a table.
    pointer : callable
        (row number, field name) -> JSON pointer into the body; with
        None for a name, to the record.
    """

    rows: list[Any]
    pointer: Callable[[int, str | None], str]
    is_single: bool = False
    is_table: bool = False
    first: int = 0


def refuse_too_many(count: int) -> None:
    """Raise a `BadRequest` with 413 for more than `MAX_RECORDS`."""
    if count > MAX_RECORDS:
        raise BadRequest(413, f"there are more than {MAX_RECORDS} records: send fewer at once")


def repeated(pointer: str) -> Problem:
    """Return the problem of a key that is given twice."""
    return Problem(pointer, "is given twice: send it once", Code.REPEATED)


def pointer_to(key: str | None) -> str:
    """Return the JSON pointer from an object to a key of it; empty for None."""
    return "" if key is None else "/" + key.replace("~", "~0").replace("/", "~1")
