"""`flask feedback` and `flask quality`: what became true, and how good predictions were."""

import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import click

from engine.api.prediction_log import read_selection
from engine.api.resources import resources
from engine.commands.output import (
    CommandError,
    CommandResult,
    command_output,
    missing,
    served,
    table,
)
from engine.languages import gettext as _
from engine.languages import local_number, mark
from engine.records.charsets import recognised_charset
from engine.records.forms import SUFFIXES
from engine.records.media_types import CSV, JSON
from engine.records.outcomes import read_outcomes
from engine.records.problems import InvalidRecords
from engine.runtime.loading import as_card, read_reference
from engine.runtime.reference import Reference
from engine.schema.messages import shown
from engine.schema.record_schema import Schema
from persistence.prediction_database import BLOCK
from persistence.prediction_rows import OutcomeRow


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", metavar="NAME", help="The model; by default DEFAULT_MODEL.")
@click.option("--value-column", "column", default="", metavar="COLUMN",
              help="The column with what became true, if not value or the target's.")  # fmt: skip
@command_output
def feedback(file: Path, *, model: str | None, column: str) -> CommandResult:
    """Store what became true of predictions, from FILE: CSV, JSON or JSON lines.

    A row has the id of a prediction, or an identifier of its record; a value; and
    at, when it became true, if that is known. Other columns are passed over. A
    file that is read again changes nothing.

    \b
    Examples:
      flask feedback repaid.csv --model credit
      flask feedback orders.csv --model credit --value-column Status
    """
    name = served().default if model is None else model
    schema = Schema.from_json(served().store.read_card(name)["schema"])
    content, suffix = file.read_bytes(), file.suffix.lower()
    kind = JSON if suffix == ".json" else SUFFIXES.get(suffix, CSV)
    charset = recognised_charset(BytesIO(content).read)
    try:
        outcomes = read_outcomes(content, kind, schema, charset=charset, column=column)
    except InvalidRecords as error:
        errors = [
            {"row": int(row or 0) + 1, "field": field, "detail": problem.detail}
            for problem in error.problems
            for row, field in [f"{problem.pointer}//".split("/", 3)[1:3]]
        ]
        reason = _("{file} is not valid").format(file=click.format_filename(file))
        raise CommandError(reason, errors) from error
    now = time.time()
    rows = [
        OutcomeRow(
            model=name, value=value, source=file.name, received_at=now, at=at,
            id=None if isinstance(target, dict) else target,
            identifiers=target if isinstance(target, dict) else {},
        )
        for target, value, at in outcomes
    ]  # fmt: skip
    for start in range(0, len(rows), BLOCK):  # each within its deadline
        resources().database.store((), rows[start : start + BLOCK])
    text = _(
        "{count} outcomes are stored; `flask quality {name}` counts those of logged predictions"
    )
    text = text.format(count=len(rows), name=name)
    return CommandResult({"model": name, "outcomes": len(rows)}, text)


@click.command()
@click.argument("name")
@click.option("--version", metavar="VERSION", help="Of this version alone.")
@click.option("--since", metavar="TIME", help="Of predictions from this time on, in ISO 8601.")
@click.option("--until", metavar="TIME", help="Of predictions before this time.")
@click.option("--by", default="", metavar="FIELD", help="Also by the values of a field.")
@click.option("--every", type=click.Choice(["day", "week", "month"]), help="Also by time.")
@command_output
def quality(name: str, *, by: str, every: str | None, **options: Any) -> CommandResult:
    """Show how good predictions were, as far as it is known what became true.

    Scores have intervals of 95%; below 30 outcomes there are none. The newest
    200,000 outcomes count.

    \b
    Examples:
      flask quality credit
      flask quality credit --since 2026-01-01 --every month
      flask quality credit --by job --json
    """
    try:
        from engine.monitoring.quality import MOST, measure
    except ModuleNotFoundError as error:
        raise missing(error) from error

    store = served().store
    promoted = store.read_card(name)
    _check_segment(by, Schema.from_json(promoted["schema"]))
    _check_version(name, options["version"])

    deleted = {**promoted, "uncertainty": {}, "files": {}}  # its own are not known any more

    def card_of(version: str) -> Any:
        return store.read_card(name, version) if version in store.versions(name) else deleted

    judged = resources().database.judged(read_selection(model=name, **options), most=MOST)

    def reference_of(card: Any) -> Reference | None:
        return read_reference(store, as_card(card))

    measured = measure(judged, card_of, by=by, every=every or "", reference_of=reference_of)
    rows = [row for group in measured["groups"] for row in _shown(group)]
    head = ("version", every or "", by, mark("outcomes"), "score", "value", mark("95% interval"),
            mark("expected"))  # fmt: skip
    none = _("no outcome of {name}'s predictions is known: store some with `flask feedback FILE`")
    text = table(head, rows) if rows else none.format(name=name)
    return CommandResult({"model": name, **measured}, text)


def _check_version(name: str, version: str | None) -> None:
    if version and version not in (versions := resources().database.versions(name)):
        reason = _("no prediction of version {version} is logged; there are: {listed}")
        listed = ", ".join(versions) or _("none")
        raise CommandError(reason.format(version=shown(version), listed=listed))


def _check_segment(by: str, schema: Schema) -> None:
    kinds = "category", "flag"
    fields = [each.name for each in schema.inputs if each.kind in kinds and not each.private]
    if by and by not in fields:
        reason = _(
            "{by} is not a category or flag of this model that is logged; there are: {listed}"
        )
        listed = ", ".join(fields) or _("none")
        raise CommandError(reason.format(by=repr(by), listed=listed))


def _shown(group: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield what a table shows of a group, a row for each score."""
    head = [*(str(group[key]) for key in ("version", "period", "segment", "n"))]
    if "note" in group:
        yield [*head, _(group["note"]), "", "", ""]
        return
    for name, score in group["scores"].items():
        ends, expected = _ends(score), ""
        if beside := score.get("expected"):
            expected = _ends(beside) + ("" if beside["holds"] else _(", which does not hold"))
        yield [*head, name, _figure(score["value"]), ends, expected]
    if "calibration" in group:
        error, chance = (_figure(group["calibration"][key]) for key in ("ece", "ece_by_chance"))
        by_chance = _("{value} by chance alone").format(value=chance)
        yield [*head, _("calibration error"), error, by_chance, ""]


def _ends(interval: Mapping[str, float]) -> str:
    low, high = _figure(interval["low"]), _figure(interval["high"])
    return _("{low} to {high}").format(low=low, high=high)


def _figure(value: float) -> str:
    return local_number(f"{value:.4g}", grouped=False)
