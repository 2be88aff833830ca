"""The gate: is the exported model the same model, and not slower?

An export is compared with the fitted pipeline on held-out rows and on rows
made to tell them apart, since several conversions are silently wrong.
"""

import timeit
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.runtime.version import decide
from engine.schema.card import Decision
from engine.schema.fields import Field

#: The largest accepted difference: of a probability, or of a number relative
#: to its size (or to the spread of all predictions, where it is smaller).
TOLERANCE = 1e-5

#: An export may be this much slower for 1,000 rows, never for one.
BULK_SLACK = 2.0

HELD_OUT_ROWS = 20_000


class Parity(NamedTuple):
    """How many records were compared, how many labels differ, and by how much at most.

    The reason says why the export is rejected; it is empty if it is accepted.
    """

    rows: int
    mismatches: int
    difference: float
    reason: str = ""


def challenge_rows(
    columns: Columns, fields: tuple[Field, ...], *, seed: int
) -> dict[str, list[Any]]:
    """Return real rows and rows that a conversion is likely to get wrong.

    First come the real rows, at most ``HELD_OUT_ROWS``. Then each field in turn
    takes the turning points of its kind, and a gap if it accepts one. The other
    fields keep the values of a real row.
    """
    generator = np.random.default_rng(seed)
    n = len(columns[fields[0].name])
    rows = [{field.name: columns[field.name][row] for field in fields} for row in range(n)]
    challenge = rows[:HELD_OUT_ROWS]
    for field in fields:
        column = np.array(columns[field.name], dtype=object if field.words else np.float64)
        gap = [field.absent] if field.missing == "accept" else []
        for value in [*field.turning_points(column, generator), *gap]:
            challenge.append({**rows[int(generator.integers(n))], field.name: value})
    return {field.name: [row[field.name] for row in challenge] for field in fields}


def compare(
    export: Callable[[], Runtime], native: Outputs, columns: Columns, card: Decision
) -> Parity:
    """Compare an export with the pipeline that it was made from.

    Loading the export is part of the comparison. `native` has the pipeline's
    outputs for the columns.
    """
    rows = len(next(iter(columns.values())))
    try:
        exported = export().run(columns)
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base of their own
        return Parity(rows, rows, 0.0, f"it does not run: {' '.join(str(error).split())[:200]}")
    difference = _difference(exported, native, is_regression=card["classes"] is None)
    mismatches = 0
    if card["classes"] is not None:
        try:
            answers = zip(decide(exported, card), decide(native, card), strict=True)
            mismatches = sum(ours.value != theirs.value for ours, theirs in answers)
        except KeyError as error:
            return Parity(rows, rows, 0.0, f"it answers the unknown label {error}")
    reason = ""
    if mismatches or not difference <= TOLERANCE:
        reason = f"{mismatches} of {rows} labels differ, by up to {difference:.2g}"
    return Parity(rows, mismatches, difference, reason)


def measure(runtime: Runtime, columns: Columns) -> dict[str, float]:
    """Measure the seconds of ``one_row`` and ``thousand_rows``, the best of several runs."""
    one_row = {name: values[:1] for name, values in columns.items()}
    times = -(-1000 // len(next(iter(columns.values()))))
    thousand = {name: (list(values) * times)[:1000] for name, values in columns.items()}
    return {"one_row": _best(runtime, one_row, 10), "thousand_rows": _best(runtime, thousand, 3)}


def slower(exported: Mapping[str, float], native: Mapping[str, float]) -> str:
    """Return why an export is too slow to serve; empty if it is fast enough."""
    for rows, slack in (("one_row", 1.0), ("thousand_rows", BULK_SLACK)):
        if exported[rows] > slack * native[rows]:
            return (
                f"it is slower: {exported[rows] * 1e3:.2f} ms for {rows.replace('_', ' ')}, "
                f"the pipeline {native[rows] * 1e3:.2f} ms"
            )
    return ""


def relative_difference(numbers: np.ndarray, others: np.ndarray) -> float:
    """Return the largest difference, relative to the size or, if larger, to the spread."""
    size = np.maximum(np.maximum(np.abs(others), others.std()), np.finfo(np.float64).tiny)
    return float(np.max(np.abs(numbers - others) / size))


def _difference(exported: Outputs, native: Outputs, *, is_regression: bool) -> float:
    if is_regression:
        ours, theirs = (np.asarray(x.values, dtype=np.float64) for x in (exported, native))
        return relative_difference(ours, theirs)
    if native.probabilities is None:
        return 0.0
    if exported.probabilities.shape != native.probabilities.shape:
        return float("inf")
    return float(np.max(np.abs(exported.probabilities - native.probabilities)))


def _best(runtime: Runtime, columns: Columns, times: int) -> float:
    runtime.run(columns)
    return min(timeit.repeat(lambda: runtime.run(columns), number=1, repeat=times))
