"""The gate: is what would serve the same model, and not slower?

It is compared with the fitted pipeline on held-out rows and on rows made to tell them apart
(`engine.training.export.challenge`), since several conversions to ONNX are silently wrong.
"""

import timeit
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.runtime.native import NativeRuntime
from engine.runtime.runtimes import Columns, MarginRuntime, Outputs, Runtime
from engine.runtime.tolerance import TOLERANCE, share_of_allowed, spread_of
from engine.runtime.version import decide
from engine.schema.card import Description

#: An export may be this much slower for 1,000 rows, never for one.
BULK_SLACK = 2.0

#: So many of the rows are also asked one by one.
SINGLE_ROWS = 200

#: Margins this close to 0, as a share of their spread, are a tie: they are rounding.
_TIE = 1e-12


class Parity(NamedTuple):
    """How many records were compared, how many labels differ, and by how much at most.

    The difference is that of a probability, or that of a number or a margin as a share of
    the spread. The reason says why the export is rejected; it is empty if it is accepted.
    """

    rows: int
    mismatches: int
    difference: float
    reason: str = ""


class Reference(NamedTuple):
    """The pipeline's own answers to n rows.

    The margins are those of a classifier without probabilities, NaN for a row that the
    pipeline rejects; None where there are none. The spread is that of the real answers, of
    numbers or margins; None for probabilities and bare labels.
    """

    columns: Columns
    outputs: Outputs
    margins: Any
    spread: float | None

    def take(self, chosen: Any) -> "Reference":
        """Return some of the rows with their answers."""
        values, probabilities = (
            None if part is None else part[chosen]
            for part in (self.outputs.values, self.outputs.probabilities)
        )
        margins = None if self.margins is None else self.margins[chosen]
        columns = _rows(self.columns, chosen)
        return Reference(columns, Outputs(values, probabilities), margins, self.spread)


def ask(native: NativeRuntime, columns: Columns, real: int, card: Description) -> Reference:
    """Let a pipeline answer rows, of which the first ones are real."""
    outputs = native.run(columns)
    if outputs.probabilities is not None:
        return Reference(columns, outputs, None, None)
    if card["classes"] is None:
        return Reference(columns, outputs, None, spread_of(outputs.values[:real]))
    margins = _margins(native, columns, outputs)
    spread = None if margins is None else spread_of(margins[:real])
    return Reference(columns, outputs, margins, spread)


def compare(
    load: Callable[[], MarginRuntime], reference: Reference, card: Description,
    *, allowed: float = TOLERANCE,
) -> Parity:  # fmt: skip
    """Compare what would serve with the pipeline that it was made from.

    Loading it is part of the comparison. Some rows are asked one by one, too. The largest
    difference that is allowed is that of `Parity`; 0 demands equal bits.
    """
    rows = len(next(iter(reference.columns.values())))
    try:
        runtime = load()
        together = runtime.run(reference.columns)
        margins = None if reference.margins is None else runtime.margins(reference.columns)
        chosen = np.unique(np.linspace(0, rows - 1, min(rows, SINGLE_ROWS)).astype(int))
        singles = _joined([runtime.run(_rows(reference.columns, [row])) for row in chosen])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base of their own
        return Parity(rows, rows, 0.0, f"it does not run: {' '.join(str(error).split())[:200]}")
    some = reference.take(chosen)
    try:
        differing = _differing(together, reference, card)
        alone = _differing(singles, some, card)
    except KeyError as error:
        return Parity(rows, rows, 0.0, f"it answers the unknown label {error}")
    difference = max(
        _difference(together, reference), _difference(singles, some),
        _margin_difference(margins, reference),
    )  # fmt: skip
    mismatches = int(max(differing.sum(), alone.sum()))
    reason = ""
    if mismatches or not difference <= allowed:
        reason = _reason(mismatches, rows, difference, card)
    return Parity(rows, mismatches, difference, reason)


def differs_alone(native: NativeRuntime, reference: Reference, card: Description) -> bool:
    """Return whether a pipeline answers rows otherwise alone than together."""
    rows = range(len(next(iter(reference.columns.values()))))
    singles = _joined([native.run(_rows(reference.columns, [row])) for row in rows])
    differing = _differing(singles, reference, card).any()
    return bool(differing or not _difference(singles, reference) <= TOLERANCE)


