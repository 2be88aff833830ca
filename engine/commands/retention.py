"""`flask models prune`, `pin` and `unpin`: which versions stay."""

from typing import Any

import click

from engine.commands.output import CommandResult, command_output, served
from engine.languages import gettext as _
from engine.languages import mark
from persistence.model_persistence import ModelStore
from persistence.promotions import Pointer, PromotionConflict, VersionInUse, in_use
from persistence.store_errors import ModelNotFound, VersionNotFound


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--keep", type=click.IntRange(min=1), default=10, show_default=True,
              help="The number of newest versions of each model that stay.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only show what would be removed; remove nothing.")
@command_output
def prune(name: str | None, *, keep: int, dry_run: bool) -> CommandResult:
    """Remove the oldest versions of a model, or of every model.

    Besides the newest, these stay: the promoted version, the one that a
    rollback would promote, the candidate, and pinned versions. What killed
    writers left behind more than a day ago is removed as well.

    \b
    Examples:
      flask models prune --dry-run
      flask models prune credit --keep 10
    """
    store = served().store
    stored = store.stored_names()
    if name is not None and name not in stored:
        raise ModelNotFound(_("no version of model {name} is stored").format(name=repr(name)))
    models = stored if name is None else [name]
    rows = [row for model in models for row in _old(store, model, keep)]
    if not dry_run:
        for row in rows:
            _remove(store, row)
        for model in models:
            store.sweep(model)
    verb, stays = _("would be removed") if dry_run else _("removed"), _("stays, {reason}")
    removed = sum(not row["stays"] for row in rows)
    lines = [
        f"{row['model']} {row['version']}: "
        f"{stays.format(reason=_(row['stays'])) if row['stays'] else verb}"
        for row in rows
    ]
    text = _("{removed} of {rows} versions beyond the newest {keep} {verb}.")
    lines.append(text.format(removed=removed, rows=len(rows), keep=keep, verb=verb))
    return CommandResult({"versions": rows, "keep": keep, "dry_run": dry_run}, "\n".join(lines))


@click.command()
@click.argument("name")
@click.argument("version")
@command_output
def pin(name: str, version: str) -> CommandResult:
    """Protect a version from being pruned.

    \b
    Examples:
      flask models pin credit 20260102T101500Z-3fa9c
    """
    return _pin(name, version, is_pinned=True)


@click.command()
@click.argument("name")
@click.argument("version")
@command_output
def unpin(name: str, version: str) -> CommandResult:
    """Let a version be pruned again.

    \b
    Examples:
      flask models unpin credit 20260102T101500Z-3fa9c
    """
    return _pin(name, version, is_pinned=False)


def _old(store: ModelStore, name: str, keep: int) -> list[dict[str, Any]]:
    """List the versions beyond the newest, oldest first, each with the reason if it stays."""
    versions = store.versions(name)
    try:
        reasons = in_use(store.pointer(name), versions)
    except ModelNotFound:
        reasons = dict.fromkeys(versions, mark("since none is promoted"))
    return [
        {"model": name, "version": version, "stays": reasons.get(version, "")}
        for version in versions[:-keep]
    ]


def _remove(store: ModelStore, row: dict[str, Any]) -> None:
    """Remove a version unless it stays or has just come into use."""
    if row["stays"]:
        return
    try:
        store.remove(row["model"], row["version"])
    except VersionNotFound:
        pass  # somebody else has removed it
    except VersionInUse as error:
        row["stays"] = str(error).partition("it is ")[2]


def _pin(name: str, version: str, *, is_pinned: bool) -> CommandResult:
    store = served().store
    if is_pinned and version not in store.versions(name):
        text = _("model {name} has no version {version}")
        raise VersionNotFound(text.format(name=repr(name), version=repr(version)))
    store.pointer(name)  # raises unless there is a readable one

    def change(pointer: Pointer | None) -> Pointer:
        if pointer is None or (is_pinned and version in pointer.removed):
            text = _("{version} of {name} is being removed: nothing was changed")
            raise PromotionConflict(text.format(version=version, name=name))
        others = tuple(other for other in pointer.pinned if other != version)
        return pointer._replace(pinned=(*others, version) if is_pinned else others)

    store.change(name, change)
    text = (
        _("{version} of {name} is never pruned.")
        if is_pinned
        else _("{version} of {name} may be pruned.")
    )
    return CommandResult(
        {"model": name, "version": version}, text.format(version=version, name=name)
    )
