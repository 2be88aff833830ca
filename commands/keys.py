"""``flask keys``: make, list and remove API keys."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from persistence.keys import SCOPES, InvalidKeys, Key, KeyFile, make_key

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def keys_group(path: Path) -> AppGroup:
    """Give the commands over a file of keys.

    Parameters
    ----------
    path : Path
        The file; made by the first key.
    """
    group = AppGroup("keys", help="Make, list and remove API keys.")
    group.add_command(_make(KeyFile(path)))
    group.add_command(_list(KeyFile(path)))
    group.add_command(_remove(KeyFile(path)))
    return group


def _make(file: KeyFile) -> click.Command:
    @click.command("make")
    @click.argument("name")
    @click.option(
        "--scope", "scopes", multiple=True, type=click.Choice(SCOPES),
        default=("predict", "read"), show_default=True, help="What it is good for; repeatable.",
    )  # fmt: skip
    @click.option("--model", "models", multiple=True, help="A model it may ask; default: all.")
    @click.option("--days", type=click.IntRange(1, 36500), help="Days that it lasts.")
    @click.option("--rate-limit", help="Requests in seconds, as 100/60.")
    @_JSON
    def make(
        name: str, scopes: tuple[str, ...], models: tuple[str, ...], days: int | None,
        rate_limit: str | None, *, as_json: bool,
    ) -> None:  # fmt: skip
        """Make a key for NAME and print it, once.

        A running service takes it within two seconds. For a new key in place
        of an old one, make it, hand it over, then remove the old one.

        \b
        Examples:
          flask keys make analytics
          flask keys make nightly --scope predict --model credit --days 90
        """
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days) if days else None
        try:
            text, key = make_key(
                name, scopes=tuple(dict.fromkeys(scopes)), rate_limit=rate_limit,
                models=tuple(dict.fromkeys(models)) or None, expires_at=expires,
            )  # fmt: skip
            file.add(key)
        except InvalidKeys as error:
            raise click.ClickException(str(error)) from error
        if as_json:
            click.echo(json.dumps({"key": text, **_described(key)}))
            return
        click.echo(f"Key {key.id} for {name}; {file.path} keeps only its digest.", err=True)
        click.echo(text)

    return make


def _list(file: KeyFile) -> click.Command:
    @click.command("list")
    @_JSON
    def list_keys(*, as_json: bool) -> None:
        """List the keys; their texts are nowhere.

        \b
        Example:
          flask keys list
        """
        try:
            keys = file.read()
        except InvalidKeys as error:
            raise click.ClickException(str(error)) from error
        if as_json:
            click.echo(json.dumps([_described(key) for key in keys]))
            return
        if not keys:
            click.echo(f"There is no key in {file.path}. Make one: flask keys make NAME")
        for key in keys:
            models = ", ".join(key.models) if key.models else "all models"
            until = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "for good"
            over = ", over" if key.has_expired() else ""
            limit = f", {key.rate_limit} s" if key.rate_limit else ""
            click.echo(
                f"{key.id}  {key.name}: {'+'.join(key.scopes)}, {models}, {until}{over}{limit}"
            )

    return list_keys


def _remove(file: KeyFile) -> click.Command:
    @click.command("remove")
    @click.argument("identifier", metavar="ID")
    @_JSON
    def remove(identifier: str, *, as_json: bool) -> None:
        """Remove a key, so that it is refused from now on.

        Every worker of a running service knows within two seconds. ID is what
        stands before the dot of the key.

        \b
        Example:
          flask keys remove 1a2b3c4d
        """
        try:
            key = file.remove(identifier)
        except InvalidKeys as error:
            raise click.ClickException(str(error)) from error
        click.echo(
            json.dumps(_described(key)) if as_json else f"Removed key {key.id} of {key.name}."
        )

    return remove


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
