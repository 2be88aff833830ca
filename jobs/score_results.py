"""Where answers go once all parts have them: a file, or a table of a database."""

import csv
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from engine.records.csv_layout import with_point
from engine.records.media_types import CSV, PARQUET
from engine.records.writers import csv_line, table_names
from engine.runtime.version import StoredVersion
from engine.schema.fields import Number
from jobs.score_part import Done, Job, JobError, Parts, drafted
from persistence.atomic_files import replace_file
from persistence.scored_rows import JOB, ROW, ScoreTable

#: How a table of a database is named: by the variable with the address, and a name or query.
DATABASE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)/(.+)", re.DOTALL)


class Result(Protocol):
    """Where the answers of a job go."""

    path: Path  # beside which the parts are
    columns: Sequence[str]  # that are added to those of the table and the answers

    def is_there(self) -> bool:
        """Return whether another result would be replaced."""

    def is_done(self) -> bool:
        """Return whether all of this job is there."""

    def remove(self) -> None:
        """Forget what is there, where it is not replaced as a whole."""

    def publish(self, folder: Path, parts: Parts, model: StoredVersion, done: list[Done]) -> None:
        """Put the answers in place, whatever was put there before by the same job."""


def result_of(job: Job) -> Result:
    """Return where the answers of a job go."""
    return TableResult(job) if DATABASE.fullmatch(job.target) else FileResult(job)


def address_of(place: str) -> tuple[str, str]:
    """Return the address of a database, and its table or the query; the variable must be set."""
    found = DATABASE.fullmatch(place)
    assert found
    if not (address := os.environ.get(found[1])):
        raise JobError(f"{found[1]} is not set: put the address of the database there")
    return address, found[2]


def write_rejected(folder: Path, path: Path, done: list[Done]) -> None:
    """Write what is set aside, numbered by the rows of the whole table."""
    first = 0
    with drafted(path) as out:
        for number, part in enumerate(done):
            for line in (folder / f"rejected-{number:06}").read_bytes().splitlines():
                row = msgspec.json.decode(line)
                out.write(msgspec.json.encode({**row, "row": first + row["row"]}) + b"\n")
            first += part.answered + part.rejected


class FileResult:
    """A file of results, and beside it what says of which job it is."""

    columns: Sequence[str] = ()

    def __init__(self, job: Job) -> None:
        self.path = Path(job.target)
        self._job = job
        self._receipt = Path(f"{job.target}.job")

    def is_there(self) -> bool:
        """Return whether there is a result of whatever job."""
        return self.path.exists()

    def is_done(self) -> bool:
        """Return whether there is the result of this job."""
        job = msgspec.json.encode(self._job)
        return self.is_there() and self._receipt.exists() and self._receipt.read_bytes() == job

    def remove(self) -> None:
        """Leave the result that is there: readers have it until another takes its place."""

    def publish(self, folder: Path, parts: Parts, model: StoredVersion, done: list[Done]) -> None:
        """Join the answers, and put them in place."""
        paths = [folder / f"out-{number:06}" for number in range(parts.count)]
        with drafted(self.path) as out:
            if parts.kind == PARQUET:
                _join_parquet([path for path in paths if path.stat().st_size], out)
            if parts.kind == CSV:
                out.write(csv_line([*parts.names, *table_names(model.answer_columns)]) + b"\n")
            for path in paths if parts.kind != PARQUET else ():
                with path.open("rb") as file:
                    shutil.copyfileobj(file, out)
        replace_file(self._receipt, msgspec.json.encode(self._job))


def _join_parquet(paths: list[Path], out: IO[bytes]) -> None:
    from pyarrow.parquet import ParquetFile, ParquetWriter

    with ParquetWriter(out, ParquetFile(paths[0]).schema_arrow) as writer:
        for path in paths:
            writer.write_table(ParquetFile(path).read())


class TableResult:
    """A table of results in a database, with the name of the job and the number of the row."""

    columns: Sequence[str] = (JOB, ROW)

    def __init__(self, job: Job) -> None:
        self.path = Path(f"scores-{job.model}")
        self._name = sha256(msgspec.json.encode(job)).hexdigest()[:16]
        self._table = ScoreTable(*address_of(job.target))

    def is_there(self) -> bool:
        """Return False: a table takes the results of many jobs."""
        return False

    def is_done(self) -> bool:
        """Return whether all parts of this job are stored."""
        return self._table.is_whole(self._name)

    def remove(self) -> None:
        """Delete what is stored of this job."""
        self._table.remove(self._name)

    def publish(self, folder: Path, parts: Parts, model: StoredVersion, done: list[Done]) -> None:
        """Store the answers part by part, each once."""
        types, first = _column_types(parts, model), 0
        commas = _numbers(parts, model) if parts.has_decimal_commas else set()
        for number, part in enumerate(done):
            aside = (folder / f"rejected-{number:06}").read_bytes().splitlines()
            rejected = {msgspec.json.decode(line)["row"] for line in aside}
            numbers = (row for row in count(1) if row not in rejected)
            with (folder / f"out-{number:06}").open(encoding="utf-8", newline="") as file:
                rows = [
                    {ROW: first + place, **_typed(cells, types, commas)}
                    for place, cells in zip(numbers, csv.reader(file), strict=False)
                ]
            self._table.store(self._name, number, rows, types)
            first += part.answered + part.rejected
        self._table.finish(self._name)


def _column_types(parts: Parts, model: StoredVersion) -> dict[str, str]:
    """Return the types of the columns in a database: of the source, else by the model's fields."""
    numbers = _numbers(parts, model)
    kept = {name: "float" if name in numbers else "text" for name in parts.names} | parts.types
    added = [each for each in model.answer_columns if not each.labels]
    answers = dict.fromkeys(table_names(model.answer_columns), "text")
    return kept | answers | {head: "float" for each in added for head in each.headers}


def _numbers(parts: Parts, model: StoredVersion) -> set[str]:
    """Return the columns of the source that fields of numbers read."""
    found = model.schema.find_columns(parts.names).sources
    fields = (field for field in model.schema.fields if isinstance(field, Number))
    return {found[field.name] for field in fields if field.name in found}


def _typed(cells: list[str], types: Mapping[str, str], commas: set[str]) -> dict[str, Any]:
    """Return the values of a row; what is no number of a column of numbers is a gap."""
    values: dict[str, Any] = {}
    for cell, (name, kind) in zip(cells, types.items(), strict=True):
        values[name] = cell if cell and kind == "text" else None
        if cell and kind != "text":
            cell = with_point(cell) if name in commas else cell
            with suppress(ValueError):
                values[name] = int(cell) if kind == "int" else float(cell)
    return values
