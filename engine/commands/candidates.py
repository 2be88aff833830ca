"""`flask models canary` and `shadow`: try a version beside the promoted one."""

import click

from engine.cards.difference import difference
from engine.commands.difference_text import field_rows
from engine.commands.output import CommandError, CommandResult, command_output, served
from engine.runtime.loading import check_version
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer, now


def _share(context: click.Context, option: click.Parameter, value: float) -> float:
    if not 0 < value <= 1:  # NaN fails this, too
        raise click.BadParameter(f"{value} is not above 0 and at most 1")
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
    trial = f"the {pointer.candidate.mode} of {pointer.candidate.version}"
    document = {
        "model": name, "version": pointer.version, "before": pointer.version,
        "ended": pointer.candidate._asdict(), "dry_run": dry_run,
    }  # fmt: skip
    if dry_run:
        return CommandResult(document, f"This would end {trial}. Nothing is changed.")

    def change(current: Pointer | None) -> Pointer:
        if current is None or current.candidate is None:
            raise CommandError(f"{trial} has just been ended by somebody else")
        return current.promote(current.version)

    store.change(name, change)
    return CommandResult(document, f"Ended {trial}. {pointer.version} of {name} stays promoted.")


def _try(name: str, candidate: Candidate, *, dry_run: bool) -> CommandResult:
    store = served().store
    label = f"{candidate.version} of {name}"
    if trouble := check_version(store, name, candidate.version):
        raise CommandError(f"{label} is not tried: {trouble}")
    before = store.pointer(name)
    if candidate.version == before.version:
        raise CommandError(f"{label} is the promoted version: name another")
    _check_schemas(store, name, before.version, candidate.version)
    document = {
        "model": name, "promoted": before.version, "candidate": candidate._asdict(),
        "before": before.candidate._asdict() if before.candidate else None, "dry_run": dry_run,
    }  # fmt: skip
    if dry_run:
        return CommandResult(document, f"{label} may be tried. Nothing is changed.")

    def change(current: Pointer | None) -> Pointer:
        if current is None or current.version != before.version:
            raise CommandError(
                f"another version of {name} has just been promoted: look, and try again"
            )
        if candidate.version in current.removed:
            raise CommandError(f"{label} is not tried: it is being removed")
        return current._replace(candidate=candidate)

    store.change(name, change)
    return CommandResult(document, _summary(name, before, candidate))


def _summary(name: str, before: Pointer, candidate: Candidate) -> str:
    version, mode, share, by, _ = candidate
    verb, role = ("answers", f", by {by}") if mode == "canary" else ("predicts", " as a shadow")
    text = f"{version} of {name} {verb} {share:g} of the requests{role}; "
    text += f"{before.version} is promoted.\n"
    if was := before.candidate:
        text += f"Before: the {was.mode} of {was.version}, {was.share:g}.\n"
    return (
        f"{text}A running service starts within 2 s. `flask models promote {name} {version}` "
        f"promotes it, `flask models rollback {name}` ends this."
    )


def _check_schemas(store: ModelStore, name: str, promoted: str, version: str) -> None:
    """Reject a version that takes other requests than the promoted one."""
    old, new = (store.read_card(name, tried) for tried in (promoted, version))
    if old["schema"] == new["schema"]:
        return
    changes = difference(old, new)
    rows = [f"{field} {text}" for field, text in field_rows(changes["fields"])]
    if extras := changes["facts"].get("extras"):
        rows.append(f"extras {extras['from']} -> {extras['to']}")
    raise CommandError(
        f"{version} of {name} is not tried: its schema is not that of {promoted}, so a request "
        f"made for one could not be answered by the other: {'; '.join(rows)}"
    )
