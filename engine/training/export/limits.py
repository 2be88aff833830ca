"""How large numbers a fitted pipeline takes, where no range says how large they get.

scikit-learn's trees, for instance, take no number beyond single precision, and raise an error.
The service must refuse such a number like any other that is out of range.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.languages import gettext, local_number
from engine.runtime.native import REJECTIONS, NativeRuntime
from engine.runtime.runtimes import Columns
from engine.schema.card import RuntimeEntry
from engine.schema.fields import Field

#: The largest power of ten that a double holds.
_MOST = 308


def with_limits(
    fields: Sequence[Field], native: NativeRuntime, columns: Columns
) -> tuple[Field, ...]:
    """Return the fields, with a limit where the range is open and the pipeline takes less.

    It is a power of ten, the largest that the pipeline takes of all such fields, each in
    turn, or the one above the real values. The other fields have those of the first real row.
    """
    ends = [(place, end) for place, field in enumerate(fields) for end in _ends(field)]
    if not ends or _takes(native, columns, fields, ends):
        return tuple(fields)
    usual = {place: _exponent(columns[fields[place].name]) for place, _ in ends}
    # A sign of which it takes no number, such as that of a logarithm, is no matter of size.
    signs = [
        (place, float(np.sign(end)))
        for place, end in ends
        if _takes(native, columns, fields, [(place, np.sign(end) * 10.0 ** usual[place])])
    ]
    low, high = 0, _MOST + 1
    while high - low > 1:
        middle = (low + high) // 2
        sizes = [(place, sign * 10.0 ** max(middle, usual[place])) for place, sign in signs]
        is_taken = _takes(native, columns, fields, sizes)
        low, high = (middle, high) if is_taken else (low, middle)
    limits = {place: 10.0 ** max(low, usual[place]) for place, _ in signs if low < _MOST}
    return tuple(
        field.with_limit(limits[place]) if place in limits else field
        for place, field in enumerate(fields)
    )


def limit_remarks(entry: RuntimeEntry) -> list[str]:
    """Return in words which numbers are refused, and what was left out of the comparison."""
    fields = [field for field in entry["schema"]["fields"] if field.get("limit") is not None]
    text = gettext("{field} has an open range, and the pipeline does not take every number: "
                   "beyond {limit} they are refused; give it a minimum and a maximum")  # fmt: skip
    lines = [text.format(field=field["name"], limit=f"{field['limit']:g}") for field in fields]
    parity: Mapping[str, Any] = entry["parity"] or {}
    if parity.get("thresholds_tried", 0) < parity.get("thresholds", 0):
        text = gettext("{tried} of {all} thresholds of its trees were tried, drawn by the seed")
        tried, every = (
            local_number(str(parity[key])) for key in ("thresholds_tried", "thresholds")
        )
        lines.append(text.format(tried=tried, all=every))
    return lines


def _ends(field: Field) -> list[float]:
    """Return the largest accepted numbers, one of each sign."""
    extremes = field.extremes()
    largest = [end for end in (min(extremes, default=0), max(extremes, default=0)) if end]
    return sorted(set(largest))


def _exponent(seen: Sequence[float]) -> int:
    """Return the least power of ten that no real value exceeds."""
    numbers = np.asarray(seen, dtype=np.float64)
    return int(np.ceil(np.log10(np.abs(numbers[np.isfinite(numbers)]).max(initial=1.0))))


def _takes(
    native: NativeRuntime, columns: Columns, fields: Sequence[Field],
    values: Sequence[tuple[int, float]],
) -> bool:  # fmt: skip
    """Return whether the pipeline takes rows in each of which one field has some value."""
    rows = {field.name: [columns[field.name][0]] * len(values) for field in fields}
    for row, (place, value) in enumerate(values):
        rows[fields[place].name][row] = value
    try:
        native.answer(rows)
    except REJECTIONS:
        return False
    return True
