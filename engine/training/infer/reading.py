"""A table of any layout, read as text, with the call that reads it in a model file."""

import csv
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.languages import gettext as _
from engine.schema.messages import quoted
from engine.training.infer.layout import Code
from engine.training.infer.rows import (
    SAMPLE_ROWS,
    header_arguments,
    rows_before_header,
    total_words,
)
from engine.training.infer.source import Source, UnreadableTable
from engine.training.infer.text_file import read_text
from persistence.database import DatabaseError, is_database, read_database

#: The step of a model file for columns of durations.
_SECONDS = 'table.assign(**table.select_dtypes("timedelta") / pd.Timedelta("1s"))'


def read_source(place: str, table: str = "") -> Source:
    """Read a CSV, TSV, Parquet, JSON or Excel file, which its name's ending tells, or a database.

    Raise `UnreadableTable` where it is not what its name says, or has no row.
    """
    path = Path(place)
    readers: dict[str, Callable[[Path], Source]] = {
        ".parquet": _parquet, ".json": _json, ".jsonl": _json, ".ndjson": _json,
        ".xlsx": _excel, ".xlsm": _excel, ".xls": _excel,
    }  # fmt: skip
    try:
        if is_database(place):
            frame = read_database(place, table)
            source = _typed(frame, "read_database", {"table": table}, _("database"))
        elif path.is_file():
            source = readers.get(path.suffix.lower(), read_text)(path)
        else:
            what = (
                _("{place} is a folder").format(place=place)
                if path.is_dir()
                else _("there is no file {place}").format(place=place)
            )
            raise UnreadableTable(_("{what}: give the path of a table").format(what=what))
    except UnreadableTable:
        raise
    except DatabaseError as error:
        raise UnreadableTable(str(error)) from error
    except (ValueError, TypeError, OSError, EOFError, RecursionError, csv.Error) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnreadableTable(
            _("{place} cannot be read: {reason}").format(place=place, reason=reason[0].rstrip("."))
        ) from error
    if not source.frame.shape[0] or not source.frame.shape[1]:
        raise UnreadableTable(
            _("{place} has no rows below its header: give a table with rows").format(place=place)
        )
    return _without_totals(source)


def _without_totals(source: Source) -> Source:
    """Leave out rows of sums."""
    if not (words := total_words(source.frame)):
        return source
    is_total = source.frame.isin(words).any(axis=1)
    text = _("rows of {words} are left out ({rows})")
    note = text.format(words=", ".join(map(quoted, words)), rows=is_total.sum())
    return replace(
        source, frame=source.frame[~is_total].reset_index(drop=True), totals=tuple(words),
        notes=[*source.notes, note],
    )  # fmt: skip


def _parquet(path: Path) -> Source:
    if not find_spec("pyarrow"):
        raise UnreadableTable(_not_installed(path, "pyarrow"))
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            raise UnreadableTable(
                _("{path} is not Parquet, whatever its name: give another file").format(path=path)
            )
    return _typed(pd.read_parquet(path), "read_parquet", {}, "Parquet")


def _json(path: Path) -> Source:
    with path.open(encoding="utf-8-sig") as file:
        start = file.read(1024).lstrip()
    if start[:1] not in ("[", "{"):
        raise UnreadableTable(
            _("{path} is not JSON: give a list of records, or one a line").format(path=path)
        )
    arguments: dict[str, Any] = {"dtype": False}
    if start[0] == "{":
        arguments |= _object_arguments(path)
    return _typed(pd.read_json(path, **arguments), "read_json", arguments, "JSON")


