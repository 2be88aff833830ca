"""Lakes of the tests: the command that fills them, and what is in them, read without our code."""

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet
import pytest

from jobs import ingest

#: The source of most tests, which no model file describes.
ALES = """
[ales]
kind = "http"
address = "http://127.0.0.1:{port}/v2/beers"
per_page = 20
per_second = 1000
key = ["id"]
columns = {{ id = "integer", name = "text", abv = "number", ibu = "number", ph = "number" }}
"""


class Done(NamedTuple):
    """How a command has ended."""

    code: int
    out: str
    err: str


class Lakeside:
    """A lake in a folder, and the sources that lead into it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.lake = folder / "lake"
        self.sources = folder / "sources.toml"
        self._capsys = capsys

    def ingest(self, sources: str, *options: str, name: str = "ales") -> Done:
        """Run the command."""
        self.sources.write_text(sources)
        code = ingest.main([name, "--sources", str(self.sources), *options])
        out, err = self._capsys.readouterr()
        return Done(code, out, err)

    def raw(self, name: str = "ales") -> list[Any]:
        """Return the records that were kept, as values, in the order in which they came."""
        return [
            json.loads(line)["record"]
            for path in sorted(self.lake.glob(f"{name}/raw/*/*/*/*.jsonl.gz"))
            for line in gzip.decompress(path.read_bytes()).splitlines()[1:]
        ]

    def cleaned(self, name: str = "ales") -> list[dict[str, Any]]:
        """Return the rows of the Parquet files, in the order in which they came."""
        paths = sorted(self.lake.glob(f"{name}/cleaned/year=*/month=*/day=*/*.parquet"))
        # A file by itself: its folders would become columns.
        return [
            row for path in paths for row in pyarrow.parquet.ParquetFile(path).read().to_pylist()
        ]

    def rejected(self, name: str = "ales") -> list[dict[str, Any]]:
        """Return the lines of what was rejected."""
        paths = sorted(self.lake.glob(f"{name}/rejected/*/*/*/*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]
