"""`flask log`: read, export and delete what was predicted."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click
import msgspec

from engine.api.prediction_log import describe, read_selection
from engine.api.resources import resources
from engine.commands.output import CommandError, CommandResult, command_output, table
from engine.languages import gettext as _
from engine.languages import mark
from engine.records.arrow_support import missing_arrow
from engine.records.writers import csv_text
from persistence.atomic_files import replacing
from persistence.prediction_rows import PredictionRow, Selection

#: The columns of an export; what is an object in JSON is its text.
COLUMNS = tuple(name for name in PredictionRow.__struct_fields__ if name != "place")
_NUMBERS = {"probability", "seconds", "rows"}

#: The columns of an export of outcomes, and how many of them are read at most.
OUTCOME_COLUMNS = ("prediction", "model", "value", "at", "received_at", "source")
_MOST_OUTCOMES = 1_000_000

#: Columns, and rows of cells in blocks.
_Export = tuple[Sequence[str], Iterable[list[list[Any]]]]

_NO_MATCH = mark("no logged prediction matches these options")

_FILTERS = (
    click.option("--model", metavar="NAME", help="Of this model."),
    click.option("--version", metavar="VERSION", help="Of this version."),
    click.option("--since", metavar="TIME", help="From this time on, in ISO 8601."),
    click.option("--until", metavar="TIME", help="Before this time."),
    click.option("--key", metavar="NAME", help="Sent with the API key of this name."),
    click.option("--id", metavar="ID", help="With this X-Prediction-Id."),
    click.option("--identifier", "identifiers", multiple=True, metavar="NAME=VALUE",
                 help="With this identifier; repeatable."),
)  # fmt: skip


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which predictions are meant."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group("log")
def log() -> None:
    """Read, export and delete the predictions that were logged."""


@log.command()
@filters
@click.option("-n", "most", type=click.IntRange(1, 1000), default=20, show_default=True,
              help="How many.")  # fmt: skip
@command_output
def tail(most: int, **options: Any) -> CommandResult:
    """Show the newest predictions, the newest last.

    \b
    Examples:
      flask log tail
      flask log tail --model credit --identifier order=7 --json
    """
    found = resources().database.select(_selection(options), newest_first=True, most=most)
    rows = [describe(row) for row in next(found, [])][::-1]
    shown = "at", "model", "version", "value", "probability", "key", "id"
    none = _(_NO_MATCH) if any(options.values()) else _("no prediction is logged")
    text = table(shown, [[row[name] for name in shown] for row in rows])
    return CommandResult({"predictions": rows}, text if rows else none)


@log.command()
@filters
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The .csv or .parquet file to write; by default CSV is printed.")  # fmt: skip
@click.option("--outcomes", is_flag=True, help="Write what became true of them instead.")
@command_output
def export(output: Path | None, *, outcomes: bool, **options: Any) -> CommandResult:
    """Write predictions as CSV or Parquet, the oldest first.

    Records, probabilities and identifiers are JSON in one column each. Of
    outcomes, those of the newest predictions come first.

    \b
    Examples:
      flask log export --model credit --since 2026-01-01 --output january.parquet
      flask log export --identifier customer=4711
      flask log export --identifier customer=4711 --outcomes
    """
    columns, blocks = (_outcomes if outcomes else _predictions)(_selection(options))
    suffix = output.suffix.lower() if output else ".csv"
    if suffix not in (".csv", ".parquet"):
        raise click.UsageError(_("name an --output that ends in .csv or .parquet"))
    if output is None:
        if click.get_current_context().params["as_json"]:
            raise click.UsageError(_("with --json predictions go to a file: name it with --output"))
        name, count = _("standard output"), _write_csv(sys.stdout.buffer, columns, blocks)
    else:
        name, path = click.format_filename(output), output.resolve()
        if path.exists():
            raise CommandError(
                _("{name} is there already: name another --output").format(name=name)
            )
        write = _write_parquet if suffix == ".parquet" else _write_csv
        with replacing(path, path.with_name(f".writing-{os.getpid()}"), mode=0o600) as file:
            count = write(file, columns, blocks)
    what = "outcomes" if outcomes else "predictions"
    text = (
        _("{count} outcomes written to {name}")
        if outcomes
        else _("{count} predictions written to {name}")
    )
    click.echo(text.format(count=count, name=name), err=True)
    return CommandResult({what: count, "output": name}, "")


@log.command()
@filters
@click.option("--yes", is_flag=True, help="Do not ask.")
@command_output
def delete(*, yes: bool, **options: Any) -> CommandResult:
    """Delete predictions and what became true of them.

    Name them by --id, --identifier or --key; other options narrow the choice.
    What waits in the spool is stored first, so that nothing comes back. The
    counts by hour stay: they say nothing of a single prediction.

    \b
    Examples:
      flask log delete --identifier customer=4711
      flask log delete --id 019abc32f3d7a1c34f5c7a2e6a8d9b10 --yes
    """
    selection = _selection(options)
    if not (selection.id or selection.key or selection.identifiers):
        raise click.UsageError(_("name the predictions by --id, --identifier or --key"))
    _drain()
    if not yes:
        count = resources().database.count(selection)
        text = _("Delete {count} predictions and their outcomes?").format(count=count)
        click.confirm(text, abort=True, err=True)
    predictions, outcomes = resources().database.delete(selection)
    text = _("deleted {predictions} predictions and {outcomes} outcomes")
    text = text.format(predictions=predictions, outcomes=outcomes)
    if not (predictions or outcomes):
        text = _("no logged prediction matches these options, and no outcome: nothing is deleted")
    return CommandResult({"predictions": predictions, "outcomes": outcomes}, text)


@log.command()
@command_output
def drain() -> CommandResult:
    """Do what the service does in the background: store what waits in the spool.

    It deletes what is older than PREDICTION_DAYS, too.

    \b
    Examples:
      flask log drain
    """
    _drain()
    return CommandResult({"stored": True}, _("nothing waits in the spool any more"))


def _selection(options: Mapping[str, Any]) -> Selection:
    """Read which predictions are meant, by identifiers that the log has."""
    selection = read_selection(**options)
    for name in selection.identifiers:
        if not resources().database.has_identifier(name):
            text = _("nothing in the log has an identifier {name}: give a field's own name, as "
                     "`flask log tail --json` shows it")  # fmt: skip
            raise CommandError(text.format(name=repr(name)))
    return selection


def _drain() -> None:
    """Store what waits in the spool."""
    from engine.monitoring.drain import empty

    shared = resources()
    if not empty(shared.spool_folder, shared.database, days=shared.prediction_days):
        raise CommandError(_("the spool is not stored yet by the drain that is running: try again"))


def _predictions(selection: Selection) -> _Export:
    """Return the columns of predictions, and their cells in blocks."""
    blocks = resources().database.select(selection)
    return COLUMNS, ([*map(_cells, rows)] for rows in blocks)


def _outcomes(selection: Selection) -> _Export:
    """Return the same of outcomes, by the predictions of which they are."""
    judged = resources().database.judged(selection, most=_MOST_OUTCOMES)
    return OUTCOME_COLUMNS, (
        [
            [row.id, row.model, _text(each.value), _moment(each.at), _moment(each.received_at),
             each.source]
            for each in outcomes
        ]
        for row, outcomes in judged
    )  # fmt: skip


def _cells(row: PredictionRow) -> list[Any]:
    values = describe(row)
    for name in ("record", "value", "probabilities", "identifiers"):
        values[name] = _text(values[name])
    return [values[name] for name in COLUMNS]


def _text(value: Any) -> str | None:
    is_text = value is None or isinstance(value, str)
    return value if is_text else msgspec.json.encode(value).decode()


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _write_csv(file: IO[bytes], columns: Sequence[str], blocks: Iterable[list[list[Any]]]) -> int:
    """Write rows of cells, and return how many they are."""
    text, count = io.TextIOWrapper(file, encoding="utf-8", newline=""), 0
    text.writelines(csv_text([columns]))
    for rows in blocks:
        text.writelines(csv_text(rows))
        count += len(rows)
    text.detach()
    return count


def _write_parquet(
    file: IO[bytes], columns: Sequence[str], blocks: Iterable[list[list[Any]]]
) -> int:
    if reason := missing_arrow():
        raise CommandError(reason)
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    kinds = {name: pyarrow.float64() if name in _NUMBERS else pyarrow.string() for name in columns}
    schema, count = pyarrow.schema(kinds), 0
    with ParquetWriter(file, schema) as writer:
        for rows in blocks:
            cells = map(list, zip(*rows, strict=True))
            writer.write_table(pyarrow.table([*cells], schema=schema))
            count += len(rows)
    return count
