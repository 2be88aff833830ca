"""Records as rows: how many there may be, and where a problem is."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.languages import gettext as _
from engine.records.problems import PROBLEMS_LISTED, BadRequest, Problem
from engine.records.strict_json import RepeatedKeys
from engine.schema.messages import shown
from engine.schema.problem_codes import Code

#: Records in one JSON body; more would let one small body fill the memory.
MAX_RECORDS = 10_000


@dataclass(frozen=True)
class Records:
    """Records before their validation.

    Attributes
    ----------
    rows : list
        Each should be an object. A `Problem` stands for a row that could not
        be read. There are none where there is a matrix.
    pointer : callable
        (row number, field name) -> JSON pointer into the body; with
        None for a name, to the record.
    is_single : bool
        Whether the body was one record, so that the answer is one prediction.
    is_table : bool
        Whether all rows have the same keys, named once in the body.
    first : int
        The number of the first row; not 0 in a part of a table.
    matrix : ndarray of shape (n_records, n_fields) or None
        The records as `engine.schema.json_decoder.Decoded` has them, where they are valid and
        call for no warning.
    """

    rows: list[Any]
    pointer: Callable[[int, str | None], str]
    is_single: bool = False
    is_table: bool = False
    first: int = 0
    matrix: Any = None

    @property
    def size(self) -> int:
        """The number of records."""
        return len(self.rows if self.matrix is None else self.matrix)


def refuse_too_many(count: int) -> None:
    """Raise a `BadRequest` with 413 for more than `MAX_RECORDS`."""
    if count > MAX_RECORDS:
        raise BadRequest(
            413,
            _("there are more than {max_records} records: send fewer at once").format(
                max_records=MAX_RECORDS
            ),
        )


def refuse_repeated_names(names: list[str], what: str) -> None:
    """Raise `BadRequest` with 400 when columns of a header or table share a name."""
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        detail = _("the {what} names {repeated} twice").format(
            what=_(what), repeated=", ".join(map(shown, repeated[:5]))
        )
        raise BadRequest(400, detail)


def repeated(pointer: str) -> Problem:
    """Return the problem of a key that is given twice."""
    return Problem(pointer, _("is given twice: send it once"), Code.REPEATED)


def repeated_keys(value: Any, *, at: str = "") -> list[Problem]:
    """List the keys that a JSON object names twice."""
    names = value.repeated if isinstance(value, RepeatedKeys) else ()
    return [repeated(f"{at}{pointer_to(name)}") for name in names]


def extra_keys(
    value: Mapping[str, Any], *, beside: str, allowed: Collection[str] = (), at: str = ""
) -> list[Problem]:
    """List the keys beside the only key that an object needs."""
    extras = (name for name in value if name != beside and name not in allowed)
    return [
        Problem(
            f"{at}{pointer_to(name)}",
            _("stands beside {beside}: leave it out").format(beside=beside),
            Code.EXTRA,
        )
        for name in islice(extras, PROBLEMS_LISTED + 1)
    ]


def pointer_to(key: str | None) -> str:
    """Return the JSON pointer from an object to a key of it; empty for None."""
    return "" if key is None else "/" + key.replace("~", "~0").replace("/", "~1")
