"""Every cell of a table beside its field's policy, and every row beside the declared rules."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from engine.languages import gettext as _
from engine.languages import ngettext
from engine.schema.fields import GAP_WORDS, Field, Finding
from engine.schema.messages import did_you_mean, vocabulary
from engine.schema.record_schema import Schema
from engine.schema.rules import Rule, parse_rule

#: So many remarkable values of a column have a line each.
VALUES_NAMED = {"refused": 10, "accepted": 3}

#: How many row numbers a line lists before it counts the rest.
ROWS_NAMED = 5


@dataclass(frozen=True)
class ColumnCheck:
    """The cells of one column, as its field reads them.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        The clean values, None where a cell is refused.
    cells : ndarray
        The different cells as the table has them, without the gaps.
    counts : ndarray of shape (n_cells + 1,)
        How many rows have each of them; the last counts the gaps.
    findings : dict of int to Finding
        What is remarkable, by the place of its cell; -1 for gaps.
    codes : ndarray of shape (n_rows,)
        The place of each row's cell; empty where nothing is remarkable.
    """

    field: Field
    values: np.ndarray
    cells: Any
    counts: np.ndarray
    findings: dict[int, Finding]
    codes: np.ndarray

    @property
    def refused(self) -> dict[int, Finding]:
        """The findings that no policy accepts."""
        return {code: each for code, each in self.findings.items() if each.is_refused}

    @property
    def gaps(self) -> int:
        """How many cells are empty, or hold a word that stands for that."""
        return sum(int(self.counts[code]) for code in self._gap_codes)

    @cached_property
    def _gap_codes(self) -> list[int]:
        words = [code for code, cell in enumerate(self.cells) if _plain(cell, self.field) is None]
        return [*words, -1]

    def rows_of(self, code: int) -> list[int]:
        """Return the rows with a cell, counted from 1, without the header."""
        return (np.flatnonzero(self.codes == code) + 1).tolist()

    def lines(self, verb: str) -> list[str]:
        """Return a line for each of the first values that are "refused" or "accepted"."""
        is_refused = verb == "refused"
        details = [
            # What is accepted needs no remedy, which may list all of a category's words.
            (code, each.detail if is_refused else each.detail.partition(_(": send"))[0])
            for code, each in self.findings.items()
            if each.is_refused == is_refused
        ]
        column = named_column(self.field)
        lines = [
            f"{written_rows(self.rows_of(code))}, {column}: {detail}"
            for code, detail in details[: VALUES_NAMED[verb]]
        ]
        more = len(details) - len(lines)
        count = _("{column}: {more} more values are refused")
        if not is_refused:
            count = _("{column}: {more} more values are accepted")
        return [*lines, count.format(column=column, more=more)] if more else lines

    def remarks(self) -> list[str]:
        """Return what the field accepted, and each valid word that pandas has read as a gap."""
        lines = self.lines("accepted")
        if not self.counts[-1]:
            return lines
        return lines + [
            f"column {self.field.column!r} (field {self.field.name!r}) has gaps and never the word "
            f"{word!r}, which pandas reads as a gap: read the table with keep_default_na=False"
            for word in GAP_WORDS.difference(self.cells, [""])
            if self.field.read(word)[1] is None
        ]


@dataclass(frozen=True)
class TableCheck:
    """What a table is to a schema and its rules.

    Attributes
    ----------
    table : DataFrame
        The table without the rows at its end that have no value.
    fields : tuple of str
        The names of the fields that were looked for.
    columns : dict of str to ColumnCheck
        By the names of the fields, of those whose column is there.
    sources : dict of str to str
        By the name of a field, the column that holds its values.
    missing : dict of str to str
        A sentence for each field whose column is not there.
    problems : list of str
        What else keeps the whole table from being read, such as having no rows.
    broken : dict of Rule to ndarray of shape (n_rows,)
        Whether each row breaks a rule.
    """

    table: pd.DataFrame
    fields: tuple[str, ...]
    columns: dict[str, ColumnCheck]
    sources: dict[str, str]
    missing: dict[str, str]
    problems: list[str]
    broken: dict[Rule, np.ndarray]

    @property
    def is_readable(self) -> bool:
        """Whether the table has rows, and each field its column."""
        return not self.problems and not self.missing

    @cached_property
    def is_rejected(self) -> np.ndarray:
        """Whether each row has a refused cell, or breaks a rule."""
        rejected = np.zeros(len(self.table), dtype=bool)
        for column in self.columns.values():
            if column.refused:
                rejected |= np.isin(column.codes, [*column.refused])
        for breaks in self.broken.values():
            rejected |= breaks
        return rejected

    @cached_property
    def reasons(self) -> dict[str, int]:
        """How many rows are rejected for each reason, the most frequent first.

        A row may have several. They are the same in every language.
        """
        counts: dict[str, int] = {}
        for name, column in self.columns.items():
            for code, finding in column.refused.items():
                reason = f"{name}: {finding.code.words}"
                counts[reason] = counts.get(reason, 0) + int(column.counts[code])
        counts |= {rule.text: int(rows.sum()) for rule, rows in self.broken.items() if rows.any()}
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))

    def fits(self, most: float) -> bool:
        """Return whether the table can be read, and at most a share of its rows is rejected."""
        # 0.29 * 100 is less than 29, and 29 / 100 is 0.29.
        return self.is_readable and int(self.is_rejected.sum()) / len(self.table) <= most

    def row_reasons(self) -> dict[int, list[str]]:
        """Return all that is wrong with each rejected row, by its place from 0."""
        found: dict[int, list[str]] = {row: [] for row in np.flatnonzero(self.is_rejected).tolist()}
        for name, column in self.columns.items():
            refused = column.refused
            for row, code in zip(found, column.codes[[*found]] if refused else (), strict=False):
                if finding := refused.get(int(code)):
                    found[row].append(f"{name} {finding.detail}")
        for rule, breaks in self.broken.items():
            for row in np.flatnonzero(breaks).tolist():
                found[row].append(self.broken_rule(rule, row))
        return found

    def broken_rule(self, rule: Rule, row: int) -> str:
        """Return what is wrong with a row that breaks a rule."""
        values = (f"{name} is {self.columns[name].values[row]}" for name in rule.names)
        return _("{rule} does not hold: {values}").format(rule=rule.text, values=", ".join(values))

    def lost(self) -> list[str]:
        """Return what keeps the whole table from being read."""
        return [*self.problems, *self.missing.values()]

    def lines(self) -> list[str]:
        """Return a line for each problem: by columns and refused values, then by rules."""
        lines = [*self.problems]
        for name in self.fields:
            column = self.columns.get(name)
            lines += column.lines("refused") if column else [self.missing[name]]
        text = _("{rows}: the rule {rule} does not hold")
        return lines + [
            text.format(rows=written_rows((np.flatnonzero(rows) + 1).tolist()), rule=rule.text)
            for rule, rows in self.broken.items()
            if rows.any()
        ]

    def remarks(self) -> list[str]:
        """Return what the fields' policies accepted, such as numbers out of range."""
        return [line for column in self.columns.values() for line in column.remarks()]


