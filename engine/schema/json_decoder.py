"""Valid records straight from the bytes of a JSON body, or from columns of values.

One pass of a typed decoder does what `Field.read` does value by value. It explains
nothing: who gets None reads the body again, field by field, and lists what is wrong.
"""

import math
import re
import struct
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from engine.schema.kinds.number import LARGEST_PLAIN
from engine.schema.record_schema import Schema, dtype_of

_astuple = msgspec.structs.astuple

#: What may stand in a key that the model ignores; other values are read slowly.
_TEXT = Annotated[str, Meta(max_length=1000)]
_SCALAR = (
    bool | None | _TEXT | Annotated[float, Meta(ge=-LARGEST_PLAIN, le=LARGEST_PLAIN)] | UnsetType
)

#: The beginning of an object, up to the value of its first key.
_FIRST_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"(\w+)"[ \t\r\n]*:')

#: What stands for numbers and gaps in a list.
_NUMBERS = frozenset((int, float, type(None)))

#: A record with a key that has these is read slowly: the decoder takes no such name.
_UNUSUAL = frozenset('"\\') | {*map(chr, range(32))}

#: What keeps a body from being read in one pass; the last are a value without a code, and a whole
#: number that is no double.
_DOUBTS = (
    msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, OverflowError, struct.error
)  # fmt: skip

#: A key with space behind it, or a text that looks so.
_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')


def may_repeat_keys(text: bytes, keys: int) -> bool:
    """Return whether JSON of so many different keys may have one of them twice.

    Every key is followed by a colon. Where texts have colons, too, those behind a quote count:
    within a text there are more of them, never fewer, unless a space stands between.
    """
    if text.count(b":") == keys:
        return False
    return text.count(b'":') != keys or _SPACED_KEY.search(text) is not None


def as_matrix(packed: bytes) -> Any:
    """Return the matrix of one record, in the form of `Decoded.matrix`."""
    return np.frombuffer(bytearray(packed)).reshape(1, -1)  # that may be written to


def only_value(body: bytes) -> tuple[str, bytes] | None:
    """Return the only key of a JSON object, and its value as JSON; None when in doubt.

    If the value is valid JSON, so is the object.
    """
    head = _FIRST_KEY.match(body)
    body = body.rstrip(b" \t\r\n")
    if head is None or not body.endswith(b"}"):
        return None
    return head[1].decode("ascii", "replace"), body[head.end() : -1]


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """Records that are valid and call for no warning.

    The matrix of shape (n_records, n_fields) holds doubles, in the order of the
    schema's fields; categories are codes (`engine.schema.record_schema`). Where a field
    is text without codes, or an identifier, it holds objects. The records are single
    if the body was one record and not a list or columns.
    """

    matrix: Any
    is_single: bool

    @property
    def size(self) -> int:
        """The number of records."""
        return len(self.matrix)


