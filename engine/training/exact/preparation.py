"""What an estimator sees of a record, asked of the fitted preparation itself.

Rows are made for it in which each field has a value of its own, since each column of numbers
that can be evaluated exactly depends on one field alone.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sklearn import config_context

from engine.preprocessing.date_parts import DAY, END, FIRST
from engine.runtime.exact_contents import SlotKind
from engine.runtime.native import frame
from engine.schema.fields import Field
from engine.training.exact.exact_file import Slot
from engine.training.exact.refusal import NotExact
from engine.training.exact.steps import Column, Shape, columns_after

#: Numbers of a batch, for whole numbers of so many values at most a table is made.
_BATCH, _MOST_CODES = 1 << 22, 4096
_LARGEST = float(np.finfo(np.float64).max)


class Preparation:
    """The steps before an estimator; `columns` describes what the last of them makes."""

    def __init__(
        self, fields: Sequence[Field], columns: Sequence[Column],
        steps: tuple[Callable[[Any], Any], ...] = (),
    ) -> None:  # fmt: skip
        self.fields = fields
        self.columns = list(columns)
        self._steps = steps
        self._parts: dict[tuple[int, SlotKind], Any] = {}
        self._usual = [field.read(field.example)[0] for field in fields]

    @classmethod
    def before(cls, fields: Sequence[Field]) -> "Preparation":
        """Return the preparation without any step: the frame of the fields."""
        return cls(fields, [Column(frozenset([place])) for place in range(len(fields))])

    def after(self, step: Any) -> "Preparation":
        """Return the preparation with one more step, a fitted transformer."""
        if step is None or isinstance(step, str):
            return self
        columns = columns_after(step, self.columns)
        return Preparation(self.fields, columns, (*self._steps, step.transform))

    def of(self, places: Any) -> "Preparation":
        """Return the preparation of some of the columns, as an array."""
        columns = [self.columns[place] for place in places]
        return Preparation(self.fields, columns, (*self._steps, _Take(places)))

    def rows(self, values: Mapping[int, Any]) -> Any:
        """Return the columns, of shape (n, n_columns), for n values of some of the fields.

        The other fields have their examples. Doubles come out as they are: what is too large
        is not refused.
        """
        size = len(next(iter(values.values()))) if values else 1
        step = self._rows_at_once
        parts = [
            self._some({place: part[at : at + step] for place, part in values.items()})
            for at in range(0, size, step)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def cells(self, columns: Any, owners: Any, numbers: Any) -> Any:
        """Return single cells: of each of some columns, for one number of the field it owns."""
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners, minlength=len(self.fields))
        row = np.empty(len(owners), np.intp)
        row[order] = np.concatenate([np.arange(count) for count in counts])
        size = int(counts.max(initial=0))
        values = {}
        for place, part in enumerate(np.split(numbers[order], np.cumsum(counts)[:-1])):
            if len(part):
                values[place] = np.full(size, self._usual[place], np.float64)
                values[place][: len(part)] = part
        cells = np.empty(len(owners))
        step = self._rows_at_once
        for at in range(0, size, step):
            part = self._some({place: rows[at : at + step] for place, rows in values.items()})
            is_here = (row >= at) & (row < at + step)
            cells[is_here] = part[row[is_here] - at, columns[is_here]]
        return cells

    def field_of(self, column: int) -> int:
        """Return the place of the one field that decides a column; -1 if none does."""
        fields = self.columns[column].fields
        if len(fields) > 1:
            names = ", ".join(self.fields[place].name for place in sorted(fields)[:5])
            raise NotExact(
                f"{self.columns[column].step} computes a column from several fields ({names})",
                "leave it out, or compute the column where the data is loaded",
            )
        return next(iter(fields), -1)

    def is_rising(self, column: int) -> bool:
        """Return whether a column's number never falls with that of its field."""
        place = self.field_of(column)
        is_word = place >= 0 and self.fields[place].words
        return not is_word and self.columns[column].shape is not Shape.ANY

    def codes(self, column: int) -> Any:
        """Return the numbers of a column for each code of its field, then that for a gap."""
        place, part = self.field_of(column), self.columns[column].part
        if part is not None:
            return self._by_part(place, part)[:, column]
        if place not in self._by_code or self.columns[column].since >= 0:
            raise NotExact(
                f"{self.columns[column].step} does not keep the numbers of {self.names(column)} "
                "in their order",
                "scale it, bin it with encode='ordinal', or declare a category",
            )
        return self._by_code[place][:, column]

    def slot(self, column: int, gap: float, table: Sequence[float]) -> Slot:
        """Return the slot that shows a number for each code of a column's field."""
        place, part = self.field_of(column), self.columns[column].part
        kind = SlotKind.TABLE if part is None else part
        first = self._years(place)[0] if part is SlotKind.YEAR else 0
        return Slot(place, kind, gap, shift=float(first), table=tuple(map(float, table)))

    def names(self, column: int) -> str:
        """Return the name of the field that decides a column."""
        return self.fields[self.field_of(column)].name

    def takes_gaps(self, column: int) -> bool:
        """Return whether a column's field accepts a gap."""
        places = (self.field_of(column), self.columns[column].since)
        return any(place >= 0 and self.fields[place].missing == "accept" for place in places)

    def ends(self, column: int) -> tuple[float, float]:
        """Return the ends between which the crossings of a column lie, by its field."""
        is_between = self.columns[column].since >= 0  # whose difference may pass the field's range
        return (FIRST, END - 1) if is_between else self.span(self.field_of(column))

    def number(self, column: int, gap: float, shift: float = 0.0, scale: float = 1.0) -> Slot:
        """Return the slot that shows the number of a column's field, or how far it is from another.

        Raise `NotExact` if a gap in one of two fields comes out otherwise than in the other.
        """
        place, since = self.field_of(column), self.columns[column].since
        if since < 0:
            return Slot(place, SlotKind.NUMBER, gap)
        one, two = self._usual[place] + np.array([0.0, DAY])
        gaps = [[one, np.nan], [two, np.nan], [np.nan, one], [np.nan, two], [np.nan, np.nan]]
        allowed = [self.fields[each].missing == "accept" for each in (place, since)]
        rows = np.array([row for row in gaps if not (np.isnan(row) & ~np.array(allowed)).any()])
        if len(rows):
            cells = self.rows({place: rows[:, 0], since: rows[:, 1]})[:, column]
            if not np.isclose(cells, cells[0], rtol=0, atol=0, equal_nan=True).all():
                names = f"{self.fields[place].name} and {self.fields[since].name}"
                raise NotExact(
                    f"a gap of {names} is filled before the days between them are counted",
                    "fill it behind DateParts",
                )
        return Slot(place, SlotKind.SINCE, gap, shift=shift, scale=scale, since=since)

    def origin(self, column: int) -> float:
        """Return what is subtracted from the field of a column while the others are usual."""
        since = self.columns[column].since
        return 0.0 if since < 0 else float(self._usual[since])

    def span(self, place: int) -> tuple[float, float]:
        """Return the least and the greatest double that a field accepts."""
        low, high = self.fields[place].clean_range()
        return max(low, -_LARGEST), min(high, _LARGEST)

    @property
    def is_sparse(self) -> bool:
        """Whether the table that an estimator sees is sparse."""
        return hasattr(self._table({}), "toarray")

    @property
    def _rows_at_once(self) -> int:
        return max(1, _BATCH // max(1, len(self.columns)))

    @cached_property
    def gaps(self) -> Any:
        """The columns for a record that has a gap wherever one is accepted."""
        values = {
            place: np.array([field.absent], dtype=object if field.words else np.float64)
            for place, field in enumerate(self.fields) if field.missing == "accept"
        }  # fmt: skip
        return self.rows(values)[0]

    @cached_property
    def _by_code(self) -> dict[int, Any]:
        """The columns for all codes of the fields that have codes, a row for each."""
        codes = {
            place: values
            for place in range(len(self.fields))
            if (values := self._values(place)) is not None
        }
        size = max(map(len, codes.values()), default=0)
        filled = {
            place: np.concatenate([values, np.repeat(values[:1], size - len(values))])
            for place, values in codes.items()
        }
        rows = self.rows(filled)
        return {place: rows[: len(values)] for place, values in codes.items()}

    def _years(self, place: int) -> range:
        ends: Any = np.clip(self.span(place), FIRST, END - 1)
        ends = ends.astype("datetime64[s]").astype("datetime64[Y]")
        first, last = (1970 + ends.astype(int)).tolist()
        return range(first, last + 1)

    def _by_part(self, place: int, part: SlotKind) -> Any:
        """The columns for all codes of a part of a field's dates, a row for each; then a gap."""
        if (place, part) not in self._parts:
            days = np.timedelta64(1, "D")
            start = np.datetime64("2000-01-01")  # a Saturday
            dates: Any = {
                SlotKind.YEAR: [np.datetime64(f"{year:04}-02-03") for year in self._years(place)],
                SlotKind.MONTH: [start] + [np.datetime64(f"2000-{n:02}-05") for n in range(1, 13)],
                SlotKind.DAY: [start, *(start + n * days for n in range(31))],
                SlotKind.WEEKDAY: [start + (2 + n) * days for n in range(7)],
                SlotKind.HOUR: [start + np.timedelta64(n, "h") for n in range(24)],
            }[part]
            seconds = np.array(dates, "datetime64[s]").astype(np.float64)
            gap = np.nan if self.fields[place].missing == "accept" else seconds[0]
            self._parts[place, part] = self.rows({place: np.append(seconds, gap)})
        return self._parts[place, part]

    def _values(self, place: int) -> Any:
        """Return the value of each code of a field and that of a gap; None without codes."""
        field = self.fields[place]
        if field.words:
            accepted = set(field.accepted_words)
            usual = field.accepted_words[0]
            words = [word if word in accepted else usual for word in field.words]
            return np.array([*words, usual], dtype=object)
        low, high = self.span(place)
        is_whole = bool(field.array_values) or field.json_schema().get("type") == "integer"
        if not (is_whole and low >= 0 and high < _MOST_CODES):
            return None
        gap = np.nan if field.missing == "accept" else np.ceil(low)
        return np.append(np.maximum(np.arange(int(high) + 1.0), np.ceil(low)), gap)

    def _some(self, values: Mapping[int, Any]) -> Any:
        return _as_numbers(self._table(values), self.fields)

    def _table(self, values: Mapping[int, Any]) -> Any:
        size = len(next(iter(values.values()))) if values else 1
        columns = {
            field.name: values[place] if place in values
            else np.full(size, usual, dtype=object if field.words else np.float64)
            for place, (field, usual) in enumerate(zip(self.fields, self._usual, strict=True))
        }  # fmt: skip
        table: Any = frame(columns, self.fields)
        try:
            with (
                config_context(assume_finite=True), np.errstate(all="ignore"),
                warnings.catch_warnings(),
            ):  # fmt: skip
                warnings.simplefilter("ignore")
                for transform in self._steps:
                    table = transform(table)
        except (ValueError, ArithmeticError, TypeError) as error:
            raise NotExact(
                "its preparation rejects numbers that the fields accept",
                "let it take all of them, or give the fields a minimum and a maximum",
            ) from error
        return table


class _Take:
    """Takes some columns of a table, as bagging does."""

    def __init__(self, places: Any) -> None:
        self._places = places

    def __call__(self, table: Any) -> Any:
        table = table if hasattr(table, "toarray") else np.asarray(table)
        return table[:, self._places]


def _as_numbers(table: Any, fields: Sequence[Field]) -> Any:
    """Return a table as doubles; words, which only a later step reads, become NaN."""
    if hasattr(table, "toarray"):
        return table.toarray().astype(np.float64)
    if hasattr(table, "columns") and len(table.columns) == len(fields):
        table = table.copy()
        for name in table.columns[[kind.kind not in "biuf" for kind in table.dtypes]]:
            table[name] = np.nan
    return np.asarray(table, dtype=np.float64)
