"""The rows of a file of any size, one after the other, as JSON."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

#: Where a row of CSV has what stands behind its last column.
BEYOND = "…"

#: Rows of a Parquet file that are in memory at once.
ROWS = 10_000

encode_row = msgspec.json.Encoder(enc_hook=str).encode


class UnreadableFile(ValueError):
    """A file is not what its name says; the message has its path."""


def read_file_rows(path: str, *, separator: str = ",", encoding: str = "utf-8") -> Iterator[bytes]:
    """Read CSV, JSON (an array), JSON Lines or Parquet, the first three also with .gz.

    A row of CSV becomes an object of texts; JSON is not changed.

    Raises
    ------
    UnreadableFile
        When a row, or the file, is not what its name says.
    """
    kind = Path(path.removesuffix(".gz")).suffix.lower()
    try:
        if kind == ".parquet":
            from pyarrow.parquet import ParquetFile

            for batch in ParquetFile(path).iter_batches(ROWS):
                yield from map(encode_row, batch.to_pylist())
            return
        opened = gzip.open if path.endswith(".gz") else open
        if kind in (".json", ".jsonl", ".ndjson"):
            with opened(path, "rb") as file:
                lines = (line.rstrip(b"\r\n") for line in file if line.strip())
                yield from split_json(file.read()) if kind == ".json" else lines
            return
        with opened(path, "rt", encoding=encoding, newline="") as text:
            reader = csv.DictReader(text, delimiter=separator, restkey=BEYOND)
            names = [name.removeprefix("\ufeff") for name in reader.fieldnames or []]
            if len({*names}) < len(names):
                raise ValueError("a name stands twice in its first line")
            reader.fieldnames = names
            yield from map(encode_row, reader)
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise UnreadableFile(f"{path} cannot be read: {error}") from error


def split_json(body: bytes) -> list[bytes]:
    """Return the bytes of each element of an array, or those of another value."""
    if not body.lstrip().startswith(b"["):
        msgspec.json.decode(body)
        return [body.strip()]
    return [bytes(each) for each in msgspec.json.decode(body, type=list[msgspec.Raw])]
