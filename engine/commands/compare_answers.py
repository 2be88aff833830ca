"""The answers of two versions to the records of one file, side by side."""

import heapq
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from engine.commands.table_files import answer_file, kind_of
from engine.records.media_types import LINES
from engine.runtime.version import StoredVersion

#: How many rows are named.
_MOST_NAMED = 10


def compare_answers(old: StoredVersion, new: StoredVersion, data: Path) -> dict[str, Any]:
    """Let two versions answer a file, and count where they differ.

    Returns
    -------
    dict
        ``rows``; ``labels_that_differ``, None for regressions;
        ``largest_difference``, of a probability or of a number, None for
        classifiers without probabilities; ``rows_that_differ_most``, from 1.

    Raises
    ------
    Refused
        When the file cannot be read, or one of them refuses records in it.
    """
    kind = kind_of(data, None)
    with ExitStack() as spools:
        files = []
        for version in (old, new):
            spool = answer_file(version, data, kind, LINES)
            spools.callback(spool.close)
            spool.file.seek(0)
            files.append(spool.file)
        read = msgspec.json.Decoder().decode
        pairs = zip(map(read, files[0]), map(read, files[1]), strict=True)
        found = ((*_differ(*pair), -row) for row, pair in enumerate(pairs, start=1))
        return _summary(found, is_regression=old.card["classes"] is None)


def _differ(one: dict[str, Any], other: dict[str, Any]) -> tuple[bool, float]:
    """Tell whether the values differ, and by how much the probabilities or numbers do."""
    is_other = one["value"] != other["value"]
    if "probabilities" in one and "probabilities" in other:
        before, after = one["probabilities"], other["probabilities"]
        return is_other, max(
            abs(before.get(name, 0.0) - after.get(name, 0.0)) for name in {*before, *after}
        )
    if isinstance(one["value"], float) and isinstance(other["value"], float):
        return False, abs(one["value"] - other["value"])
    return is_other, 0.0


def _summary(found: Any, *, is_regression: bool) -> dict[str, Any]:
    rows, others, largest = 0, 0, 0.0
    most: list[tuple[bool, float, int]] = []
    for one in found:
        rows += 1
        others += one[0]
        largest = max(largest, one[1])
        if one[0] or one[1]:
            keep = heapq.heappush if len(most) < _MOST_NAMED else heapq.heappushpop
            keep(most, one)
    return {
        "rows": rows,
        "labels_that_differ": None if is_regression else others,
        "largest_difference": largest,
        "rows_that_differ_most": [-row for *_, row in sorted(most, reverse=True)],
    }
