"""Write a model file from a table, and show the difference where there is one already."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from engine.training.infer.draft import draft_model
from engine.training.infer.model_file import model_text
from engine.training.infer.report import report
from persistence.atomic_files import replace_file
from persistence.database import address_without_password


class ModelFileDiffers(Exception):
    """There is a model file that says something else; the message is the difference."""


def write_model_file(
    file: Path, place: str, target: str, *, table: str = "", overwrite: bool,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write a model file, and say what was decided about the table.

    The place is a file or the address of a database; of PostgreSQL a .url file in data/ keeps
    the address without its password.

    Raise `UnreadableTable` where none can be written, and `ModelFileDiffers` where the file that
    is there says something else, unless it is to be overwritten.
    """
    project = file.resolve().parent.parent
    address = address_without_password(place)
    path = project / f"data/{file.stem}.url" if address else Path(place.removeprefix("sqlite:///"))
    sample = Path(os.path.relpath(path.resolve(), project)).as_posix()
    draft = draft_model(place, target, name=file.stem, sample=sample, table=table)
    text = model_text(draft)
    before = file.read_text(encoding="utf-8") if file.is_file() else None
    for line in report(draft):
        say(line)
    if before == text:
        say(f"{_shown(file)} says this already")
        return
    if before is not None and not overwrite:
        lines = difflib.unified_diff(
            before.splitlines(),
            text.splitlines(),
            _shown(file),
            "as it would be written",
            "",
            "",
            1,
            "",
        )
        raise ModelFileDiffers(
            "\n".join(lines)
            + f"\n{_shown(file)} is there and was not changed: to replace it by what "
            "+ shows, add --overwrite"
        )
    replace_file(file, text.encode())
    if address:
        replace_file(path, f"{address}\n".encode())
    say(f"{_shown(file)} is written: {len(text.splitlines())} lines, yours to edit")
    if sample.startswith("../"):
        say("the table is outside of the project: move it into data/ and correct `sample`")


def _shown(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
