"""Rows of cells: where they are split, where the header is, and which rows at the end are sums."""

import csv
import io
import re
from collections import Counter
from typing import Any

import pandas as pd

from engine.languages import gettext as _
from engine.languages import mark
from engine.schema.messages import quoted
from engine.training.infer.numbers import is_number

#: The layout is guessed from so many bytes at the start, and so many rows of them. Within so many
#: no cell is longer than `csv` takes, whose limit holds for the whole process.
SAMPLE_BYTES, SAMPLE_ROWS = 131_072, 500

#: What separates cells, by what it is called; spaces are tried where nothing else will do.
DELIMITERS = {",": mark("commas"), ";": mark("semicolons"), "\t": mark("tabs"), "|": mark("bars"),
              " ": mark("spaces")}  # fmt: skip

_TOTAL = r"(?i)\s*(grand |sub-?)?(total|totals|sum|suma|summe|gesamt|totale|soma|итого)\s*:?\s*"


def split(text: str) -> tuple[str, list[list[str]]]:
    """Return the delimiter at which most rows have the same number of cells, and the rows."""
    best: tuple[float, int, str, list[list[str]]] = (0.0, 1, ",", [])
    for delimiter in DELIMITERS:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter,
                           skipinitialspace=True)  # fmt: skip
        rows = [row for row, _ in zip(lines, range(SAMPLE_ROWS), strict=False)]
        widths = Counter(len(row) for row in rows if row)
        (width, count), *_ = widths.most_common(1) or [(0, 0)]
        share = count / max(1, widths.total())
        is_better = width > 1 and (share, width) > best[:2]
        if is_better and (delimiter != " " or (not best[3] and share == 1)):
            best = (share, width, delimiter, rows)
    if best[3]:
        return best[2], best[3]
    return ",", [[line] for line in text.splitlines() if line.strip()]


def rows_before_header(rows: list[list[str]]) -> int:
    """Count the rows of a title, and of a header of groups above the columns' own.

    A title has fewer cells than the rows below, or only one filled.
    """
    (width, _), *_ = Counter(len(row) for row in rows if row).most_common(1) or [(0, 0)]
    if width < 2:
        return 0
    for place, row in enumerate(rows[:20]):
        filled = sum(bool(cell.strip()) for cell in row)
        if len(row) >= width - 1 and filled > max(1, width / 3):
            return place + _is_header_of_groups(rows[place:])
    return 0


def _is_header_of_groups(rows: list[list[str]]) -> bool:
    """Return whether the first row has gaps or repeats, and the next names each column."""
    if len(rows) < 3:
        return False
    head, names, *body = rows[:20]
    is_grouped = len({*filter(None, head)}) < len(head)
    is_named = all(names) and len({*names}) == len(names) and not any(map(is_number, names))
    columns = zip(*filter(None, body), strict=False)
    return is_grouped and is_named and any(all(map(is_number, column)) for column in columns)


def has_header(rows: list[list[str]]) -> bool:
    """Return whether the first row names the columns: where numbers are below, no number is."""
    head, body = rows[0], rows[1:200]
    if not body:
        return not any(map(is_number, head))
    columns = [
        (cell, [row[place] for row in body if place < len(row) and row[place].strip()])
        for place, cell in enumerate(head)
    ]
    numbers = [cell for cell, below in columns if below and all(map(is_number, below))]
    if numbers:
        cells = [cell for head, below in columns if head in numbers for cell in below]
        are_years = len({*numbers}) == len(numbers) > 1 and all(map(_is_year, numbers))
        return (are_years and not all(map(_is_year, cells))) or not all(map(is_number, numbers))
    return sum(cell in below for cell, below in columns) < max(1, len(columns) / 2)


def header_arguments(rows: list[list[str]], skipped: int) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments of rows that have something above their header, or none, and notes."""
    arguments: dict[str, Any] = {"skiprows": skipped} if skipped else {}
    text = _("rows above the header are ignored ({skipped})")
    notes = [text.format(skipped=skipped)] if skipped else []
    body = [row for row in rows[skipped:] if row]
    if not has_header(body):
        arguments["names"] = [f"column_{place}" for place in range(1, len(body[0]) + 1)]
        notes.append(_("the file has no header: its columns are numbered"))
    repeated = [head for head, count in Counter(filter(None, body[0])).items() if count > 1]
    if "names" not in arguments and repeated:
        text = _("headers that repeat get a number, as in pandas: {listed}")
        notes.append(text.format(listed=", ".join(map(quoted, repeated[:5]))))
    return arguments, notes


def _is_year(cell: str) -> bool:
    return bool(re.fullmatch(r"(19|20)\d\d", cell))


def total_words(frame: pd.DataFrame) -> list[str]:
    """Return the words, such as Total, that mark the last rows as sums of the rows above."""
    last = frame.iloc[-3:].to_numpy(dtype=object).ravel()
    words = dict.fromkeys(word for word in last if re.fullmatch(_TOTAL, str(word)))
    return [word for word in words if frame.eq(word).to_numpy().sum() <= 3]
