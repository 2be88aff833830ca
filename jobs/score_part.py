"""A part of a table that is scored: answered in any process, any number of times, with one result.

    FOLDER/job.json       how the parts are written; comes once all are cut
    FOLDER/in-000000      the records of a part, until they are answered
    FOLDER/out-000000     the answers, and rejected-000000 what is set aside
    FOLDER/done-000000    how many rows were answered and set aside; comes last

Every file is written under another name, and renamed when the disk has it.
"""

import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from itertools import compress, islice
from pathlib import Path
from typing import Any

import msgspec

from engine.records.csv_reader import read_rows
from engine.records.forms import WRITERS
from engine.records.media_types import ARROW, CSV, LINES, PARQUET
from engine.records.output_file import CannotJoin, Source, text_records, write_binary
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.spool import Spool
from engine.records.strict_json import InvalidJson, read_json
from engine.records.upload import Upload
from engine.records.writers import csv_text
from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from engine.serving.table_prediction import answer_table
from persistence.atomic_files import replacing
from persistence.model_persistence import ModelStore
from settings import Settings


class JobError(Exception):
    """A job cannot be done; the message says why, and what to do."""


class Job(msgspec.Struct):
    """What is scored, and how: equal jobs have equal results."""

    model: str
    version: str
    source: str  # a file, or env:NAME/table
    digest: str  # of the file's bytes; empty for a database, of which the parts are a copy
    target: str
    part_bytes: int


class Parts(msgspec.Struct):
    """How the parts of a job are written, and how many there are."""

    job: Job
    kind: str  # their media type
    names: list[str]  # of the columns; empty for JSON lines
    delimiter: str = ","
    has_decimal_commas: bool | None = None
    types: dict[str, str] = {}  # of the columns of a database: int, float or text
    count: int = 0


class Done(msgspec.Struct):
    """What became of the rows of a part."""

    answered: int
    rejected: int


@cache
def open_model(name: str, version: str | None) -> StoredVersion:
    """Return a version of the settings' store; identifiers are among the columns that stay."""
    settings = Settings.from_environment()
    store = ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )
    model = load_version(store, name, version)
    model.answer_columns = tuple(each for each in model.answer_columns if not each.is_echo)
    return model


def read_parts(folder: Path) -> Parts:
    """Return how the parts in a folder are written."""
    return msgspec.json.decode((folder / "job.json").read_bytes(), type=Parts)


def read_done(folder: Path, number: int) -> Done | None:
    """Return what became of a part; None while it is not answered."""
    path = folder / f"done-{number:06}"
    return msgspec.json.decode(path.read_bytes(), type=Done) if path.exists() else None


def drafted(path: Path) -> Any:
    """Open a file that another process may write too: each draft has a name of its own."""
    return replacing(path, path.with_name(f".{path.name}-{secrets.token_hex(6)}"))


def score_part(folder: str, number: int) -> Done:
    """Answer a part, unless that is done."""
    home = Path(folder)
    if done := read_done(home, number):
        return done
    parts = read_parts(home)
    part = _Part(home / f"in-{number:06}", parts, open_model(parts.job.model, parts.job.version))
    with drafted(home / f"out-{number:06}") as out:
        part.write(out)
    with drafted(home / f"rejected-{number:06}") as out:
        out.writelines(msgspec.json.encode(each) + b"\n" for each in part.rejected)
    done = Done(part.answered, len(part.rejected))
    with drafted(home / f"done-{number:06}") as out:
        out.write(msgspec.json.encode(done))
    (home / f"in-{number:06}").unlink(missing_ok=True)
    return done