def _object_arguments(path: Path) -> dict[str, Any]:
    """Return how a file that begins with an object is read: one a line, or one that has all."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        return {"lines": True}
    if {*whole} >= {"columns", "data"}:
        return {"orient": "split"}
    if all(isinstance(column, dict) for column in whole.values()):
        return {"orient": "columns"}
    lists = [key for key, value in whole.items() if isinstance(value, list)]
    remedy = (
        _("save the list under {lists}").format(lists=quoted(lists[0]))
        if lists
        else _("give a list of records")
    )
    raise UnreadableTable(
        _("{path} is one object and no table: {remedy} as a file of its own").format(
            path=path, remedy=remedy
        )
    )


def _excel(path: Path) -> Source:
    package = "xlrd" if path.suffix.lower() == ".xls" else "openpyxl"
    if not find_spec(package):
        raise UnreadableTable(_not_installed(path, package))
    with path.open("rb") as file:
        if file.read(2) not in (b"PK", b"\xd0\xcf"):
            raise UnreadableTable(
                _("{path} is not an Excel workbook: name it as what it is").format(path=path)
            )
    sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object)
    first = next((name for name, sheet in sheets.items() if min(sheet.shape) > 1), None)
    first = next(iter(sheets)) if first is None else first
    head = sheets[first].head(SAMPLE_ROWS).to_numpy()
    rows = [[_spelled(cell) for cell in row] for row in head]
    arguments, notes = header_arguments(rows, rows_before_header(rows)) if rows else ({}, [])
    if "names" in arguments:
        arguments["header"] = None
    if len(sheets) > 1:
        arguments = {"sheet_name": first, **arguments}
        notes.append(
            _("the sheet {first} is read, of {sheets}").format(
                first=quoted(first), sheets=len(sheets)
            )
        )
    # Without it pandas reads the text 007 as the number 7.
    frame = pd.read_excel(path, **arguments, dtype=object)
    arguments["dtype"] = Code("object")
    return _typed(frame, "read_excel", arguments, "Excel", notes)


def _not_installed(path: Path, package: str) -> str:
    text = _("{path} needs {package}, which is not installed: run .venv/bin/pip install {package}, "
             "or save the table as CSV")  # fmt: skip
    return text.format(path=path, package=package)


def _typed(
    frame: pd.DataFrame, function: str, arguments: dict[str, Any], layout: str,
    notes: list[str] | None = None,
) -> Source:  # fmt: skip
    """Spell the cells of a frame that has types; objects in them become columns."""
    steps = []
    if any(name is not None for name in frame.index.names):
        steps.append("table.reset_index()")
        frame = frame.reset_index()
    if not all(isinstance(name, str) for name in frame):
        steps.append("table.rename(columns=str)")
        frame = frame.rename(columns=str)
    if _columns_of(frame, dict):
        steps.append('pd.json_normalize(table.to_dict("records"))')
        frame = pd.json_normalize(frame.to_dict("records"))
    spans = frame.select_dtypes("timedelta")
    if len(spans.columns):
        steps.append(_SECONDS)
        frame = frame.assign(**spans / pd.Timedelta("1s"))
        text = _("durations are read in seconds: {columns}")
        notes = [*(notes or []), text.format(columns=", ".join(map(quoted, spans)))]
    nested = _columns_of(frame, (dict, list, np.ndarray, bytes, dt.timedelta))
    frame = frame.reset_index(drop=True)
    texts = pd.DataFrame({name: frame[name].map(_spelled).astype(object) for name in frame})
    has_empty = bool((texts.eq("") & frame.notna()).to_numpy().any())
    return Source(
        texts, function, arguments, layout, tuple(steps), nested, notes or [], has_empty
    )  # fmt: skip


def _columns_of(frame: pd.DataFrame, kinds: type | tuple[type, ...]) -> frozenset[str]:
    """Return the columns that have cells of some kinds."""
    return frozenset(
        name
        for name in frame
        if frame[name].dtype == object and any(isinstance(cell, kinds) for cell in frame[name])
    )


def _spelled(cell: Any) -> str:
    if isinstance(cell, (dict, list, np.ndarray, bytes)):
        return json.dumps(cell, default=str)
    return "" if pd.isna(cell) else str(cell)