class Decoder:
    """Reads JSON bodies for one schema.

    By place in the record, `numbers` has a decoder of JSON lists of valid values for
    each number, and `codes` has the `Field.value_codes` of each other field.
    """

    def __init__(self, schema: Schema) -> None:
        gaps = [field.missing == "accept" for field in schema.fields]
        types = [
            field.json_type | None if has_gaps else field.json_type
            for field, has_gaps in zip(schema.fields, gaps, strict=True)
        ]
        self._record = msgspec.json.Decoder(_struct(schema, types, gaps, with_extras=True))
        self._records = msgspec.json.Decoder(list[self._record.type])  # type: ignore[name-defined]
        lists = [list[each] for each in types]  # type: ignore[valid-type]
        self._lists = lists
        self._table = msgspec.json.Decoder(_struct(schema, lists, gaps, with_extras=False))
        self._fields = schema.fields
        self._has_table = all(field.name != "data" for field in schema.fields)
        self._width = len(schema.fields)
        # A field of each list may be passed over; None where all must be there.
        has_optional = any(gaps) or isinstance(schema.extras, tuple)
        self._keys = None if has_optional else self._width
        coded = {place: field.value_codes for place, field in enumerate(schema.fields)}
        self.codes = {place: codes for place, codes in coded.items() if codes is not None}
        plain = [place for place in coded if place not in self.codes]
        self.numbers = {place: msgspec.json.Decoder(lists[place]) for place in plain}
        self._gaps = [place for place in plain if gaps[place]]
        self._coded = [*self.codes.items()]
        self.dtype = dtype_of(schema.fields)
        # A record with text is never packed: there is room for no value at all.
        self._packed = struct.Struct(f"{self._width}d" if self.dtype is float else "")

    def is_record(self, body: bytes) -> bool:
        """Return whether a body can only be one record, and no list and no columns."""
        return body[:1] == b"{" and not (self._has_table and b'"data"' in body[:64])

    def pack(self, body: bytes) -> bytes | None:
        """Read a body that is one record as doubles, in the order of the fields; None as `read`."""
        try:
            row = [*_astuple(self._record.decode(body))]
            keys = self._keys or len(row) - row.count(UNSET)
            if body.count(b":") != keys and may_repeat_keys(body, keys):
                return None
            for place, table in self._coded:
                row[place] = table[row[place]]
            for place in self._gaps:
                if row[place] is None or row[place] is UNSET:
                    row[place] = math.nan
            return self._packed.pack(*row[: self._width])
        except _DOUBTS:
            return None

    def read(self, body: bytes) -> Decoded | None:
        """Read a body; None when it is not valid, calls for a warning, or is merely unusual."""
        start = body[:64].lstrip()
        if start[:1] == b"[":
            return _list_of(self.read_list(body))
        if self._has_table and b'"data"' in start:
            key, columns = only_value(body) or ("", b"")
            return _list_of(self.read_table(columns)) if key == "data" else None
        if (packed := self.pack(body)) is not None:
            return Decoded(as_matrix(packed), is_single=True)
        matrix = self.read_list(b"[%b]" % body) if self.dtype is object else None
        return None if matrix is None else Decoded(matrix, is_single=True)

    def read_lines(self, lines: bytes) -> Decoded | None:
        """Read a record from each of some lines, as `read` does from a list."""
        lines = lines.replace(b"\r\n", b"\n").removesuffix(b"\n")
        try:
            records = self._record.decode_lines(lines)
            # The decoder takes any space between records: see that it is one line end each.
            if not lines.count(b"\n") == lines.count(b"}\n{") == len(records) - 1:
                return None
            return _list_of(self._read_rows(records, lines))
        except _DOUBTS:
            return None

    def read_list(self, text: bytes) -> Any:
        """Return the matrix of a list of records in JSON; None as `read`."""
        try:
            return self._read_rows(self._records.decode(text), text)
        except _DOUBTS:
            return None

    def read_table(self, text: bytes) -> Any:
        """Return the matrix of an object of lists in JSON, one per field; None as `read`."""
        try:
            columns = _astuple(self._table.decode(text))
        except _DOUBTS:
            return None
        lengths = {len(column) for column in columns if column is not UNSET}
        if len(lengths) != 1 or may_repeat_keys(text, len(columns) - columns.count(UNSET)):
            return None
        if not (count := lengths.pop()):
            return None
        filled = [(UNSET,) * count if column is UNSET else column for column in columns]
        try:
            return self._matrix(filled, count)
        except KeyError:
            return None

    def read_columns(self, columns: Sequence[Any], count: int) -> Any:
        """Return the matrix of columns of values, one per field; None as `read`.

        A column is a list of JSON values, in which None is a gap, or an array of truth values or
        numbers, in which NaN is one.
        """
        try:
            return self._matrix(list(map(self._read_column, range(self._width), columns)), count)
        except _DOUBTS:
            return None

    def _read_rows(self, records: list[Any], text: bytes) -> Any:
        if not records:
            return None
        rows = list(map(_astuple, records))
        keys = self._keys * len(rows) if self._keys else sum(len(r) - r.count(UNSET) for r in rows)
        if may_repeat_keys(text, keys):
            return None
        return self._matrix(list(zip(*rows, strict=True)), len(rows))

    def _read_column(self, place: int, column: Any) -> Any:
        is_array = isinstance(column, np.ndarray)
        if place in self.numbers:
            are_numbers = (
                column.dtype != bool if is_array else _NUMBERS.issuperset(map(type, column))
            )
            if are_numbers:
                return self._read_numbers(place, np.array(column, np.float64))
        if is_array:
            column = [None if value != value else value for value in column.tolist()]
        return msgspec.convert(column, self._lists[place])

    def _read_numbers(self, place: int, numbers: Any) -> Any:
        are_gaps = np.isnan(numbers)
        has_gaps = bool(are_gaps.any())
        there = numbers[~are_gaps] if has_gaps else numbers
        if (has_gaps and place not in self._gaps) or not self._fields[place].are_plain(there):
            raise msgspec.ValidationError
        numbers[are_gaps] = math.nan
        return numbers

    def _matrix(self, columns: Sequence[Any], count: int) -> Any:
        values = dict(enumerate(columns))
        for place, table in self.codes.items():
            values[place] = [table[value] for value in values[place]]
        for place in self._gaps:
            if isinstance(values[place], np.ndarray):
                continue
            values[place] = [
                math.nan if value is None or value is UNSET else value for value in values[place]
            ]
        matrix: Any = np.empty((count, self._width), self.dtype)
        for place in range(self._width):
            matrix[:, place] = values[place]
        return matrix


def _list_of(matrix: Any) -> Decoded | None:
    return None if matrix is None else Decoded(matrix, is_single=False)


def _struct(schema: Schema, types: list[Any], gaps: list[bool], *, with_extras: bool) -> Any:
    fields = [
        (f"field_{place}", each | UnsetType, UNSET) if may_miss else (f"field_{place}", each)
        for place, (each, may_miss) in enumerate(zip(types, gaps, strict=True))
    ]
    names = {f"field_{place}": field.name for place, field in enumerate(schema.fields)}
    if with_extras and isinstance(schema.extras, tuple):
        extras = filter(_UNUSUAL.isdisjoint, set(schema.extras) - set(names.values()))
        for place, extra in enumerate(extras):
            fields.append((f"extra_{place}", _SCALAR, UNSET))
            names[f"extra_{place}"] = extra
    return msgspec.defstruct(
        "Record", fields, rename=names, kw_only=True, forbid_unknown_fields=True, gc=False
    )
