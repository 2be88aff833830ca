"""The training table, checked against the schema and turned into X and y."""

import csv
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.languages import gettext as _
from engine.languages import ngettext
from engine.runtime.native import frame
from engine.schema.fields import GAP_WORDS, UNKNOWN, Field
from engine.schema.messages import did_you_mean, shown, vocabulary
from engine.schema.record_schema import Schema

#: The suffixes of files whose first line is a header.
_TEXT = {".csv", ".tsv", ".txt"}

#: So many columns without a field are remembered, and such long names of them.
_MOST_OTHERS, _LONGEST_NAME = 1000, 200

#: So many remarkable values of a column have a line each.
VALUES_NAMED = {"refused": 10, "accepted": 3}

#: How many row numbers a line lists before it counts the rest.
ROWS_NAMED = 5


class InvalidTable(ValueError):
    """The table does not fit the schema."""

    def __init__(self, problems: list[str]) -> None:
        """Take a line per column and value: the rows, the value, the remedy."""
        super().__init__("\n".join(problems))
        self.problems = problems


def read_table(
    table: pd.DataFrame, schema: Schema, *, is_to_learn_from: bool = True
) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Check every cell, and return what a pipeline is fitted on.

    A field's column may also have the field's name. Columns without a field are ignored,
    and rows without a value at the end. Messages count rows from 1, without
    the header. In a table to learn from, each class needs enough rows.

    Returns
    -------
    X : DataFrame of shape (n_rows, n_fields)
    y : Series of shape (n_rows,)
        bool for a flag, double for a number, categories as declared.
    remarks : list of str
        What the fields' policies accepted, such as numbers out of range.

    Raises
    ------
    InvalidTable
        With all problems: missing columns, rejected values, a single class.
    """
    problems: list[str] = []
    remarks: list[str] = []
    columns: dict[str, np.ndarray] = {}
    names = replace(schema, fields=(*schema.fields, schema.target)).find_columns(table.columns)
    table = _without_empty_rows(table, [*names.sources.values()])
    same = _("columns {name} and {first} are the same field: keep one of them")
    problems += [same.format(name=repr(name), first=repr(first)) for name, first in names.repeated]
    for field in (*schema.inputs, schema.target):
        source = names.sources.get(field.name)
        if source is None:
            hint = did_you_mean(field.column, vocabulary(map(str, table.columns)))
            lost = _("column {column} of field {name} is missing{hint}")
            problems.append(
                lost.format(column=repr(field.column), name=repr(field.name), hint=hint)
            )
            continue
        values, refused, accepted = _read_column(table[source], field)
        is_double = not refused and field is not schema.target and not field.is_text
        columns[field.name] = values.astype(np.float64) if is_double else values  # 8 bytes a cell
        problems += refused
        remarks += accepted
    if not problems and not len(table):
        problems.append(_("the table has no rows"))
    if problems:
        raise InvalidTable(problems)
    y = _target(columns[schema.target.name], schema.target)
    X = frame(columns, schema.inputs)
    if is_to_learn_from:
        _check_content(
            X, table.rename(columns={names.sources[f.name]: f.name for f in schema.inputs}), schema
        )
        if schema.target.classes is not None:
            _check_classes(y, schema.target)
    return X, y, remarks


def other_columns(schema: Schema, data: Path) -> dict[str, list[str]]:
    """Return what a card's schema adds of a file: its columns that no field has.

    A version passes them over, so that the file that it learnt from can be scored as it is.
    """
    names: list[Any] = []
    with suppress(OSError, ValueError, ImportError, csv.Error):  # a format that is scored nowhere
        if data.suffix == ".parquet":
            names = _parquet_columns(data)
        elif not _TEXT.isdisjoint(data.suffixes):
            names = [*pd.read_csv(data, nrows=0, sep=None, engine="python").columns]
    others = (name for name in names if len(name) <= _LONGEST_NAME)
    extras = dict.fromkeys(schema.find_columns(others).extras)
    return {"other_columns": [*extras][:_MOST_OTHERS]} if extras else {}


def _parquet_columns(data: Path) -> list[str]:
    from pyarrow.parquet import read_schema  # optional, as for scoring

    return [*read_schema(data).names]


def _without_empty_rows(table: pd.DataFrame, sources: list[Any]) -> pd.DataFrame:
    """Leave out the rows at the end without a value in any field, as spreadsheets write them."""
    used = table[sources]
    is_gap = used.isna() | (used == "") if len(table) and sources else used
    filled = np.flatnonzero(~is_gap.to_numpy(dtype=bool).all(axis=1))
    return table.iloc[: filled[-1] + 1 if len(filled) else 0] if sources else table


def _read_column(column: pd.Series, field: Field) -> tuple[np.ndarray, list[str], list[str]]:
    codes, values = pd.factorize(column, use_na_sentinel=True)
    cleaned = np.empty(len(values) + 1, dtype=object)  # the last is for gaps, code -1
    gap = [(-1, None)] if (codes == -1).any() else []
    findings: dict[bool, list[tuple[int, str]]] = {True: [], False: []}
    for code, value in [*enumerate(values), *gap]:
        cleaned[code], finding = field.read(_plain(value, field))
        if finding:
            findings[finding.is_refused].append((code, finding.detail))
    refused = _lines(codes, findings[True], field, "refused")
    # What is accepted needs no remedy, which may list all of a category's words.
    details = [(code, detail.partition(_(": send"))[0]) for code, detail in findings[False]]
    accepted = _lines(codes, details, field, "accepted")
    accepted += [
        f"column {field.column!r} (field {field.name!r}) has gaps and never the word {word!r}, "
        "which pandas reads as a gap: read the table with keep_default_na=False"
        for word in GAP_WORDS.difference(values, [""])
        if gap and field.read(word)[1] is None
    ]
    return cleaned[codes], refused, accepted


def _lines(
    codes: np.ndarray, findings: list[tuple[int, str]], field: Field, verb: str
) -> list[str]:
    """Return a line for each of the first remarkable values of a column, and of others a count."""
    column = _("column {column} (field {name})").format(
        column=repr(field.column), name=repr(field.name)
    )
    lines = [
        f"{_rows((np.flatnonzero(codes == code) + 1).tolist())}, {column}: {detail}"
        for code, detail in findings[: VALUES_NAMED[verb]]
    ]
    more = len(findings) - len(lines)
    count = _("{column}: {more} more values are refused")
    if verb == "accepted":
        count = _("{column}: {more} more values are accepted")
    return [*lines, count.format(column=column, more=more)] if more else lines


def _plain(value: Any, field: Field) -> Any:
    """Return a cell as its JSON value.

    One odd cell turns a whole column of numbers into text; the other cells are
    still read as numbers, in the way of the service.
    """
    if isinstance(value, np.generic):
        value = value.item()
    return field.from_cell(value)


def _rows(rows: list[int]) -> str:
    named = ", ".join(map(str, rows[:ROWS_NAMED]))
    more = len(rows) - ROWS_NAMED
    text = ngettext("row {rows}", "rows {rows}", len(rows)).format(rows=named)
    return text + (_(" and {more} more").format(more=more) if more > 0 else "")


def _target(values: np.ndarray, target: Field) -> pd.Series:
    dtype = np.array([0.0] if target.classes is None else target.classes).dtype
    return pd.Series(values, name=target.name).astype(object if dtype.kind == "U" else dtype)


def _check_content(X: pd.DataFrame, table: pd.DataFrame, schema: Schema) -> None:
    """Refuse a table that has a column from which nothing can be learnt."""
    problems = []
    for field in schema.inputs:
        column = _("column {column} (field {name})").format(
            column=repr(field.column), name=repr(field.name)
        )
        is_gap = X[field.name] == field.absent if field.is_text else X[field.name].isna()
        if is_gap.all():
            problems.append(
                _("{column} has no value in any row: correct load_data, or leave it out").format(
                    column=column
                )
            )
        elif (is_gap | (X[field.name] == UNKNOWN)).all():
            words = table[field.name][~is_gap.to_numpy()].astype(str)
            is_padded = words.str.strip().isin(field.words).any()
            problems.append(
                _("{column} has no known word in any row, such as {word}: ").format(
                    column=column, word=shown(words.iloc[0])
                )
                + (
                    _(
                        "its words begin or end with a space; strip them in load_data, as "
                        "skipinitialspace=True of pandas.read_csv does"
                    )
                    if is_padded
                    else _("list its words as the field's categories, or correct load_data")
                )
            )
    if problems:
        raise InvalidTable(problems)


def _check_classes(y: pd.Series, target: Field) -> None:
    counts = y.value_counts()
    scarce = [
        _("{label} ({rows} rows)").format(label=shown(label), rows=count)
        for label, count in counts.items()
        if count < 10
    ]
    if len(counts) < 2 or scarce:
        detail = _(
            "column {column}: a classification needs at least two classes with {rows} rows each; "
            "found {classes} classes"
        ).format(column=repr(target.column), rows=10, classes=len(counts))
        few = _(", too few of {classes}").format(classes=", ".join(scarce)) if scarce else ""
        raise InvalidTable([detail + few])
