"""`flask models deploy`: a version into another store, where it is served."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from engine.commands.output import CommandError, CommandResult, command_output, missing, served
from engine.languages import gettext as _
from engine.runtime.loading import check_version
from persistence.model_persistence import ModelStore


@click.command()
@click.argument("name")
@click.argument("version")
@click.argument("place", metavar="STORE")
@command_output
def deploy(name: str, version: str, place: str) -> CommandResult:
    """Copy a version into another STORE, and promote it there.

    STORE is a folder, or the address of a bucket. The version is checked as by
    promote, and keeps its name and its signature. A service that reads STORE
    switches within 2 s. In the store that it comes from nothing is changed.

    \b
    Examples:
      flask models deploy credit v3 s3://bucket/models
      flask models deploy credit 20260102T101500Z-3fa9c /srv/models
    """
    store = served().store
    if trouble := check_version(store, name, version):
        text = _("{version} of {name} is not deployed: {trouble}")
        raise CommandError(text.format(version=version, name=name, trouble=trouble))
    try:
        with TemporaryDirectory() as cache:
            store.copy(name, version, ModelStore(place, cache=Path(cache)))
    except ModuleNotFoundError as error:
        raise missing(error) from error
    except ValueError as error:
        raise CommandError(str(error)) from error
    text = _("{version} of {name} is promoted in {place}.")
    document = {"model": name, "version": version, "place": place}
    return CommandResult(document, text.format(version=version, name=name, place=place))
