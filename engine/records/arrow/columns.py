"""Columns of Arrow, read as doubles where all values are plainly valid, else as values."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from engine.schema.fields import Field
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Schema, dtype_of

#: The kinds of column that are read, by the names of their Arrow types.
_KINDS = {
    "null": "gaps", "bool": "flags", "string": "text", "large_string": "text",
    "string_view": "views", "date32[day]": "dates", "date64[ms]": "dates",
    "halffloat": "numbers", "float": "numbers", "double": "numbers",
} | {f"{sign}int{bits}": "numbers" for sign in ("", "u") for bits in (8, 16, 32, 64)}  # fmt: skip

#: A dictionary, of text or of other values.
_DICTIONARY = re.compile(r"dictionary<values=(\w+), indices=u?int(8|16|32|64), ordered=[01]>")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\(\d+, -?\d+\)")
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(, tz=[^\]]{1,60})?\]")


def kind_of(arrow_type: Any) -> str | None:
    """Return how a column of a type is read: a value of `_KINDS`, ``"decimals"``, or a dictionary.

    A dictionary is ``"words"``, or ``"coded"`` when its values are no text. None when the column
    cannot be read.
    """
    name = str(arrow_type)
    if dictionary := _DICTIONARY.fullmatch(name):
        values = _KINDS.get(dictionary[1])
        return {"text": "words", "numbers": "coded", "flags": "coded", "gaps": "coded"}.get(
            values or ""
        )
    if _TIMESTAMP.fullmatch(name):
        return "dates"
    return "decimals" if _DECIMAL.fullmatch(name) else _KINDS.get(name)


def is_read(arrow_type: Any, field: Field) -> bool:
    """Return whether a field reads the cells of a type; others than dates read no dates."""
    kind = kind_of(arrow_type)
    return kind is not None and (kind != "dates" or kind in field.arrow_columns)


class _PandasNotes(msgspec.Struct):
    """What pandas notes in the schema of a frame: its index, as columns or as a range."""

    index_columns: list[Any] = []


def index_columns(schema: Any) -> set[str]:
    """Return the columns that pandas notes as the index of a frame, whatever their names."""
    try:
        notes = msgspec.json.decode((schema.metadata or {})[b"pandas"], type=_PandasNotes)
    except (KeyError, ValueError, RecursionError):  # they are not of pandas, or damaged
        return set()
    return {name for name in notes.index_columns if isinstance(name, str)}


def text_size(column: Any) -> int:
    """Return the size of a column's text in bytes; repeated words count once, short ones never."""
    kind = kind_of(column.type)
    if kind == "text":
        return int(column.nbytes)
    if kind == "views":  # each begins with its length, and many may share their text
        lengths = np.frombuffer(column.buffers()[1], dtype=np.int32)[::4]
        is_there = column.is_valid().to_numpy(zero_copy_only=False)
        lengths = lengths[column.offset : column.offset + len(column)]
        return int(lengths[is_there].sum(dtype=np.int64))
    if kind == "words" and column.dictionary.nbytes > 2**20:  # fewer words are not measured
        words = column.dictionary
        used = column.indices.unique().drop_null().to_pylist()
        return sum(len(text) for at in used if (text := words[at].as_buffer()))
    return 0


def values_of(column: Any) -> list[Any]:
    """Return the values of a column as JSON has them; None for gaps."""
    kind = kind_of(column.type)
    if kind != "words":
        column = column.cast("string") if kind == "dates" else column
        return column.to_pylist()  # type: ignore[no-any-return]
    places, words = _used_words(column)
    words.append(None)
    return [words[place] for place in places]


def read_columns(batch: Any, schema: Schema, decoder: Decoder) -> Any:
    """Return the matrix of `engine.schema.json_decoder.Decoded` of a batch; None when in doubt."""
    sources = schema.find_columns(batch.schema.names).sources
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    matrix = np.empty((batch.num_rows, len(schema.fields)), decoder.dtype)
    for place, field in enumerate(schema.fields):
        column = columns.get(sources.get(field.name))
        if field.missing == "refuse" and (column is None or column.null_count > 0):
            return None
        values = _read_column(column, field, decoder.codes.get(place))
        if values is None:
            return None
        matrix[:, place] = values
    return matrix


def _read_column(column: Any, field: Field, codes: Mapping[Any, float] | None) -> Any:
    absent = field.absent if codes is None else codes[None]
    kind = "gaps" if column is None else kind_of(column.type)
    if kind == "gaps":
        return absent
    if kind not in field.arrow_columns:
        return None
    if kind == "numbers" and codes is None:
        numbers = _doubles(column, 0)
        is_there = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else ...
        if not field.are_plain(numbers[is_there]):
            return None
    elif kind == "flags":
        numbers = _doubles(column, False)
    else:
        column = column.cast("string") if kind == "dates" else column
        return _read_words(column, codes or {}, field)
    if column.null_count:
        numbers[column.is_null().to_numpy(zero_copy_only=False)] = absent
    return numbers


def _doubles(column: Any, gap: Any) -> Any:
    filled = column.fill_null(gap) if column.null_count else column
    return filled.to_numpy(zero_copy_only=False).astype(np.float64)


def _read_words(column: Any, codes: Mapping[Any, Any], field: Field) -> Any:
    places, words = _used_words(column)
    if None in words and field.missing == "refuse":  # a dictionary may contain a gap
        return None
    try:
        values = [codes[word] for word in words]
    except KeyError:
        return None
    coded: Any = np.empty(len(values) + 1, dtype_of([field]))
    coded[:] = [*values, codes[None]]
    return coded[places]


def _used_words(column: Any) -> tuple[Any, list[Any]]:
    """Return each value's place among the words that are used, -1 for a gap, and these words."""
    if kind_of(column.type) == "words":
        places = column.indices.dictionary_encode()
        words = column.dictionary.take(places.dictionary)
    else:
        places = column.dictionary_encode()
        words = places.dictionary
    return places.indices.fill_null(-1).to_numpy(zero_copy_only=False), words.to_pylist()