class _Part:
    """The records of a part: those that are not valid are set aside, the others are answered."""

    def __init__(self, path: Path, parts: Parts, model: StoredVersion) -> None:
        self.answered = 0
        self.rejected: list[dict[str, Any]] = []
        self._path, self._kind = path, parts.kind
        self._parts, self._model = parts, model
        self._rows: Any = None  # which are read once one of them is not valid
        self._numbers: Sequence[int] = ()

    def write(self, out: Any) -> None:
        """Write the columns of the records and the answers to them; CSV without its header."""
        spool = self._answer()
        while spool is None and len(self._rows):
            spool = self._answer()
        source = Source(self._path, self._model.schema, "utf-8", self._parts.delimiter)
        try:
            if spool is None:
                return
            with closing(spool):
                if self._kind == PARQUET:
                    write_binary(out, spool, PARQUET, source)
                    return
                records = text_records(spool, self._kind, source)
                out.writelines(islice(records, int(self._kind == CSV), None))
        except CannotJoin as error:
            raise JobError(f"{self._parts.job.source}: {error}") from error
        finally:
            if self._rows is not None:
                self._path.unlink()

    def _answer(self) -> Spool | None:
        """Answer all records that are left; None where some had to be set aside."""
        self.answered = 0

        def count(_: Any, decisions: Any) -> None:
            self.answered += decisions.size

        form = WRITERS[ARROW if self._kind == PARQUET else self._kind]
        try:
            with self._path.open("rb") as file:
                return answer_table(
                    self._model, Upload(file, length=None, most=sys.maxsize), self._kind, form,
                    delimiter=self._parts.delimiter, decided=count,
                    has_decimal_commas=self._parts.has_decimal_commas,
                )  # fmt: skip
        except InvalidRecords as error:
            self._set_aside(_by_row(error.problems))
        except BadRequest as error:
            broken = _broken_lines(self._path.read_bytes()) if self._kind == LINES else {}
            if not broken:
                raise JobError(f"{self._parts.job.source}: {error.detail}") from error
            self._set_aside(broken)
        self.answered = 0
        return None

    def _read(self) -> Any:
        if self._kind == PARQUET:
            import pyarrow.parquet

            return pyarrow.parquet.ParquetFile(self._path).read()
        content = self._path.read_bytes()
        if self._kind == LINES:
            return _text_lines(content)
        upload = Upload.of(content)
        return [*read_rows(upload, self._model.schema, delimiter=self._parts.delimiter)[1]]

    def _set_aside(self, broken: Mapping[int, list[str]]) -> None:
        """Move rows, by their places, to those that are set aside; write the others anew."""
        if self._rows is None:
            self._rows = self._read()
            self._numbers = range(1, len(self._rows) + 1)
            self._path = self._path.with_name(f".left-{secrets.token_hex(6)}")
        for place in sorted(broken):
            record = self._record(place)
            reason = "; ".join(broken[place])
            self.rejected.append({"row": self._numbers[place], "reason": reason, "record": record})
        self.rejected.sort(key=lambda each: int(each["row"]))
        left = [place not in broken for place in range(len(self._rows))]
        self._numbers = [*compress(self._numbers, left)]
        if self._kind == PARQUET:
            import pyarrow.parquet

            self._rows = self._rows.filter(left)
            pyarrow.parquet.write_table(self._rows, self._path)
            return
        self._rows = [*compress(self._rows, left)]
        if self._kind == LINES:
            self._path.write_bytes(b"\n".join(self._rows))
            return
        with self._path.open("w", encoding="utf-8", newline="") as file:
            rows = [self._parts.names, *self._rows]
            file.writelines(csv_text(rows, self._parts.delimiter, "\r\n"))

    def _record(self, place: int) -> Any:
        if self._kind == PARQUET:
            return self._rows.slice(place, 1).to_pylist()[0]
        if self._kind == CSV:
            return dict(zip(self._parts.names, self._rows[place], strict=False))
        try:
            return msgspec.json.decode(self._rows[place])
        except msgspec.DecodeError:
            return self._rows[place].decode(errors="replace")


def _by_row(problems: Sequence[Problem]) -> dict[int, list[str]]:
    """Return what is wrong by the place of the row; raise `JobError` where it is the whole."""
    broken: dict[int, list[str]] = {}
    for problem in problems:
        place, _, name = problem.pointer[1:].partition("/")
        if not place:
            raise JobError(problem.detail)
        name = name.replace("~1", "/").replace("~0", "~")
        broken.setdefault(int(place), []).append(f"{name} {problem.detail}".strip())
    return broken


def _text_lines(content: bytes) -> list[bytes]:
    return [line for line in content.split(b"\n") if line.strip()]


def _broken_lines(content: bytes) -> dict[int, list[str]]:
    broken = {}
    for place, line in enumerate(_text_lines(content)):
        try:
            read_json(line)
        except InvalidJson as error:
            broken[place] = [f"the line {error}"]
    return broken
