"""`flask keys`: make, list and remove API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from engine.api.resources import resources
from engine.commands.output import CommandResult, command_output, table
from engine.languages import gettext as _
from engine.languages import mark
from persistence.api_keys import SCOPES, Key, make_key


@click.group()
def keys() -> None:
    """Make, list and remove API keys."""


@keys.command("make")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES),
    default=("predict", "read"), show_default=True, help="What it allows; repeatable.",
)  # fmt: skip
@click.option(
    "--model", "models", multiple=True, help="A model to allow; repeatable; default: all."
)
@click.option("--days", type=click.IntRange(1, 36500), help="Days until the key expires.")
@click.option("--rate-limit", help="Requests per seconds, such as 100/60.")
@command_output
def make(
    name: str, scopes: Sequence[str], models: Sequence[str], days: int | None,
    rate_limit: str | None,
) -> CommandResult:  # fmt: skip
    """Make a key for NAME and print it, once.

    A running service accepts the key within two seconds. To replace a key, make
    a new one, hand it over, then remove the old one.

    \b
    Examples:
      flask keys make analytics
      flask keys make nightly --scope predict --model credit --days 90
      flask keys make partner --rate-limit 100/60 --json
    """
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days) if days else None
    text, key = make_key(
        name, scopes=tuple(dict.fromkeys(scopes)), rate_limit=rate_limit,
        models=tuple(dict.fromkeys(models)) or None, expires_at=expires,
    )  # fmt: skip
    resources().callers.file.add(key)
    return CommandResult({"key": text, **_described(key)}, text)


@keys.command("list")
@command_output
def list_keys() -> CommandResult:
    """List the keys; their texts are not stored.

    \b
    Examples:
      flask keys list
    """
    file = resources().callers.file
    listed = file.read()
    text = _("there is no key in {path}: flask keys make NAME makes one").format(path=file)
    if listed:
        head = "id", mark("name"), mark("scopes"), mark("models"), mark("until"), mark("limit")
        text = table(head, [_row(key) for key in listed])
    return CommandResult({"keys": [_described(key) for key in listed]}, text)


@keys.command()
@click.argument("identifier", metavar="ID")
@command_output
def remove(identifier: str) -> CommandResult:
    """Remove a key: it is rejected from now on.

    Every worker of a running service rejects it within two seconds. ID is the
    part of the key before the dot.

    \b
    Examples:
      flask keys remove 1a2b3c4d
    """
    key = resources().callers.file.remove(identifier)
    return CommandResult(
        _described(key), _("removed key {id} of {name}").format(id=key.id, name=key.name)
    )


def _row(key: Key) -> Sequence[str]:
    until = f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else _("for good")
    models = ", ".join(key.models) if key.models else _("all")
    over = _(", over") if key.has_expired() else ""
    return (key.id, key.name, ", ".join(key.scopes), models, until + over, key.rate_limit or "")


def _described(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "models": list(key.models) if key.models else None,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "rate_limit": key.rate_limit,
    }
