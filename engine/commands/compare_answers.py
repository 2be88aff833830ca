"""Compare the answers of two versions to the records of one file."""

import heapq
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from engine.commands.table_files import answer_file, kind_of
from engine.records.media_types import LINES
from engine.runtime.version import StoredVersion

#: The number of rows that are listed.
_MOST_LISTED = 10


def compare_answers(old: StoredVersion, new: StoredVersion, data: Path) -> dict[str, Any]:
    """Count where the answers of two versions to a file differ.

    The labels that differ are None for regressions. The largest difference is that
    of a probability or of a number. Raise `CommandError` if a version rejects records.
    """
    kind = kind_of(data, None)
    with ExitStack() as spools:
        files = []
        for version in (old, new):
            spool = spools.enter_context(closing(answer_file(version, data, kind, LINES)))
            spool.file.seek(0)
            files.append(spool.file)
        read = msgspec.json.Decoder().decode
        pairs = zip(map(read, files[0]), map(read, files[1]), strict=True)
        rows = ((*_difference(*pair), -row) for row, pair in enumerate(pairs, start=1))
        return _summary(rows, is_regression=old.card["classes"] is None)


def _difference(old: dict[str, Any], new: dict[str, Any]) -> tuple[bool, float]:
    """Return whether the labels differ, and by how much the probabilities or numbers do."""
    is_other = old["value"] != new["value"]
    if (before := old.get("probabilities")) and (after := new.get("probabilities")):
        classes = {*before, *after}
        return is_other, max(abs(before.get(c, 0.0) - after.get(c, 0.0)) for c in classes)
    if isinstance(old["value"], float) and isinstance(new["value"], float):
        return False, abs(old["value"] - new["value"])
    return is_other, 0.0


def _summary(rows: Iterable[tuple[bool, float, int]], *, is_regression: bool) -> dict[str, Any]:
    """Sum up rows of (is another label, difference, minus the row's number)."""
    count, other_labels, largest = 0, 0, 0.0
    listed: list[tuple[bool, float, int]] = []
    for row in rows:
        count += 1
        other_labels += row[0]
        largest = max(largest, row[1])
        if row[0] or row[1]:  # the heap holds the rows that differ most
            push = heapq.heappush if len(listed) < _MOST_LISTED else heapq.heappushpop
            push(listed, row)
    return {
        "rows": count,
        "labels_that_differ": None if is_regression else other_labels,
        "largest_difference": largest,
        "rows_that_differ_most": [-row for *_, row in sorted(listed, reverse=True)],
    }
