"""`flask models canary` and `shadow`: try a version beside the promoted one."""

import click

from engine.cards.difference import difference
from engine.commands.difference_text import field_rows
from engine.commands.output import CommandError, CommandResult, command_output, served
from engine.languages import gettext
from engine.runtime.loading import check_version
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer, now


def _share(context: click.Context, option: click.Parameter, value: float) -> float:
    if not 0 < value <= 1:  # NaN fails this, too
        raise click.BadParameter(
            gettext("{value} is not above 0 and at most 1").format(value=value)
        )
    return value


@click.command()
@click.argument("name")
@click.argument("version")
@click.option("--share", type=float, default=0.1, show_default=True, callback=_share,
              help="Share of the requests, above 0 and at most 1.")  # fmt: skip
@click.option("--by", type=click.Choice(["caller", "request"]), default="caller",
              show_default=True, help="Divide by caller, or by the request's body.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only check; try nothing.")
@command_output
def canary(name: str, version: str, *, share: float, by: str, dry_run: bool) -> CommandResult:
    """Let VERSION answer a share of the requests in place of the promoted one.

    Only requests that name no version are divided. The same caller always gets
    the same version; by request, the same body does. A larger share includes
    all of a smaller one. Any promotion ends the canary, and so does a rollback,
    which then keeps the promoted version.

    \b
    Examples:
      flask models canary credit 20260102T101500Z-3fa9c --share 0.1
      flask models canary credit 20260102T101500Z-3fa9c --share 0.5 --by request
      flask models canary credit 20260102T101500Z-3fa9c --dry-run
    """
    return _try(name, Candidate(version, "canary", share, by, now()), dry_run=dry_run)


@click.command()
@click.argument("name")
@click.argument("version")
@click.option("--share", type=float, default=1.0, show_default=True, callback=_share,
              help="Share of the requests, above 0 and at most 1.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only check; try nothing.")
@command_output
def shadow(name: str, version: str, *, share: float, dry_run: bool) -> CommandResult:
    """Let VERSION predict as a shadow, and count where it differs.

    The promoted version answers all requests. Any promotion ends the shadow,
    and so does a rollback, which then keeps the promoted version.

    \b
    Examples:
      flask models shadow credit 20260102T101500Z-3fa9c
      flask models shadow credit 20260102T101500Z-3fa9c --share 0.2
    """
    return _try(name, Candidate(version, "shadow", share, "request", now()), dry_run=dry_run)


def end_candidate(store: ModelStore, name: str, *, dry_run: bool) -> CommandResult:
    """End the trial of a version; the promoted one stays."""
    pointer = store.pointer(name)
    assert pointer.candidate
    trial = gettext("the {mode} of {version}").format(
        mode=pointer.candidate.mode, version=pointer.candidate.version)  # fmt: skip
    document = {
        "model": name, "version": pointer.version, "before": pointer.version,
        "ended": pointer.candidate._asdict(), "dry_run": dry_run,
    }  # fmt: skip
    if dry_run:
        text = gettext("This would end {trial}. Nothing is changed.").format(trial=trial)
        return CommandResult(document, text)

    def change(current: Pointer | None) -> Pointer:
        if current is None or current.candidate is None:
            text = gettext("{trial} has just been ended by somebody else")
            raise CommandError(text.format(trial=trial))
        return current.promote(current.version)

    store.change(name, change)
    text = gettext("Ended {trial}. {version} of {name} stays promoted.")
    return CommandResult(document, text.format(trial=trial, version=pointer.version, name=name))


def _try(name: str, candidate: Candidate, *, dry_run: bool) -> CommandResult:
    store = served().store
    label = gettext("{version} of {name}").format(version=candidate.version, name=name)
    if trouble := check_version(store, name, candidate.version):
        text = gettext("{label} is not tried: {trouble}")
        raise CommandError(text.format(label=label, trouble=trouble))
    before = store.pointer(name)
    if candidate.version == before.version:
        text = gettext("{label} is the promoted version: name another")
        raise CommandError(text.format(label=label))
    _check_schemas(store, name, before.version, candidate.version)
    document = {
        "model": name, "promoted": before.version, "candidate": candidate._asdict(),
        "before": before.candidate._asdict() if before.candidate else None, "dry_run": dry_run,
    }  # fmt: skip
    if dry_run:
        text = gettext("{label} may be tried. Nothing is changed.")
        return CommandResult(document, text.format(label=label))

    def change(current: Pointer | None) -> Pointer:
        if current is None or current.version != before.version:
            text = gettext("another version of {name} has just been promoted: look, and try again")
            raise CommandError(text.format(name=name))
        if candidate.version in current.removed:
            text = gettext("{label} is not tried: it is being removed")
            raise CommandError(text.format(label=label))
        return current._replace(candidate=candidate)

    store.change(name, change)
    return CommandResult(document, _summary(name, before, candidate))


def _summary(name: str, before: Pointer, candidate: Candidate) -> str:
    version, mode, share, by, _ = candidate
    text = (
        gettext("{version} of {name} answers {share} of the requests, by {by}; {before} is "
                "promoted.")
        if mode == "canary" else
        gettext("{version} of {name} predicts {share} of the requests as a shadow; {before} is "
                "promoted.")
    )  # fmt: skip
    named = {"version": version, "name": name}
    lines = [text.format(**named, share=f"{share:g}", by=by, before=before.version)]
    if was := before.candidate:
        text = gettext("Before: the {mode} of {version}, {share}.")
        lines.append(text.format(mode=was.mode, version=was.version, share=f"{was.share:g}"))
    text = gettext("A running service starts within 2 s. `flask models promote {name} {version}` "
                   "promotes it, `flask models rollback {name}` ends this.")  # fmt: skip
    return "\n".join([*lines, text.format(**named)])


def _check_schemas(store: ModelStore, name: str, promoted: str, version: str) -> None:
    """Reject a version that takes other requests than the promoted one."""
    old, new = (store.read_card(name, tried) for tried in (promoted, version))
    if old["schema"] == new["schema"]:
        return
    changes = difference(old, new)
    rows = [f"{field} {text}" for field, text in field_rows(changes["fields"])]
    if extras := changes["facts"].get("extras"):
        rows.append(f"extras {extras['from']} -> {extras['to']}")
    text = gettext(
        "{version} of {name} is not tried: its schema is not that of {promoted}, so a "
        "request made for one could not be answered by the other: {changes}"
    )
    named = {"version": version, "name": name, "promoted": promoted}
    raise CommandError(text.format(**named, changes="; ".join(rows)))
