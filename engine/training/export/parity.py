"""The gate: is the exported model the same model, and not slower?

An export is compared with the fitted pipeline on held-out rows and on rows
made to tell them apart. Nothing is believed of a conversion that went
through: several convert without a word and answer wrongly.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.runtime.version import decide
from engine.schema.card import Decision, ParityEntry
from engine.schema.fields import Field

#: The largest accepted difference: of a probability, or of a number relative
#: to its size (or to the spread of all predictions, where it is smaller).
TOLERANCE = 1e-5

#: An export may be this much slower for 1,000 rows, never for one.
BULK_SLACK = 2.0

HELD_OUT_ROWS = 20_000


@dataclass(frozen=True)
class Parity:
    """The result of the comparison.

    Attributes
    ----------
    rows : int
        How many records were compared.
    mismatches : int
        How many got a different label.
    difference : float
        The largest, as `TOLERANCE` defines it.
    reason : str
        Why the export is rejected; empty if it is accepted.
    """

    rows: int
    mismatches: int
    difference: float
    reason: str = ""

    def to_json(self) -> ParityEntry:
        """Return the findings as a card has them."""
        return {
            "rows": self.rows,
            "mismatches": self.mismatches,
            "difference": self.difference,
            "reason": self.reason,
        }


def challenge_rows(
    columns: Columns, fields: tuple[Field, ...], *, seed: int
) -> dict[str, list[Any]]:
    """Return real rows and rows that a conversion is likely to get wrong.

    Each field in turn takes the turning points of its kind, and a gap if it
    accepts one. The other fields keep the values of a real row.

    Returns
    -------
    dict of str to list
        Clean columns: first the real rows, at most ``HELD_OUT_ROWS``.
    """
    generator = np.random.default_rng(seed)
    n = len(columns[fields[0].name])
    rows = [{field.name: columns[field.name][row] for field in fields} for row in range(n)]
    challenge = rows[:HELD_OUT_ROWS]
    for field in fields:
        for value in _trial_values(field, columns[field.name], generator):
            challenge.append({**rows[int(generator.integers(n))], field.name: value})
    return {field.name: [row[field.name] for row in challenge] for field in fields}


def compare(
    export: Callable[[], Runtime], native: Outputs, columns: Columns, card: Decision
) -> Parity:
    """Compare an export with the pipeline that it was made from.

    Parameters
    ----------
    export : callable
        () -> the loaded export; loading it is part of the comparison.
    native : Outputs
        The outputs of the pipeline for `columns`.
    card : mapping
        At least ``classes``, ``positive`` and ``threshold``.
    """
    rows = len(next(iter(columns.values())))
    try:
        exported = export().run(columns)
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base of their own
        return Parity(rows, rows, 0.0, f"it does not run: {' '.join(str(error).split())[:200]}")
    difference = _difference(exported, native, is_regression=card["classes"] is None)
    if card["classes"] is None:
        mismatches = 0
    else:
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
    """Measure the seconds that a prediction takes, the best of several runs.

    Returns
    -------
    dict
        ``one_row`` and ``thousand_rows``.
    """
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


def _trial_values(field: Field, values: Any, generator: np.random.Generator) -> list[Any]:
    column = np.array(values, dtype=object if field.words else np.float64)
    gap = [field.absent] if field.missing == "accept" else []
    return [*field.turning_points(column, generator), *gap]


def _difference(exported: Outputs, native: Outputs, *, is_regression: bool) -> float:
    if is_regression:
        ours = np.asarray(exported.values, dtype=np.float64)
        theirs = np.asarray(native.values, dtype=np.float64)
        size = np.maximum(np.maximum(np.abs(theirs), theirs.std()), np.finfo(np.float64).tiny)
        return float(np.max(np.abs(ours - theirs) / size))
    if native.probabilities is None:
        return 0.0
    if exported.probabilities.shape != native.probabilities.shape:
        return float("inf")
    return float(np.max(np.abs(exported.probabilities - native.probabilities)))


def _best(runtime: Runtime, columns: Columns, times: int) -> float:
    runtime.run(columns)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        runtime.run(columns)
        taken.append(time.perf_counter() - began)
    return min(taken)
