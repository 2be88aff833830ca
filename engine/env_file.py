"""The file `.env`: settings for this machine alone."""

import difflib
import io
import re
from collections.abc import Collection, Iterator, MutableMapping
from pathlib import Path
from typing import Any

#: So alike, from 0 to 1, are a misspelt setting and the one that is meant.
_ALIKE = 0.8


def add_env_file(
    path: Path, environment: MutableMapping[str, str], names: Collection[str]
) -> list[str]:
    """Add what a `.env` file says to the environment, which wins; nothing of the file is run.

    Nothing is added when a line cannot be used. The problems are returned, each
    with the number of its line and without its value, which may be a secret.
    """
    if "PYTHON_DOTENV_DISABLED" in environment or not path.is_file():
        return []
    try:
        from dotenv import dotenv_values
        from dotenv.parser import parse_stream

        text = path.read_text("utf-8-sig")
    except ImportError:
        return [f"{path.name} cannot be read without a package: pip install python-dotenv"]
    except UnicodeDecodeError:
        return [f"{path.name} is not in UTF-8: save it in that encoding"]
    except OSError as error:
        return [f"{path.name} cannot be read: {error.strerror}"]
    bindings = [*parse_stream(io.StringIO(text))]
    if problems := [
        f"{path.name}, line {line}: {what}" for line, what in _wrong_lines(bindings, names)
    ]:
        return problems
    # The command `flask` reads the file too, but replaces "${NAME}" in it.
    replaced = dotenv_values(stream=io.StringIO(text))
    for name, value in ((binding.key, binding.value) for binding in bindings if binding.key):
        if name not in environment or environment[name] == replaced[name]:
            environment[name] = value or ""
    return []


def _wrong_lines(bindings: list[Any], names: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the number of each line that cannot be used, and what is wrong with it."""
    lines: dict[str, int] = {}
    for binding in bindings:
        # A binding begins with the empty lines and comments before it.
        blank = re.match(r"(\s*(#.*)?\n)*", binding.original.string)
        line, name = binding.original.line + (blank[0].count("\n") if blank else 0), binding.key
        if binding.error or (name and binding.value is None and name not in names):
            yield line, "cannot be read: write NAME=value, and close every quote"
        elif name is None:
            continue
        elif name not in names and (
            near := difflib.get_close_matches(name.upper(), names, 1, _ALIKE)
        ):
            yield line, f"{name} is not a setting: did you mean {near[0]}?"
        elif not re.fullmatch("[A-Z][A-Z0-9_]*", name):  # it may be a part of a secret
            yield line, "the name is not in capital letters: write NAME=value"
        elif binding.value is None or "\0" in binding.value:
            yield line, f"{name} has no value: write {name}=value"
        elif name in lines:
            yield line, f"{name} is in line {lines[name]} already: delete one of the two"
        lines.setdefault(name or "", line)
