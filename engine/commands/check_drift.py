"""`flask check-drift`: have the rows that are answered moved away from the training rows?"""

import subprocess
import sys
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
from flask import current_app

from engine.api.prediction_log import read_selection
from engine.api.resources import resources
from engine.commands.output import CommandError, CommandResult, command_output, missing, table
from engine.commands.table_files import answer_file, kind_of
from engine.languages import gettext as _
from engine.languages import local_number, mark
from engine.monitoring.drift import Report, Window, answered_window, compare, logged_window
from engine.monitoring.drift_reports import CANNOT_SEND
from engine.monitoring.webhooks import NotSent
from engine.runtime.answers import Decisions
from engine.runtime.loading import as_card, load_version, read_reference
from engine.schema.card import Card

#: So many rows are compared at most.
MOST_ROWS = 50_000

_CODES = {"none": 0, "drift": 1, "unknown": 2}


@click.command("check-drift")
@click.argument("name")
@click.option("--version", metavar="VERSION", help="By default the promoted one.")
@click.option("--since", metavar="TIME", help="Predictions from this time on, in ISO 8601.")
@click.option("--until", metavar="TIME", help="Predictions before this time.")
@click.option("--rows", type=click.IntRange(1, MOST_ROWS), default=MOST_ROWS, show_default=True,
              help="The newest of them, at most; of FILE, drawn at random.")  # fmt: skip
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="Compare the rows of a file in place of the log's.")  # fmt: skip
@click.option("--webhook", is_flag=True, help="Post a report of drift to DRIFT_WEBHOOK.")
@click.option("--retrain", type=click.Choice(["never", "if-drifted"]), default="never",
              show_default=True, help="Train anew, and promote what is better.")  # fmt: skip
@partial(command_output, refused=2)
def check_drift(
    name: str, *, version: str | None, rows: int, data: Path | None, webhook: bool, retrain: str,
    **times: Any,
) -> CommandResult:  # fmt: skip
    """Compare the predictions of NAME with the rows that its version learnt from.

    A field is reported as shifted where the difference is no chance and large enough to matter.
    Exit codes: 0 no shift, 1 drift, 2 it cannot be told, with the reason.

    \b
    Examples:
      flask check-drift credit --since 2026-01-01
      flask check-drift credit --data applicants.csv --json
      flask check-drift credit --webhook --retrain if-drifted
    """
    store = resources().models.store
    card = as_card(store.read_card(name, version))
    reference = read_reference(store, card)
    try:
        import scipy  # noqa: F401

        from engine.monitoring.estimate import expected_scores
    except ModuleNotFoundError as error:
        raise missing(error) from error
    if webhook and not resources().reports.can_send:
        text = _("--webhook has no address or no secret: {remedy}")
        raise CommandError(text.format(remedy=CANNOT_SEND))
    window, tables = (_in_file(card, data, rows), 0) if data else _in_log(card, rows, times)
    report = compare(card, reference, window)
    if report.verdict == "unknown" and tables:
        report.reason += f"; {tables} tables are logged without their rows: give them by --data"
    if reference and report.verdict != "unknown":
        report.expected = expected_scores(window.answers, reference.answers)
    resources().reports.keep(report)
    document = {**msgspec.to_builtins(report), "shifted": report.shifted}
    if report.verdict == "drift" and webhook:
        document["webhook"] = _send(report)
    if report.verdict == "drift" and retrain == "if-drifted":
        document["retraining"] = _train(name, data)
    done = [f"\n{step}: {document[step]}" for step in ("webhook", "retraining") if step in document]
    return CommandResult(document, _text(report, card) + "".join(done), _CODES[report.verdict])


def _in_log(card: Card, most: int, times: dict[str, Any]) -> tuple[Window, int]:
    """Return the newest rows of the log, and how many tables it has without their rows."""
    selection = read_selection(model=card["model"], version=card["version"], **times)
    blocks = resources().database.select(selection, newest_first=True, most=most)
    rows = [*chain.from_iterable(blocks)]
    return logged_window(card, rows), sum(row.record is None for row in rows)


def _in_file(card: Card, path: Path, most: int) -> Window:
    """Answer the records of a file, and keep some that are drawn at random."""
    version = load_version(resources().models.store, card["model"], card["version"])
    draw, keys, kept = np.random.default_rng(0), np.empty(0), list[Any]()

    def decided(matrix: Any, decisions: Decisions) -> None:
        nonlocal keys, kept
        part = [matrix, *(None if each is None else np.asarray(each) for each in decisions[:3])]
        keys = np.concatenate([keys, draw.random(len(matrix))])
        joined = zip(kept, part, strict=True) if kept else ((each,) for each in part)
        kept = [None if pair[0] is None else np.concatenate(pair) for pair in joined]
        if len(keys) > most:
            places = np.sort(np.argpartition(keys, most)[:most])
            keys, kept = keys[places], [None if each is None else each[places] for each in kept]

    kind = kind_of(path, None)
    with closing(answer_file(version, path, kind, kind, decided=decided)):
        return answered_window(card, kept[0], Decisions(*kept[1:]))


def _send(report: Report) -> str:
    try:
        resources().reports.send(report)
    except NotSent as error:
        click.echo(_("the report is not sent: {error}").format(error=error), err=True)
        return str(error)
    return "sent"


def _train(name: str, data: Path | None) -> str:
    """Train a model anew, which may promote it; return how that ended."""
    arguments = [name, "--promote", "if-better", *(["--data", str(data.resolve())] if data else [])]
    folder = Path(current_app.root_path)
    command = [sys.executable, str(folder / "build_model.py"), *arguments]
    code = subprocess.run(  # noqa: S603  our own command; a model of that name is stored
        command, cwd=folder, stdout=2, check=False
    ).returncode
    return "done" if code == 0 else f"build_model.py ended with exit code {code}"


def _text(report: Report, card: Card) -> str:
    text = _("{model} {version}, {rows} rows: {reason}")
    rows = local_number(f"{report.rows:,}".replace(",", ""))
    named = {"model": report.model, "version": report.version}
    lines = [text.format(**named, rows=rows, reason=report.reason)]
    if report.comparisons:
        cells = [
            (each.field, each.what, _rate(each.reference), _rate(each.current),
             f"{each.size:+.1%}" if each.psi is None else f"{each.size:.1%}",
             "" if each.psi is None else f"{each.psi:.3f}", f"{each.p:.2g}",
             _("shifted") if each.is_shifted else "")
            for each in report.comparisons
        ]  # fmt: skip
        head = ("field", mark("compared"), mark("in training"), mark("now"), mark("moved"), "PSI",
                "p", "")  # fmt: skip
        lines += ["", table(head, cells)]
    for name, score in report.expected.items():
        was = card["scores"][name]["value"] if name in card["scores"] else float("nan")
        text = _("{name}: {value} expected ({low} to {high}), {was} on held-out rows")
        figures = {"value": score.value, "low": score.low, "high": score.high, "was": was}
        shown = {key: f"{value:.4g}" for key, value in figures.items()}
        lines.append(text.format(name=name, **shown))
    return "\n".join(lines)


def _rate(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
