"""Records in the forms of other protocols, read by columns where they are plainly valid.

Nothing is explained here: who gets None reads the body again, value by value, and lists what is
wrong.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from engine.records.json_reader import may_have_too_many
from engine.records.rows import MAX_RECORDS, Records, pointer_to
from engine.records.strict_json import TooManyValues, refuse_large_tree
from engine.schema.json_decoder import Decoder, may_repeat_keys, only_value
from engine.schema.record_schema import Schema

#: The key of rows with the names of their columns.
SPLIT = "dataframe_split"

_BLANKS = b" \t\r\n"
_rows = msgspec.json.Decoder(list[list[Any]]).decode


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    """Rows, and the names of their columns, as pandas writes frames; the index is passed over."""

    data: list[list[Any]]
    columns: list[str] | UnsetType | None = UNSET
    index: Any = UNSET


def read_plain(
    body: bytes, key: str, schema: Schema, decoder: Decoder, *, takes_columns: bool = False
) -> Records | None:
    """Read records that are the value of the only key of a JSON body; the whole without a key.

    They are a list of records or of rows, perhaps an object of columns; below `SPLIT` they are
    rows with the names of their columns.
    """
    if may_have_too_many(body):
        return None
    name, text = (only_value(body) or ("", b"")) if key else ("", body)
    at = f"/{key}" if key else ""
    pointer = partial(_pointer, f"{at}/data" if key == SPLIT else at)
    try:
        refuse_large_tree(body)
        if name != key:
            return None
        text = text.lstrip(_BLANKS)
        if key == SPLIT:
            matrix = _read_split(text, schema, decoder)
        elif text.startswith(b"{"):
            matrix = decoder.read_table(text) if takes_columns else None
            pointer = partial(_pointer_in_columns, at)
        elif text[1:64].lstrip(_BLANKS).startswith(b"["):
            matrix = _read_rows(_rows(text), None, schema, decoder)
        else:
            matrix = decoder.read_list(text)
    except (TooManyValues, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if matrix is None or not 0 < len(matrix) <= MAX_RECORDS:
        return None
    return Records([], pointer, matrix=matrix)


def read_named_columns(
    columns: Mapping[str, Any], count: int, schema: Schema, decoder: Decoder, *, is_table: bool
) -> Any:
    """Return the matrix of columns as `Decoder.read_columns` takes them, by their names."""
    found = schema.find_columns(columns, is_table=is_table)
    if found.extras or found.repeated:
        return None
    gaps = [None] * count
    sources = [found.sources.get(field.name) for field in schema.fields]
    return decoder.read_columns(
        [gaps if source is None else columns[source] for source in sources], count
    )


def _pointer(at: str, row: int, name: str | None) -> str:
    return f"{at}/{row}{pointer_to(name)}"


def _pointer_in_columns(at: str, row: int, name: str | None) -> str:
    return at if name is None else f"{at}{pointer_to(name)}/{row}"


def _read_split(text: bytes, schema: Schema, decoder: Decoder) -> Any:
    table = msgspec.json.decode(text, type=_Split)
    names = None if table.columns is UNSET else table.columns
    keys = 1 + (table.columns is not UNSET) + (table.index is not UNSET)
    if may_repeat_keys(text, keys):
        return None
    if names and len({*names}) < len(names):
        return None
    return _read_rows(table.data, names, schema, decoder)


def _read_rows(
    rows: Sequence[Sequence[Any]], names: Sequence[str] | None, schema: Schema, decoder: Decoder
) -> Any:
    """Return the matrix of rows; without names, 0 and 1 are flags, as `read_rows` reads them."""
    fields = schema.fields
    keys = [field.name for field in fields] if names is None else names
    if {*map(len, rows)} != {len(keys)}:
        return None
    columns: dict[str, Any] = dict(zip(keys, map(list, zip(*rows, strict=True)), strict=True))
    for field in fields if names is None else ():
        if field.array_values:
            columns[field.name] = [*map(field.from_array, columns[field.name])]
    return read_named_columns(columns, len(rows), schema, decoder, is_table=False)
