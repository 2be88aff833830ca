"""Predicted values alone, for MLflow's and SageMaker's clients."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.records.problems import PROBLEMS_LISTED
from engine.records.spool import Spool
from engine.records.validation import Accepted
from engine.records.writers import Writer
from engine.runtime.answers import Decisions, class_name
from engine.runtime.version import StoredVersion


class ValuesWriter(Writer):
    """One JSON object: ``predictions``, a list of values, then the model and the warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        super().__init__(version, spool)
        self._begin = b'{"predictions":['
        self._warnings: list[dict[str, Any]] = []

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        values = msgspec.json.encode(self._columns[0].labelled(decisions))
        self._spool.write(self._begin + values[1:-1])
        self._begin = b","
        left = PROBLEMS_LISTED - len(self._warnings)
        self._warnings += [warning.problem._asdict() for warning in warnings[:left]]

    def finish(self) -> None:
        served = {"name": self._version.name, "version": self._version.version}
        warnings = {"warnings": self._warnings} if self._warnings else {}
        end = {"model": served, **warnings}
        self._spool.write(b"]," + msgspec.json.encode(end)[1:] + b"\n")


class ValueLinesWriter(Writer):
    """CSV of one column without a header or warnings: a line for each record."""

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        values = self._columns[0].labelled(decisions)
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([class_name(value)] for value in values)
        self._spool.write(lines.getvalue().encode())
