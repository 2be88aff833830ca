"""What an object of the lake is divided into: columns of what fits, and lines of the others."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from persistence.lake import Raw
from persistence.objects import Objects

Kind = Literal["text", "number", "integer", "flag"]


def is_divided(raw: Raw, objects: Objects) -> bool:
    """Return whether all that is made of an object is stored."""
    key = _cleaned(raw)
    return key in objects.list_keys(key.rpartition("/")[0] + "/")


def divide(
    raw: Raw,
    objects: Objects,
    *,
    columns: Mapping[str, tuple[Kind, Sequence[Any]]],
    reasons: Mapping[int, list[str]],
) -> None:
    """Store the records of an object as ``cleaned``, or ``rejected`` with their reasons.

    What is stored follows from the object: a run that was cut is done again, by any process.

    Parameters
    ----------
    columns : mapping of str to (str, sequence)
        The kind and the value for each record.
    reasons : mapping of int to list of str
        What is wrong with a record, by its place from 0.
    """
    rejected = raw.beside("rejected", ".jsonl")
    objects.remove(rejected)  # one of a run that was cut may be there, made by other rules
    if lines := [_line(raw, place, found) for place, found in sorted(reasons.items()) if found]:
        objects.create(rejected, b"".join(lines))
    # Written last: where it is, all is.
    good = [place for place in range(len(raw.records)) if not reasons.get(place)]
    objects.create(_cleaned(raw), _parquet(raw, good, columns))


def _cleaned(raw: Raw) -> str:
    return raw.beside("cleaned", ".parquet")


def _line(raw: Raw, place: int, reasons: list[str]) -> bytes:
    record = raw.records[place]
    facts = {"key": record.key, "came": raw.came, "origin": record.origin, "object": raw.number,
             "line": place + 1, "reasons": reasons, "record": record.in_json()}  # fmt: skip
    return msgspec.json.encode(facts) + b"\n"


def _parquet(raw: Raw, good: list[int], columns: Mapping[str, tuple[Kind, Sequence[Any]]]) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    types: dict[Kind, Any] = {
        "text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "flag": pa.bool_(),
    }  # fmt: skip
    arrays = {
        name: pa.array([values[place] for place in good], types[kind])
        for name, (kind, values) in columns.items()
    }
    came = pa.array([raw.came] * len(good)).cast(pa.timestamp("us", "UTC"))
    arrays |= {
        "_key": pa.array([raw.records[place].key for place in good], pa.string()),
        "_origin": pa.array([raw.records[place].origin for place in good], pa.string()),
        "_came": came,
        "_object": pa.array([raw.number] * len(good), pa.int64()),
        "_line": pa.array([place + 1 for place in good], pa.int64()),
    }
    content = io.BytesIO()
    write_table(pa.table(arrays), content, compression="zstd")
    return content.getvalue()
