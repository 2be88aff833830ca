"""`flask models`: what is stored, and which version is served."""

from pathlib import Path

import click

from engine.cards.difference import difference
from engine.commands.candidates import end_candidate
from engine.commands.card_text import card_text
from engine.commands.compare_answers import compare_answers
from engine.commands.difference_text import difference_text
from engine.commands.output import CommandError, CommandResult, command_output, served
from engine.commands.service_metrics import HERE, live_counts
from engine.commands.version_list import list_versions, pointer_or_none
from engine.languages import gettext as _
from engine.runtime.loading import as_card, check_version, load_version, sign_version
from persistence.model_persistence import ModelStore
from persistence.promotions import Pointer, version_before


@click.group()
def models() -> None:
    """Show the stored versions, and choose the one that is served."""


models.add_command(list_versions)


@models.command()
@click.argument("name")
@click.argument("version", required=False)
@command_output
def show(name: str, version: str | None) -> CommandResult:
    """Show the card of a version, by default of the promoted one.

    \b
    Examples:
      flask models show credit
      flask models show credit 20260102T101500Z-3fa9c
      flask models show credit v3
    """
    store = served().store
    card = as_card(store.read_card(name, version))
    pointer = pointer_or_none(store, name)
    is_promoted = pointer is not None and card["version"] == pointer.version
    version_name = pointer.name_of(card["version"]) if pointer else None
    text = card_text(card, is_promoted=is_promoted, version_name=version_name)
    document = {"version_name": version_name, "promoted": is_promoted, "card": card}
    return CommandResult(document, text)


@models.command()
@click.argument("name")
@click.argument("version", required=False)
@click.option("--if-better", is_flag=True, help="Only if its training has shown it to be better.")
@click.option("--dry-run", is_flag=True, help="Only check; promote nothing.")
@command_output
def promote(name: str, version: str | None, *, if_better: bool, dry_run: bool) -> CommandResult:
    """Make a version, with --if-better by default the newest, the one that is served by default.

    The command first checks every file against its digest in the card, the
    signature of the card if SIGNING_KEY is set, and the answers to the worked
    example and the golden rows. A version that does not pass is rejected. A
    promotion ends any trial of a version.

    \b
    Examples:
      flask models promote credit 20260102T101500Z-3fa9c
      flask models promote credit 20260102T101500Z-3fa9c --dry-run
      flask models promote credit --if-better
    """
    if not (version or if_better):
        raise click.UsageError(_("name the version, or add --if-better for the newest"))
    store, expected = served().store, None
    pointer = pointer_or_none(store, name)
    version = version or next(reversed(store.versions(name)), "") or store.promoted(name)
    if if_better and not (pointer and pointer.version == version):
        found = store.read_card(name, version).get("challenge", {})
        if found.get("verdict") not in ("first", "better"):
            trouble = _("its training has not shown it to be better, see `flask models show`")
            text = _("{version} of {name} is not promoted: {trouble}")
            text = text.format(version=version, name=name, trouble=trouble)
            return CommandResult({"model": name, "version": version, "promoted": False}, text)
        expected = found["champion"] or ""
    return _promote(name, version, pointer, dry_run=dry_run, expected=expected)


@models.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only check; promote nothing.")
@command_output
def rollback(name: str, *, dry_run: bool) -> CommandResult:
    """Go back to the version that was promoted before.

    The version is checked as by promote. A second rollback goes one promotion
    further back; to go forward, promote. While a version is on trial, a
    rollback ends the trial and nothing else.

    \b
    Examples:
      flask models rollback credit --dry-run
      flask models rollback credit
    """
    store = served().store
    pointer = store.pointer(name)
    if pointer.candidate:
        return end_candidate(store, name, dry_run=dry_run)
    version, is_remembered = version_before(pointer.promotions, store.versions(name))
    if version is None:
        raise CommandError(
            _(
                "nothing was promoted before {version} of {name}: name a version with `flask "
                "models promote {name} VERSION`"
            ).format(version=pointer.version, name=name)
        )
    result = _promote(name, version, pointer, dry_run=dry_run, is_rollback=True)
    if is_remembered:
        return result
    guess = _("It is not recorded what was promoted before: this is the newest older version.")
    return CommandResult({**result.document, "is_guess": True}, f"{result.text}\n{guess}")


