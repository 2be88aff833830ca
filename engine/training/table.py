"""The training table, checked against the schema and turned into X and y."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from engine.cards.facts import written_reasons
from engine.languages import gettext as _
from engine.languages import local_number
from engine.runtime.native import frame
from engine.schema.card import SetAsideEntry
from engine.schema.definition import ModelDefinition
from engine.schema.fields import UNKNOWN, Field
from engine.schema.messages import shown
from engine.schema.record_schema import Schema
from engine.training.table_check import TableCheck, check_table, named_column

#: The suffixes of files whose first line is a header.
_TEXT = {".csv", ".tsv", ".txt"}

#: So many columns without a field are remembered, and such long names of them.
_MOST_OTHERS, _LONGEST_NAME = 1000, 200


class InvalidTable(ValueError):
    """The table does not fit the schema."""

    def __init__(self, problems: list[str]) -> None:
        """Take a line per column and value: the rows, the value, the remedy."""
        super().__init__("\n".join(problems))
        self.problems = problems


class TrainingRows(NamedTuple):
    """The rows that a model learns from and is judged by.

    `table` has them as they were read, `X` and `y` as the pipeline takes them; the remarks say
    what the fields' policies accepted. `set_aside` is what a card says of the rows that were
    left out; it is None where the model file declares nothing about them.
    """

    table: pd.DataFrame
    X: pd.DataFrame
    y: pd.Series
    remarks: list[str]
    set_aside: SetAsideEntry | None


def read_training_rows(table: pd.DataFrame, definition: ModelDefinition) -> TrainingRows:
    """Check a table, and set the rows aside that break a policy or a rule.

    Raises
    ------
    InvalidTable
        When they are more than the model file declares, or nothing can be learnt from the rest.
    """
    check = check_table(table, definition.schema, definition.rules)
    refuse_rejected(check, definition.set_aside)
    X, y = _clean(check, definition.schema)
    table = check.table[~check.is_rejected].reset_index(drop=True)
    _check_learnable(check, table, X, y, definition.schema)
    entry: SetAsideEntry | None = None
    if definition.set_aside or definition.rules:
        entry = {
            "most": float(definition.set_aside), "rules": list(definition.rules),
            "rows": int(check.is_rejected.sum()), "reasons": check.reasons,
        }  # fmt: skip
    return TrainingRows(table, X, y, check.remarks(), entry)


def refuse_rejected(check: TableCheck, most: float) -> None:
    """Raise InvalidTable where a table cannot be read, or more rows are rejected than a share."""
    if check.fits(most):
        return
    problems = check.lines()
    if most and check.is_readable:
        problems.insert(0, too_many_text(check, most))
    raise InvalidTable(problems)


def too_many_text(check: TableCheck, most: float) -> str:
    """Say that more rows are rejected than may be set aside, and why."""
    rejected, rows = int(check.is_rejected.sum()), len(check.table)
    text = _(
        "{rejected} of {rows} rows break the rules of the data ({share}); at most {most} may be "
        "set aside: {reasons}"
    )
    return text.format(
        rejected=rejected, rows=rows, share=local_number(f"{100 * rejected / rows:.3g}%"),
        most=local_number(f"{100 * most:.3g}%"), reasons=written_reasons(check.reasons),
    )  # fmt: skip


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
    check = check_table(table, schema)
    refuse_rejected(check, 0)
    X, y = _clean(check, schema)
    if is_to_learn_from:
        _check_learnable(check, check.table, X, y, schema)
    return X, y, check.remarks()


def _clean(check: TableCheck, schema: Schema) -> tuple[pd.DataFrame, pd.Series]:
    """Return X and y of the rows that are not rejected."""
    is_kept, columns = ~check.is_rejected, {}
    for name, column in check.columns.items():
        values = column.values if is_kept.all() else column.values[is_kept]
        is_double = name != schema.target.name and not column.field.is_text
        columns[name] = values.astype(np.float64) if is_double else values  # 8 bytes a cell
    return frame(columns, schema.inputs), _target(columns[schema.target.name], schema.target)


def _check_learnable(
    check: TableCheck, table: pd.DataFrame, X: pd.DataFrame, y: pd.Series, schema: Schema
) -> None:
    """Raise InvalidTable where nothing can be learnt from a column, or from a class."""
    if not len(X):
        raise InvalidTable([_("the table has no rows")])
    names = {check.sources[field.name]: field.name for field in schema.inputs}
    _check_content(X, table.rename(columns=names), schema)
    if schema.target.classes is not None:
        _check_classes(y, schema.target)


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


def _target(values: np.ndarray, target: Field) -> pd.Series:
    dtype = np.array([0.0] if target.classes is None else target.classes).dtype
    return pd.Series(values, name=target.name).astype(object if dtype.kind == "U" else dtype)


def _check_content(X: pd.DataFrame, table: pd.DataFrame, schema: Schema) -> None:
    """Refuse a table that has a column from which nothing can be learnt."""
    problems = []
    for field in schema.inputs:
        column = named_column(field)
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
