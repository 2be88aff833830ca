"""The output of every command: a text or one JSON document, and errors in sentences.

Exit codes: 0 done, 1 refused or invalid input, 2 wrong usage, unless a command says otherwise.
"""

import errno
import json
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple, NoReturn

import click
from flask.cli import with_appcontext

from engine.api.resources import resources
from engine.languages import choose_by_environment
from engine.languages import gettext as _
from engine.records.problems import BadRequest
from engine.serving.model_cache import ModelCache
from persistence.api_keys import InvalidKeys
from persistence.database import DatabaseError
from persistence.promotions import PromotionConflict, VersionInUse
from persistence.store_errors import StoreError, VersionNotFound


class CommandError(Exception):
    """The command is refused; ``errors`` lists every problem of an input with its place."""

    def __init__(self, reason: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(reason)
        self.errors = errors


class CommandResult(NamedTuple):
    """A document for programs, and a text for people, or none."""

    document: Mapping[str, Any]
    text: str
    code: int = 0  # of the exit


def command_output(
    command: Callable[..., CommandResult], *, refused: int = 1
) -> Callable[..., None]:
    """Make a command print its result, and its errors without a traceback; then `refused` exits."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, nothing else.")
    @with_appcontext
    @_unforeseen(refused)
    @wraps(command)
    def run(*, as_json: bool, **options: Any) -> None:
        choose_by_environment(os.environ)
        try:
            result = command(**{**options, **_identified(options)})
        except (
            CommandError, BadRequest, InvalidKeys, StoreError,
            DatabaseError, PromotionConflict, VersionInUse, OSError,
        ) as error:  # fmt: skip
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # nobody reads the output any more: click ends silently
            _refuse(error, as_json=as_json, code=refused)
        if as_json:
            _print_json(result.document)
        elif result.text:
            click.echo(result.text)
        if result.code:
            click.get_current_context().exit(result.code)

    return run


def _unforeseen(code: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let what nobody foresaw, and Ctrl-C, exit with a code where 1 says something else."""

    def guard(run: Callable[..., None]) -> Callable[..., None]:
        @wraps(run)
        def guarded(**options: Any) -> None:
            try:
                run(**options)
            except (click.ClickException, click.exceptions.Exit):
                raise
            except (Exception, KeyboardInterrupt):
                if code == 1:
                    raise
                traceback.print_exc()
                click.get_current_context().exit(code)

        return guarded

    return guard


def _identified(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that options name, by their identifiers."""
    given = {key: options[key] for key in ("version", "old", "new") if options.get(key)}
    name = options.get("name") or options.get("model") or served().default
    return {key: served().store.identifier(name, text) for key, text in given.items()}


def missing(error: ModuleNotFoundError) -> CommandError:
    """Return the refusal of a command that needs a package which is not installed."""
    package = (error.name or "scipy").partition(".")[0]
    return CommandError(
        _("{name} is not installed: pip install -r requirements.txt").format(name=package)
    )


def served() -> ModelCache:
    """Return the models of the application that the command belongs to."""
    return resources().models


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Format rows under a translated head, each column as wide as its widest cell."""
    heads = [name and _(name) for name in head]
    lines = [heads, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def indented(text: str) -> str:
    """Indent every line by two spaces."""
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _refuse(error: Exception, *, as_json: bool, code: int) -> NoReturn:
    reason = str(error)
    if isinstance(error, OSError):
        file = f"{click.format_filename(error.filename)}: " if error.filename else ""
        reason = f"{file}{error.strerror or error}"
    if isinstance(error, VersionNotFound):
        reason += _(": `flask models list` shows the stored versions")
    errors = error.errors if isinstance(error, CommandError) else ()
    context = click.get_current_context()
    click.echo(f"{context.command_path}: {reason}", err=True)
    for problem in errors:
        places = [f"{key} {problem[key]}" for key in ("line", "row") if key in problem]
        places += [str(problem["field"])] if problem.get("field") else []
        detail = problem["detail"]
        click.echo(f"  {', '.join(places)}: {detail}" if places else detail, err=True)
    if as_json:
        _print_json({"error": reason} | ({"errors": list(errors)} if errors else {}))
    context.exit(code)


def _print_json(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, allow_nan=False))
