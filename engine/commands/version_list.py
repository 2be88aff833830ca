"""`flask models list`: the stored versions, in pages."""

from collections.abc import Sequence
from typing import Any

import click

from engine.commands.output import CommandResult, command_output, served, table
from engine.languages import gettext as _
from engine.languages import mark
from engine.schema.messages import rounded
from persistence.model_persistence import ModelStore
from persistence.names import NAME, VERSION
from persistence.promotions import Pointer
from persistence.store_errors import ModelNotFound, UntrustedArtifact, VersionNotFound


def _row_named(
    context: click.Context, by: click.Parameter, text: str | None
) -> tuple[str, str] | None:
    if text is None:
        return None
    name, _slash, version = text.partition("/")
    if not (NAME.fullmatch(name) and VERSION.fullmatch(version)):
        reason = _("{text} is not a model and a version: give NAME/VERSION")
        raise click.BadParameter(reason.format(text=repr(text)))
    return name, version


@click.command("list")
@click.option("--model", "name", metavar="NAME", help="Only the versions of this model.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True,
              help="The number of versions that are listed at most.")  # fmt: skip
@click.option("--after", metavar="NAME/VERSION", callback=_row_named,
              help="Begin after this version, the last of the list before.")  # fmt: skip
@command_output
def list_versions(name: str | None, *, limit: int, after: tuple[str, str] | None) -> CommandResult:
    """List the stored versions of every model, newest first.

    * marks the promoted version, which is served by default; ~ marks a version
    on trial beside it; p marks a pinned version, which is never pruned.

    \b
    Examples:
      flask models list
      flask models list --model credit
      flask models list --limit 200 --after credit/20260102T101500Z-3fa9c
    """
    store = served().store
    names = store.stored_names()
    if name is not None and name not in names:
        reason = _("no version of model {name} is stored in {place}")
        raise ModelNotFound(reason.format(name=repr(name), place=store.place))
    listed, following = _page(store, [name] if name else names, limit, after)
    if not listed:
        remedy = _("train one with `python build_model.py {default}`").format(
            default=served().default
        )
        text = (
            _("no version is stored in {place}: {remedy}").format(place=store.place, remedy=remedy)
            if after is None
            else ""
        )
        return CommandResult({"versions": [], "next": None}, text)
    rows = [row for model, versions in listed.items() for row in _rows(store, model, versions)]
    head = (mark("model"), mark("version"), "", mark("name"), mark("trained"), mark("score"), "",
            mark("runtime"), mark("size"))  # fmt: skip
    lines = [table(head, [_line(row) for row in rows if "refused" not in row])]
    lines += [
        _("refused: {reason}").format(reason=row["refused"]) for row in rows if "refused" in row
    ]
    if following:
        only = f" --model {name}" if name else ""
        lines.append(
            _("There are more: flask models list{only} --after {following}").format(
                only=only, following=following
            )
        )
    return CommandResult({"versions": rows, "next": following}, "\n".join(lines))


def _page(
    store: ModelStore, names: Sequence[str], limit: int, after: tuple[str, str] | None
) -> tuple[dict[str, list[str]], str | None]:
    """Return the versions to list, by model, and the last of them if there are more."""
    listed: dict[str, list[str]] = {}
    last = ""
    for name in names:
        for version in reversed(store.versions(name)):
            if after and (name < after[0] or (name == after[0] and version >= after[1])):
                continue
            if limit == 0:
                return listed, last
            listed.setdefault(name, []).append(version)
            limit, last = limit - 1, f"{name}/{version}"
    return listed, None


def _rows(store: ModelStore, name: str, versions: Sequence[str]) -> list[dict[str, Any]]:
    pointer = pointer_or_none(store, name)
    trial = pointer.candidate if pointer else None
    return [
        {
            "model": name,
            "version": version,
            "version_name": pointer.name_of(version) if pointer else None,
            "promoted": pointer is not None and version == pointer.version,
            "candidate": trial._asdict() if trial and version == trial.version else None,
            "pinned": pointer is not None and version in pointer.pinned,
        }
        | _described(store, name, version)
        for version in versions
    ]


def pointer_or_none(store: ModelStore, name: str) -> Pointer | None:
    """Return a model's pointer; None where there is none, or it is damaged."""
    try:
        return store.pointer(name)
    except (ModelNotFound, UntrustedArtifact):
        return None


def _described(store: ModelStore, name: str, version: str) -> dict[str, Any]:
    try:
        card = store.read_card(name, version)
    except (VersionNotFound, UntrustedArtifact) as error:
        return {"refused": str(error)}
    return {
        "created_at": card["created_at"],
        "score": card["score"],
        "value": card["scores"][card["score"]]["value"],
        "runtime": card["runtime"],
        "bytes": sum(file["bytes"] for file in card["files"].values()),
    }


def _line(row: dict[str, Any]) -> list[str]:
    marks = "*" * row["promoted"] + "~" * bool(row["candidate"]) + "p" * row["pinned"]
    trained, size = row["created_at"][:16].replace("T", " "), f"{row['bytes'] / 1e6:.1f} MB"
    score = row["score"], rounded(row["value"])
    name = row["version_name"] or ""
    return [row["model"], row["version"], marks, name, trained, *score, row["runtime"], size]