def measure(runtime: Runtime, columns: Columns) -> dict[str, float]:
    """Measure the seconds of ``one_row`` and ``thousand_rows``, the best of several runs."""
    one_row = {name: values[:1] for name, values in columns.items()}
    times = -(-1000 // len(next(iter(columns.values()))))
    thousand = {name: (list(values) * times)[:1000] for name, values in columns.items()}
    return {"one_row": _best(runtime, one_row, 10), "thousand_rows": _best(runtime, thousand, 3)}


def is_slower(exported: Mapping[str, float], native: Mapping[str, float]) -> bool:
    """Return whether an export is too slow to serve."""
    return any(
        exported[rows] > slack * native[rows]
        for rows, slack in (("one_row", 1.0), ("thousand_rows", BULK_SLACK))
    )


def _reason(mismatches: int, rows: int, difference: float, card: Description) -> str:
    if card["classes"] is None:
        return f"its numbers differ by up to {difference:.2g} of the spread of the answers"
    return f"{mismatches} of {rows} labels differ, by up to {difference:.2g}"


def _differing(outputs: Outputs, reference: Reference, card: Description) -> Any:
    """Return which labels differ, as booleans; a tie of margins may fall either way."""
    pairs = zip(decide(outputs, card), decide(reference.outputs, card), strict=True)
    if card["classes"] is None:
        return np.zeros(len(reference.outputs.values), dtype=bool)
    differing = np.array([not _is_same(ours.value, theirs.value) for ours, theirs in pairs])
    if reference.margins is not None:
        assert reference.spread is not None
        differing &= ~(_distances_to_a_tie(reference.margins) <= _TIE * reference.spread)
    return differing


def _is_same(ours: Any, theirs: Any) -> bool:
    """Compare labels; NaN is the absence of one."""
    return bool(ours == theirs or (ours != ours and theirs != theirs))


def _difference(outputs: Outputs, reference: Reference) -> float:
    theirs = reference.outputs
    if theirs.probabilities is not None:
        if outputs.probabilities.shape != theirs.probabilities.shape:
            return float("inf")
        return _largest(outputs.probabilities, theirs.probabilities)
    if reference.spread is None or reference.margins is not None:
        return 0.0
    shares = share_of_allowed(outputs.values, theirs.values, reference.spread)
    return float(TOLERANCE * shares.max())


def _largest(ours: Any, theirs: Any) -> float:
    """Return the largest difference; rows without a finite answer are alike."""
    is_finite, are_finite = (np.isfinite(part).all(axis=1) for part in (ours, theirs))
    if (is_finite != are_finite).any():
        return float("inf")
    return float(np.abs(ours[is_finite] - theirs[is_finite]).max(initial=0.0))


def _margin_difference(margins: Any, reference: Reference) -> float:
    """Return the largest difference of margins as a share of their spread."""
    if reference.margins is None:
        return 0.0
    if margins is None:
        return float("inf")
    # Of two classes scikit-learn has one margin, and an export has two of opposite signs.
    is_doubled = np.ndim(margins) > np.ndim(reference.margins)
    ours = margins[:, -1] if is_doubled else margins
    if ours.shape != reference.margins.shape:
        return float("inf")
    assert reference.spread is not None
    is_answered = np.isfinite(reference.margins)
    shares = share_of_allowed(ours[is_answered], reference.margins[is_answered], reference.spread)
    return float(TOLERANCE * shares.max(initial=0.0))


def _distances_to_a_tie(margins: Any) -> Any:
    if np.ndim(margins) == 1:
        return np.abs(margins)
    first, second = np.sort(margins, axis=1)[:, :-3:-1].T
    return first - second


def _margins(native: NativeRuntime, columns: Columns, outputs: Outputs) -> Any:
    answered = [row for row, label in enumerate(outputs.values) if label is not None]
    some = native.margins(_rows(columns, answered))
    if some is None:
        return None
    margins = np.full((len(outputs.values), *some.shape[1:]), np.nan)
    margins[answered] = some
    return margins


def _rows(columns: Columns, chosen: Any) -> Columns:
    return {name: np.asarray(values)[chosen] for name, values in columns.items()}


def _joined(parts: list[Outputs]) -> Outputs:
    if parts[0].probabilities is not None:
        return Outputs(None, np.concatenate([part.probabilities for part in parts]))
    return Outputs(np.concatenate([part.values for part in parts]), None)


def _best(runtime: Runtime, columns: Columns, times: int) -> float:
    runtime.run(columns)
    return min(timeit.repeat(lambda: runtime.run(columns), number=1, repeat=times))
