"""`flask predict`: a version's answers to the records of a file."""

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from engine.commands.output import CommandError, CommandResult, command_output, served
from engine.commands.table_files import answer_file, kind_of
from engine.languages import gettext as _
from engine.records.forms import KINDS, SUFFIXES
from engine.records.media_types import ARROW, CSV
from engine.records.output_file import CannotJoin, Source, text_records, write_binary
from engine.records.spool import Spool
from engine.runtime.loading import load_version
from engine.serving.file_prediction import BINARY, recognise
from persistence.atomic_files import replacing


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", metavar="NAME", help="The model that answers; by default DEFAULT_MODEL.")
@click.option("--version", metavar="VERSION", help="Its version; by default the promoted one.")
@click.option("--format", "format_name", type=click.Choice([*KINDS]),
              help="The format of FILE, where its suffix does not tell.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The file to write; by default CSV and JSON lines are printed.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--columns", type=click.Choice(["predictions", "keep"]), default="predictions",
              show_default=True, help="Whether the columns of FILE stay.")  # fmt: skip
@command_output
def predict(
    file: Path, *, model: str | None, version: str | None, format_name: str | None,
    output: Path | None, force: bool, columns: str,
) -> CommandResult:  # fmt: skip
    """Answer the records of FILE: CSV, JSON lines, Parquet or an Arrow stream.

    The answer has the format of FILE, and a row for each of its rows, in the
    same order. CSV may also be separated by semicolons or tabs, or be in an
    encoding of Excel, where its header is then the model's. Nothing is written
    when a row is not valid; every problem is then listed with its line and row.
    A file may have any length.

    \b
    Examples:
      flask predict applicants.csv
      flask predict applicants.csv --columns keep --output scored.csv
      flask predict applicants.parquet --output scored.parquet --force
    """
    kind = kind_of(file, format_name)
    _check_usage(file, kind, output, columns)
    if output:
        _refuse_existing(output, force=force)
    models = served()
    answering = load_version(models.store, models.default if model is None else model, version)
    layout = recognise(file, kind, answering.schema)
    source = Source(file, answering.schema, *layout) if columns == "keep" else None
    if source:  # which has the identifiers already
        own = [column for column in answering.answer_columns if not column.is_echo]
        answering.answer_columns = tuple(own)
    spool = answer_file(answering, file, kind, ARROW if kind in BINARY else kind, layout)
    with closing(spool):
        if output is None:
            _print(spool, kind, source)
            return CommandResult({}, "")
        path = output.resolve()
        with replacing(path, path.with_name(f".writing-{os.getpid()}")) as out:
            rows = _write(out, spool, kind, source)
            _refuse_existing(path, force=force)  # it may have come meanwhile
    name, version = answering.name, answering.version
    file_name = click.format_filename(output)
    text = _("{rows} rows answered by {name} {version}, written to {file_name}")
    click.echo(text.format(rows=rows, name=name, version=version, file_name=file_name), err=True)
    return CommandResult({"model": name, "version": version, "rows": rows, "output": file_name}, "")


def _check_usage(file: Path, kind: str, output: Path | None, columns: str) -> None:
    if output is None and kind in BINARY:
        raise click.UsageError(_("Arrow and Parquet are not printed: name a file with --output"))
    if output is None and click.get_current_context().params["as_json"]:
        raise click.UsageError(_("with --json predictions go to a file: name it with --output"))
    if output and SUFFIXES.get(output.suffix.lower(), kind) != kind:
        text = _("the answer has the format of FILE: --output cannot end in {suffix}")
        raise click.UsageError(text.format(suffix=output.suffix))
    if columns == "keep" and not file.is_file():
        raise click.UsageError(_("to keep the columns, FILE is read twice: name a file on disk"))


def _write(out: Any, spool: Spool, kind: str, source: Source | None) -> int:
    """Write an answer, and return the number of its rows."""
    try:
        if kind in BINARY:
            return write_binary(out, spool, kind, source)
        rows = -1 if kind == CSV else 0  # the header is not a row
        for record in text_records(spool, kind, source):
            out.write(record)
            rows += 1
    except CannotJoin as error:
        raise CommandError(str(error)) from error
    return rows


def _print(spool: Spool, kind: str, source: Source | None) -> None:
    with closing(Spool(sys.maxsize, what="the answer")) as whole:
        _write(whole, spool, kind, source)
        for piece in whole:
            click.echo(piece, nl=False)


def _refuse_existing(path: Path, *, force: bool) -> None:
    if path.exists() and not (force and path.is_file()):
        remedy = _(", or add --force") if path.is_file() else _("; it is no plain file")
        file_name = click.format_filename(path)
        raise CommandError(
            _("{file_name} is there already: name another --output{remedy}").format(
                file_name=file_name, remedy=remedy
            )
        )