def check_table(
    table: pd.DataFrame, schema: Schema, rules: Iterable[str] = (), *, has_target: bool = True
) -> TableCheck:
    """Check every cell of a table, and every row by the rules.

    A field's column may also have the field's name. Columns without a field are ignored, and
    rows without a value at the end. Without a target, the rows are to be predicted.
    """
    fields = (*schema.inputs, schema.target) if has_target else schema.inputs
    known = (*schema.fields, schema.target) if has_target else schema.fields
    names = replace(schema, fields=known).find_columns(table.columns)
    table = _without_empty_rows(table, [*names.sources.values()])
    same = _("columns {name} and {first} are the same field: keep one of them")
    problems = [same.format(name=repr(name), first=repr(first)) for name, first in names.repeated]
    columns, missing = {}, {}
    for field in fields:
        source = names.sources.get(field.name)
        if source is not None:
            columns[field.name] = _check_column(table[source], field)
            continue
        hint = did_you_mean(field.column, vocabulary(map(str, table.columns)))
        lost = _("column {column} of field {name} is missing{hint}")
        missing[field.name] = lost.format(
            column=repr(field.column), name=repr(field.name), hint=hint
        )
    if not problems and not missing and not len(table):
        problems.append(_("the table has no rows"))
    parsed = [parse_rule(text, (*schema.fields, schema.target)) for text in rules]
    broken = {
        rule: rule.is_broken({name: _doubles(columns[name].values) for name in rule.names})
        for rule in parsed
        if columns.keys() >= set(rule.names)
    }
    order = tuple(field.name for field in fields)
    return TableCheck(table, order, columns, names.sources, missing, problems, broken)


def named_column(field: Field) -> str:
    """Return how a message names the column of a field."""
    text = _("column {column} (field {name})")
    return text.format(column=repr(field.column), name=repr(field.name))


def written_rows(rows: list[int]) -> str:
    """Return how a message names rows: the first ones, and how many more there are."""
    named = ", ".join(map(str, rows[:ROWS_NAMED]))
    more = len(rows) - ROWS_NAMED
    text = ngettext("row {rows}", "rows {rows}", len(rows)).format(rows=named)
    return text + (_(" and {more} more").format(more=more) if more > 0 else "")


def _without_empty_rows(table: pd.DataFrame, sources: list[Any]) -> pd.DataFrame:
    """Leave out the rows at the end without a value in any field, as spreadsheets write them."""
    used = table[sources]
    is_gap = used.isna() | (used == "") if len(table) and sources else used
    filled = np.flatnonzero(~is_gap.to_numpy(dtype=bool).all(axis=1))
    return table.iloc[: filled[-1] + 1 if len(filled) else 0] if sources else table


def _check_column(column: pd.Series, field: Field) -> ColumnCheck:
    codes, cells = pd.factorize(column, use_na_sentinel=True)
    cleaned = np.empty(len(cells) + 1, dtype=object)  # the last is for gaps, code -1
    counts = np.bincount(codes + 1, minlength=len(cells) + 1)
    gap = [(-1, None)] if counts[0] else []
    findings = {}
    for code, cell in [*enumerate(cells), *gap]:
        cleaned[code], finding = field.read(_plain(cell, field))
        if finding:
            findings[code] = finding
    kept = codes if findings else codes[:0]
    return ColumnCheck(field, cleaned[codes], cells, np.roll(counts, -1), findings, kept)


def _doubles(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64)  # None, which is refused, becomes NaN as a gap is


def _plain(value: Any, field: Field) -> Any:
    """Return a cell as its JSON value.

    One odd cell turns a whole column of numbers into text; the other cells are
    still read as numbers, in the way of the service.
    """
    if isinstance(value, np.generic):
        value = value.item()
    return field.from_cell(value)
