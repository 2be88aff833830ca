"""The forms in which many predictions are answered: JSON, CSV, JSON lines, Arrow.

Each is written block by block, so that a table of any length takes the memory
of one block. Numbers are written once each, in C, and put between the constant
parts of the rows.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from engine.records.http_date import http_date
from engine.records.spool import Spool
from engine.records.strict_json import class_name
from engine.records.validation import Accepted
from engine.runtime.version import Decisions, StoredVersion


class Writer(Protocol):
    """Writes predictions in one form."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None: ...

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows; the warnings name them by their number in the table."""
        ...

    def finish(self) -> None:
        """Write what comes after the last row."""
        ...


class JsonWriter:
    """One object, as for a list of records."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        self._version = version
        self._rows = _JsonRows(version)
        self._spool = spool
        self._warnings = Spool(spool.most, what=spool.what)
        self._begin = b'{"predictions":['

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows, and keep the warnings for the end."""
        rows = self._rows.write(decisions, [self._rows.end + b"},"] * decisions.size)
        self._spool.write(self._begin + rows[:-1])
        self._begin = b","
        if warnings:
            found = msgspec.json.encode([one.problem._asdict() for one in warnings])
            self._warnings.write(b"," + found[1:-1])

    def finish(self) -> None:
        """Write time, model and warnings."""
        served = {"name": self._version.name, "version": self._version.version}
        found = msgspec.json.encode({"prediction_time": http_date(), "model": served})
        self._spool.write(b"]," + found[1:-1])
        before = b',"warnings":['
        for piece in self._warnings:
            self._spool.write(before + piece[1:] if before else piece)
            before = b""
        self._spool.write(b"}\n" if before else b"]}\n")
        self._warnings.close()


class LinesWriter:
    """A line of JSON for each prediction, with its warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        self._rows = _JsonRows(version)
        self._spool = spool
        self._first = 0

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows."""
        ends = [self._rows.end + b"}\n"] * decisions.size
        for row, found in by_row(warnings).items():
            written = msgspec.json.encode([one.problem._asdict() for one in found])
            ends[row - self._first] = self._rows.end + b',"warnings":' + written + b"}\n"
        self._spool.write(self._rows.write(decisions, ends))
        self._first += decisions.size

    def finish(self) -> None:
        """Nothing comes after the last row."""


class CsvWriter:
    """A header, and a line for each prediction with its warnings in the last cell."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        self._values = [_cell(class_name(label)) for label in version.card["classes"] or ()]
        self._spool = spool
        self._spool.write(b",".join(map(_cell, column_names(version))) + b"\n")
        self._first = 0

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows."""
        ends = [b",\n"] * decisions.size
        for row, found in by_row(warnings).items():
            ends[row - self._first] = b"," + _cell(warning_text(found)) + b"\n"
        self._first += decisions.size
        if decisions.chosen is None:
            values = _number_texts(decisions.numbers, b",")
        else:
            values = [self._values[place] for place in decisions.chosen]
        parts = [values, ends]
        if decisions.probabilities is not None:
            shares = _number_texts(with_chosen(decisions), b"],[")
            parts = [values, [b","] * decisions.size, shares, ends]
        self._spool.write(_weave(parts))

    def finish(self) -> None:
        """Nothing comes after the last row."""


class _JsonRows:
    """Writes predictions as JSON objects, the same bytes as an encoder would.

    Attributes
    ----------
    end : bytes
        What is open at the end of a row, apart from the row itself.
    """

    def __init__(self, version: StoredVersion) -> None:
        classes = version.card["classes"] or ()
        self._values = [b'{"value":' + msgspec.json.encode(label) for label in classes]
        self._keys = []
        if version.card["has_probabilities"]:
            names = [msgspec.json.encode(class_name(label)) + b":" for label in classes]
            self._keys = [b',"probabilities":{' + names[0], *(b"," + one for one in names[1:])]
            self._values = [value + b',"probability":' for value in self._values]
        self.end = b"}" if self._keys else b""

    def write(self, decisions: Decisions, ends: list[bytes]) -> bytes:
        """Write rows, each with its end."""
        count = decisions.size
        if decisions.chosen is None:
            numbers = _number_texts(decisions.numbers, b",")
            return _weave([[b'{"value":'] * count, numbers, ends])
        parts = [[self._values[place] for place in decisions.chosen]]
        if decisions.probabilities is not None:
            width = len(self._keys) + 1
            shares = _number_texts(with_chosen(decisions).ravel(), b",")
            parts.append(shares[::width])
            for place, key in enumerate(self._keys, start=1):
                parts += [[key] * count, shares[place::width]]
        return _weave([*parts, ends])


def column_names(version: StoredVersion) -> list[str]:
    """Name the columns of an answer that is a table."""
    if not version.card["has_probabilities"]:
        return ["value", "warnings"]
    shares = [f"probability_{class_name(label)}" for label in version.card["classes"]]
    return ["value", "probability", *shares, "warnings"]


def by_row(warnings: Sequence[Accepted]) -> dict[int, list[Accepted]]:
    """Gather warnings by the number of their row."""
    found: dict[int, list[Accepted]] = {}
    for one in warnings:
        found.setdefault(one.row, []).append(one)
    return found


def warning_text(warnings: Sequence[Accepted]) -> str:
    """Write the warnings of one row as a sentence."""
    return "; ".join(f"{one.field} {one.problem.detail}" for one in warnings)


def with_chosen(decisions: Decisions) -> Any:
    """Put the probability of each predicted class before those of all."""
    shares = decisions.probabilities
    chosen = shares[np.arange(len(shares)), decisions.chosen]
    return np.column_stack([chosen, shares])


def _number_texts(numbers: Any, between: bytes) -> list[bytes]:
    """Write finite doubles, each as short as reads back the same."""
    return msgspec.json.encode(numbers.tolist()).strip(b"[]").split(between)


def _weave(parts: Sequence[Sequence[bytes]]) -> bytes:
    """Join the first of every part, then the second of every part, and so on."""
    woven = [b""] * (len(parts) * len(parts[0]))
    for place, part in enumerate(parts):
        woven[place :: len(parts)] = part
    return b"".join(woven)


def _cell(text: str) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([text])  # quotes what its line end has
    return line.getvalue()[:-2].encode()
