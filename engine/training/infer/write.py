"""Write a model file from a table, and show the difference where there is one already."""

import ast
import difflib
import os
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path

from engine.languages import gettext as _
from engine.training.infer.candidates import candidates, choose
from engine.training.infer.draft import draft_model
from engine.training.infer.model_file import model_text
from engine.training.infer.report import report
from engine.training.infer.source import UnreadableTable
from persistence.atomic_files import replace_file
from persistence.database import is_address, without_password


class ModelFileDiffers(Exception):
    """There is a model file that says something else; the message is the difference."""


def write_model_file(
    file: Path, place: str, target: str, *, say: Callable[[str], None], table: str = "",
    overwrite: bool = False, family: str = "", seed: int = 0, minutes: float = 1.0,
) -> None:  # fmt: skip
    """Write a model file, and say what was decided about the table.

    The place is a file or the address of a database; of PostgreSQL a .url file in data/ keeps
    the address without its password. The estimator is chosen among candidates, or those of one
    family, in so many minutes.

    Raise `UnreadableTable` where none can be written, and `ModelFileDiffers` where the file that
    is there has other fields, unless it is to be overwritten.
    """
    if not 0 <= seed < 2**32:
        reason = _("the seed is {seed}: give a whole number from 0 to 2**32 - 1")
        raise UnreadableTable(reason.format(seed=seed))
    if not 0 < minutes < inf:
        reason = _("minutes is {minutes:g}: give a number above 0, such as 0.5")
        raise UnreadableTable(reason.format(minutes=minutes))
    project = file.resolve().parent.parent
    place = without_password(place)
    path = (
        project / f"data/{file.stem}.url"
        if is_address(place)
        else Path(place.removeprefix("sqlite:///"))
    )
    sample = Path(os.path.relpath(path.resolve(), project)).as_posix()
    draft = draft_model(place, target, name=file.stem, sample=sample, table=table)
    for line in report(draft):
        say(line)
    listed = candidates(draft, family=family, seed=seed)
    if not listed:
        reason = _("there is no {family} for this table, or it is not installed")
        raise UnreadableTable(reason.format(family=family))
    text_of = partial(model_text, draft, seed=seed)
    if file.is_file() and not overwrite:
        _compare(file, text_of(listed[0]))
        say(_("{file} says this already").format(file=_shown(file)))
        return
    if is_address(place):
        replace_file(path, f"{place}\n".encode())
    given = path, listed, text_of
    chosen, compared = choose(*given, name=file.stem, seconds=60 * minutes, say=say)
    text = text_of(chosen, compared=compared)
    replace_file(file, text.encode())
    lines = len(text.splitlines())
    say(_("{file} is written: {lines} lines, yours to edit").format(file=_shown(file), lines=lines))
    if sample.startswith("../"):
        say(_("the table is outside of the project: move it into data/ and correct `sample`"))


def _compare(file: Path, text: str) -> None:
    """Raise `ModelFileDiffers` if a file has other fields, or reads its table otherwise."""
    before, after = (
        each.partition("\nfields = ")[2].partition("\n\n\ndef build_pipeline")[0]
        for each in (file.read_text(encoding="utf-8"), text)
    )
    # Comments are in the language of the terminal.
    lines, others = (
        [line for line in each.splitlines() if not line.strip().startswith(("#", '"""'))]
        for each in (before, after)
    )
    if lines == others:
        return
    names = _shown(file), _("as it would be written")
    lines = [
        *difflib.unified_diff(before.splitlines(), after.splitlines(), *names, n=1, lineterm=""),
        _changes(_fields(before), _fields(after)),
    ]
    remedy = _("to replace it by what + shows, add --overwrite")
    lines.append(
        _("{file} is there and was not changed: {remedy}").format(file=_shown(file), remedy=remedy)
    )
    raise ModelFileDiffers("\n".join(lines))


def _changes(old: dict[str, str], new: dict[str, str]) -> str:
    groups = {
        _("{names} added"): new.keys() - old.keys(),
        _("{names} removed"): old.keys() - new.keys(),
        _("{names} changed"): {name for name in new.keys() & old.keys() if new[name] != old[name]},
    }
    parts = [text.format(names=", ".join(sorted(names))) for text, names in groups.items() if names]
    parts = parts or [_("the same, and the table is read in another way")]
    return _("fields: {changes}").format(changes="; ".join(parts))


def _fields(text: str) -> dict[str, str]:
    """Return the calls in a text that have a name, which declare fields."""
    try:
        nodes = [*ast.walk(ast.parse(text))]
    except SyntaxError:  # a person is at work on it
        return {}
    calls = [(ast.unparse(node), node.keywords) for node in nodes if isinstance(node, ast.Call)]
    return {
        ast.unparse(keyword.value).strip("'"): call
        for call, keywords in calls
        for keyword in keywords
        if keyword.arg == "name"
    }


def _shown(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
