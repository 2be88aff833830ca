"""Predicted values alone, for MLflow's and SageMaker's clients."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.records.problems import PROBLEMS_LISTED
from engine.records.spool import Spool
from engine.records.validation import Accepted
from engine.records.writers import Writer, csv_text
from engine.runtime.answers import Decisions, class_name
from engine.runtime.version import StoredVersion


class ValuesWriter(Writer):
    """One JSON object: ``predictions``, a list of values, then the model and the warnings."""

    def __init__(self, version: StoredVersion, spool: Spool) -> None:
        super().__init__(version, spool)
        self._begin = b'{"predictions":['
        self._echoes = [
            (column, Spool(spool.most, what=spool.what))
            for column in self._columns
            if column.is_echo
        ]
        self._warnings: list[dict[str, Any]] = []

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        values = msgspec.json.encode(self._columns[0].labelled(decisions))
        self._spool.write(self._begin + values[1:-1])
        self._begin = b","
        for column, echo in self._echoes:
            echo.write(b"," + msgspec.json.encode(column.values(decisions))[1:-1])
        left = PROBLEMS_LISTED - len(self._warnings)
        self._warnings += [warning.problem._asdict() for warning in warnings[:left]]

    def finish(self) -> None:
        served = {"name": self._version.name, "version": self._version.version}
        warnings = {"warnings": self._warnings} if self._warnings else {}
        end = {"model": served, **warnings}
        before = b'],"identifiers":{'
        for column, echo in self._echoes:
            self._spool.write(before + msgspec.json.encode(column.name) + b":[")
            for place, piece in enumerate(echo):
                self._spool.write(piece if place else piece[1:])
            echo.close()
            before = b"],"
        self._spool.write(
            (b"]}," if self._echoes else b"],") + msgspec.json.encode(end)[1:] + b"\n"
        )


class ValueLinesWriter(Writer):
    """CSV without a header or warnings: for each record the value, and identifiers."""

    def add(self, decisions: Decisions, warnings: Sequence[Accepted]) -> None:
        echoes = [column.values(decisions) for column in self._columns if column.is_echo]
        values = map(class_name, self._columns[0].labelled(decisions))
        rows = zip(values, *echoes, strict=True)
        self._spool.write("".join(csv_text(rows)).encode())
