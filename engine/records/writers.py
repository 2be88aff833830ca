"""The forms in which many predictions are answered: JSON, CSV, JSON lines.

Each is written block by block, so that a table of any length takes the memory of one block. C code
formats the numbers, which are then put between the constant parts of the rows.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from engine.languages import mark
from engine.records.http_date import http_date
from engine.records.spool import Spool
from engine.records.validation import Accepted
from engine.runtime.answers import AnswerColumn, Decisions, class_name
from engine.runtime.version import StoredVersion

_encode = msgspec.json.encode


class Writer:
    """Writes the predictions of a version in one form."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        self._version = version
        self._columns = version.answer_columns
        self._spool = spool
        self._first = 0

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        """Write the next rows; the warnings name them by their number in the table."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write what comes after the last row; by default nothing."""

    def _by_row(
        self, decisions: Decisions, warnings: Sequence[Accepted]
    ) -> dict[int, list[Accepted]]:
        """Group the warnings of the next rows by the place of their row among these."""
        rows: dict[int, list[Accepted]] = {}
        for warning in warnings:
            rows.setdefault(warning.row - self._first, []).append(warning)
        self._first += decisions.size
        return rows


def write_with(
    writer: type[Writer], version: StoredVersion, decisions: Decisions, warnings: Sequence[Accepted]
) -> Spool:
    """Write all decisions of an answer in the form of a writer."""
    spool = Spool(sys.maxsize, what=mark("the answer"))
    form = writer(version, spool)
    form.add(decisions, warnings)
    form.finish()
    return spool


class JsonWriter(Writer):
    """One object, as for a list of records; the warnings stand at its end."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        super().__init__(version, spool)
        self._rows = _JsonRows(self._columns)
        self._warnings = Spool(spool.most, what=spool.what)
        self._begin = b'{"predictions":['

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        rows = self._rows.write(decisions, [self._rows.end + b"},"] * decisions.size)
        self._spool.write(self._begin + rows[:-1])
        self._begin = b","
        if warnings:
            self._warnings.write(b"," + _encode_problems(warnings)[1:-1])

    def finish(self) -> None:
        served = {"name": self._version.name, "version": self._version.version}
        end = _encode({"prediction_time": http_date(), "model": served})
        self._spool.write(b"]," + end[1:-1])
        before = b',"warnings":['
        for piece in self._warnings:
            self._spool.write(before + piece[1:] if before else piece)
            before = b""
        self._spool.write(b"}\n" if before else b"]}\n")
        self._warnings.close()


class LinesWriter(Writer):
    """A line of JSON for each prediction, with its warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        super().__init__(version, spool)
        self._rows = _JsonRows(self._columns)

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        ends = [self._rows.end + b"}\n"] * decisions.size
        for place, of_row in self._by_row(decisions, warnings).items():
            problems = _encode_problems(of_row)
            ends[place] = self._rows.end + b',"warnings":' + problems + b"}\n"
        self._spool.write(self._rows.write(decisions, ends))


class CsvWriter(Writer):
    """A header, and a line for each prediction with its warnings in the last cell."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        super().__init__(version, spool)
        self._labels = [
            [csv_line([class_name(label)]) for label in column.labels] for column in self._columns
        ]
        self._spool.write(csv_line(table_names(self._columns)) + b"\n")

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        ends = [b",\n"] * decisions.size
        for place, of_row in self._by_row(decisions, warnings).items():
            ends[place] = b"," + csv_line([warning_text(of_row)]) + b"\n"
        commas = [b","] * decisions.size
        parts: list[list[bytes]] = []
        for column, labels in zip(self._columns, self._labels, strict=True):
            values = column.values(decisions)
            between = b"],[" if column.keys else b","
            if column.is_echo:
                texts = [b"" if value is None else csv_line([str(value)]) for value in values]
            elif labels:
                texts = [labels[at] for at in values]
            else:
                texts = _number_texts(values, between)
            parts += [texts, commas]
        self._spool.write(_weave([*parts[:-1], ends]))


class _JsonRows:
    """Writes predictions as JSON objects, the same bytes as an encoder would.

    Attributes
    ----------
    end : bytes
        What is open at the end of a row, apart from the row's own bracket.
    """

    def __init__(self, columns: Sequence[AnswerColumn]) -> None:
        self._columns: list[tuple[AnswerColumn, list[bytes], list[bytes]]] = []
        begin = b"{"
        for column in columns:
            key = begin + _encode(column.name) + b":"
            labels = [key + _encode(label) for label in column.labels]
            parts = [_encode(part) + b":" for part in column.keys]
            keys = [key + b"{" + parts[0], *(b"," + part for part in parts[1:])] if parts else [key]
            self._columns.append((column, keys, labels))
            constants = _encode(dict(column.constants))[1:-1]
            begin = (b"," + constants if constants else b"") + (b"}," if parts else b",")
        self.end = begin[:-1]

    def write(self, decisions: Decisions, ends: list[bytes]) -> bytes:
        """Write rows, each with its end."""
        woven: list[list[bytes]] = []
        for column, keys, labels in self._columns:
            values = column.values(decisions)
            if labels or column.is_echo:
                woven.append(
                    [labels[place] for place in values]
                    if labels
                    else [keys[0] + _encode(value) for value in values]
                )
                continue
            texts = _number_texts(values.ravel(), b",")
            for place, key in enumerate(keys):
                woven += [[key] * decisions.size, texts[place :: len(keys)]]
        return _weave([*woven, ends])


def table_names(columns: Sequence[AnswerColumn]) -> list[str]:
    """List the columns of an answer that is a table."""
    return [*(header for column in columns for header in column.headers), "warnings"]


def warning_text(warnings: Sequence[Accepted]) -> str:
    """Write the warnings of one row as a sentence."""
    return "; ".join(f"{warning.field} {warning.problem.detail}" for warning in warnings)


def _encode_problems(warnings: Sequence[Accepted]) -> bytes:
    return _encode([warning.problem._asdict() for warning in warnings])


def _number_texts(numbers: Any, between: bytes) -> list[bytes]:
    """Write finite doubles, each as short as reads back the same."""
    return _encode(numbers.tolist()).strip(b"[]").split(between)


def _weave(parts: Sequence[Sequence[bytes]]) -> bytes:
    """Join the first of every part, then the second of every part, and so on."""
    woven = [b""] * (len(parts) * len(parts[0]))
    for place, part in enumerate(parts):
        woven[place :: len(parts)] = part
    return b"".join(woven)


class _Echo:
    """A file for `csv.writer`, whose ``writerow`` then returns the line."""

    def __init__(self, end: str) -> None:
        self._end = end

    def write(self, line: str) -> str:
        """Return the line with its own end."""
        return line.removesuffix("\r\n") + self._end


def csv_text(rows: Iterable[Sequence[Any]], delimiter: str = ",", end: str = "\n") -> Iterator[str]:
    """Return rows as lines of CSV, which have quotes around a line end of any kind in a cell."""
    # The writer quotes the characters of its line end: it gets both, and they are cut off again.
    writer: Any = csv.writer(_Echo(end), delimiter=delimiter, lineterminator="\r\n")
    return map(writer.writerow, rows)


def csv_line(cells: Sequence[str]) -> bytes:
    """Return cells as a line of CSV without its end."""
    return next(csv_text([cells], end="")).encode()