@models.command()
@click.argument("name")
@click.argument("old", required=False, metavar="[A]")
@click.argument("new", required=False, metavar="[B]")
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Let both answer its records; formats as in `flask predict`.")  # fmt: skip
@click.option("--service", metavar="URL", is_flag=False, flag_value=HERE,
              help=f"Also show what a service has counted; {HERE} without URL.")  # fmt: skip
@click.option("--key", envvar="API_KEY", default="", metavar="KEY", show_envvar=True,
              help="An API key for it, with the scope read.")  # fmt: skip
@command_output
def diff(
    name: str, old: str | None, new: str | None, data: Path | None, service: str | None, key: str
) -> CommandResult:
    """Show what changed from version A to version B.

    If you name only A, B is the promoted version. If you name none, A is the
    promoted version and B the one on trial, or else the newest; if the newest
    is promoted, A is the version that was promoted before it.

    \b
    Examples:
      flask models diff credit
      flask models diff credit 20260102T101500Z-3fa9c
      flask models diff credit --data applicants.csv
    """
    store = served().store
    first, second = _pair(store, name, old, new)
    changes = difference(store.read_card(name, first), store.read_card(name, second))
    if data is not None:
        versions = load_version(store, name, first), load_version(store, name, second)
        changes["answers"] = compare_answers(*versions, data)
    if service is not None:
        changes["live"] = live_counts(service, name, (first, second), key=key)
    return CommandResult(changes, difference_text(changes))


@models.command()
@click.argument("name")
@click.argument("version")
@command_output
def sign(name: str, version: str) -> CommandResult:
    """Sign a version that was stored without a SIGNING_KEY, or signed with an old one.

    The command first checks the version as promote does, except for the
    signature: sign only what you trust.

    \b
    Examples:
      flask models sign credit 20260102T101500Z-3fa9c
    """
    store = served().store
    if not store.keys:
        raise CommandError(_("there is no key to sign with: set SIGNING_KEY"))
    if trouble := sign_version(store, name, version):
        raise CommandError(
            _("{version} of {name} is not signed: {trouble}").format(
                version=version, name=name, trouble=trouble
            )
        )
    return CommandResult(
        {"model": name, "version": version},
        _("{version} of {name} is signed.").format(version=version, name=name),
    )


def _promote(
    name: str, version: str, pointer: Pointer | None, *, dry_run: bool, is_rollback: bool = False,
    expected: str | None = None,
) -> CommandResult:  # fmt: skip
    store = served().store
    if trouble := check_version(store, name, version):
        raise CommandError(
            _("{version} of {name} is not promoted: {trouble}").format(
                version=version, name=name, trouble=trouble
            )
        )
    before, trial = (pointer.version, pointer.candidate) if pointer else (None, None)
    document = {
        "model": name, "version": version, "before": before, "dry_run": dry_run,
        "ended": trial._asdict() if trial else None,
    }  # fmt: skip
    was = _("Before: {before}.") if before else _("No version was promoted before.")
    was = was.format(before=before)
    if trial:
        ends = _(" This ends the {mode} of {version}.")
        was += ends.format(mode=trial.mode, version=trial.version)
    if dry_run:
        text = _("{version} of {name} may be promoted. {was} Nothing is changed.")
    else:
        store.promote(name, version, is_rollback=is_rollback, expected=expected)
        text = _("{version} of {name} is promoted. {was} A running service switches within 2 s.")
        if before == version and trial is None:
            text = _("{version} of {name} is already promoted.")
    return CommandResult(document, text.format(version=version, name=name, was=was))


def _pair(store: ModelStore, name: str, old: str | None, new: str | None) -> tuple[str, str]:
    """Return the two versions to compare, the older one first."""
    versions = store.versions(name)
    if old is not None and new is not None:
        pair = old, new
    elif old is not None:
        pair = old, store.promoted(name)
    elif (pointer := store.pointer(name)).candidate is not None:
        pair = pointer.version, pointer.candidate.version
    elif not versions or pointer.version != versions[-1]:
        pair = pointer.version, versions[-1] if versions else pointer.version
    else:
        before, _is_known = version_before(pointer.promotions, versions)
        pair = before or (versions[-2] if versions[1:] else versions[-1]), versions[-1]
    if pair[0] == pair[1]:
        raise CommandError(
            _(
                "there is nothing to compare {version} of {name} with: name two versions of "
                "`flask models list --model {name}`"
            ).format(version=pair[0], name=name)
        )
    return pair
