"""How far a record is from the nearest of the training rows, by coarse codes of both.

A number is coded by its tenth of the training values, so no value of a row is kept. Two records
differ in a field by 0 to 1: by how many tenths lie between, or wholly if a word differs, a value is
missing, or a number is far outside of what was common. The distance is the mean over the fields.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from engine.runtime.coarsening import coarsen, decimals_of
from engine.schema.fields import Field, Flag
from engine.schema.record_schema import numbers_of

#: The codes of the tenths are 0 to 9. The others are that far from them, and from each other.
_FAR = 9
_BELOW, _ABOVE, _GAP = 20, 30, 40

#: Words beyond that are coded as if they were fewer.
_MOST_WORDS = 3000

#: So many codes are compared at a time.
_BLOCK = 10_000_000


class CodedRows(msgspec.Struct):
    """Training rows as codes: for each coded field its edges, and all codes row after row.

    The edges of a field of words or flags are empty.
    """

    edges: dict[str, list[float]]
    rows: str  # 16-bit integers in base64

    def distances(self, matrix: Any, inputs: Sequence[Field]) -> Any:
        """Return the distances of n records, in the form of `Coding.pack`, of shape (n,)."""
        rows = np.frombuffer(b64decode(self.rows), "<i2").reshape(-1, len(self.edges))
        codes = _codes(matrix, inputs, self.edges)
        step = max(1, _BLOCK // rows.size)
        nearest = [
            np.minimum(np.abs(codes[at : at + step, None] - rows), _FAR).sum(axis=2).min(axis=1)
            for at in range(0, len(codes), step)
        ]
        return np.concatenate(nearest) / (_FAR * len(self.edges))


def compare(
    coded: CodedRows, matrix: Any, inputs: Sequence[Field], entry: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return for each of n records whether it is unfamiliar, by the threshold of a card."""
    stated = {"threshold": entry["threshold"], "false_alarms": entry["false_alarms"]}
    return [
        {"is_unfamiliar": distance > entry["threshold"], "distance": distance, **stated}
        for distance in coded.distances(matrix, inputs).tolist()
    ]


def code_rows(matrix: Any, inputs: Sequence[Field]) -> CodedRows | None:
    """Code training rows; None where all fields are private."""
    edges = {
        field.name: _edges(_numbers(matrix[:, place], field))
        for place, field in enumerate(inputs)
        if not field.private
    }
    if not edges:
        return None
    return CodedRows(edges, b64encode(_codes(matrix, inputs, edges).tobytes()).decode())


def _numbers(column: Any, field: Field) -> Any:
    """Return the numbers of a column that are cut into tenths; none for words and flags."""
    if field.words or isinstance(field, Flag):
        return np.empty(0)
    return numbers_of(field, column)


def _edges(numbers: Any) -> list[float]:
    """Return the inner edges of tenths, between two ends that few numbers are beyond."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return []
    low, high = np.quantile(finite, [0.01, 0.99])
    inner = np.quantile(finite, np.arange(1, 10) / 10, method="lower")
    ends = coarsen(np.array([2 * low - high, *inner, 2 * high - low]), decimals_of(finite))
    return [ends[0].item(), *np.unique(ends[1:-1]).tolist(), ends[-1].item()]


def _codes(matrix: Any, inputs: Sequence[Field], edges: dict[str, list[float]]) -> Any:
    codes = np.empty((len(matrix), len(edges)), "<i2")
    used = [(place, field) for place, field in enumerate(inputs) if field.name in edges]
    for to, (place, field) in enumerate(used):
        ends = edges[field.name]
        if not ends:
            words = matrix[:, place].astype(np.float64)
            codes[:, to] = 10 * (np.nan_to_num(words, nan=_MOST_WORDS) % (_MOST_WORDS + 1))
            continue
        numbers = _numbers(matrix[:, place], field)
        # Two looks tell a number on an edge, which many rows may have, from those around it.
        places = sum(np.searchsorted(ends[1:-1], numbers, side) for side in ("left", "right"))
        code = np.round(places * (_FAR / (2 * len(ends[1:-1]))))
        code = np.where(numbers < ends[0], _BELOW, np.where(numbers > ends[-1], _ABOVE, code))
        codes[:, to] = np.where(np.isnan(numbers), _GAP, code)
    return codes
