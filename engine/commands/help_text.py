"""The help of the commands, in the language of the terminal."""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

from engine.languages import choose_by_environment
from engine.languages import gettext as _

#: What begins the examples of a help, which are not translated.
EXAMPLES = "\b\nExamples:"


def every(commands: Iterable[click.Command]) -> Iterator[click.Command]:
    """Yield commands, and those below them."""
    for command in commands:
        yield command
        if isinstance(command, click.Group):
            yield from every(command.commands.values())


def helps(commands: Iterable[click.Command]) -> Iterator[tuple[Any, str]]:
    """Yield each command, and each option that has a help, with its help."""
    for command in every(commands):
        yield command, inspect.cleandoc(command.help or "")
        for option in command.params:
            if isinstance(option, click.Option) and option.help:
                yield option, option.help


def translate_help(commands: Sequence[click.Command]) -> None:
    """Let commands show their help in the language that the terminal has by then."""
    texts = [*helps(commands)]

    def translated(format_help: Callable[..., None]) -> Callable[..., None]:
        def show(context: click.Context, formatter: click.HelpFormatter) -> None:
            choose_by_environment(os.environ)
            for owner, text in texts:
                said, begin, examples = text.partition(EXAMPLES)
                owner.help = _(said.strip()) + f"\n\n{begin}{examples}" * bool(begin)
            format_help(context, formatter)

        return show

    for command in every(commands):
        command.format_help = translated(command.format_help)  # type: ignore[method-assign]
