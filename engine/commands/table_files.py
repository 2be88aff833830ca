"""Files of records on the command line: their formats, and the progress of their answers."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from engine.commands.output import CommandError
from engine.languages import gettext as _
from engine.records.arrow_support import missing_arrow
from engine.records.forms import KINDS, SUFFIXES
from engine.records.spool import Spool
from engine.runtime.version import StoredVersion
from engine.serving import file_prediction
from engine.serving.file_prediction import BINARY, InvalidFile, TextLayout, recognise


def kind_of(path: Path, format_name: str | None) -> str:
    """Return the media type of a file by its format's name, or else by its suffix."""
    kind = KINDS[format_name] if format_name else SUFFIXES.get(path.suffix.lower())
    if kind is None:
        text = _("the format of {path} is not known by its suffix: name one with --format {kinds}, "
                 "or rename it to end in {suffixes}")  # fmt: skip
        raise click.UsageError(text.format(
            path=click.format_filename(path), kinds="|".join(KINDS),
            suffixes=", ".join(sorted(SUFFIXES))))  # fmt: skip
    if kind in BINARY and (reason := missing_arrow()):
        raise CommandError(reason.replace("pip install", f"{sys.executable} -m pip install"))
    return kind


def answer_file(
    version: StoredVersion, path: Path, kind: str, form: str, layout: TextLayout | None = None,
    **options: Any,
) -> Spool:  # fmt: skip
    """Answer every record of a file, and show on a terminal how far it is read."""
    layout = layout or recognise(path, kind, version.schema)
    try:
        with path.open("rb") as file, _progress(file) as (stream, size):
            return file_prediction.answer_file(
                version, stream, path, size=size, kind=kind, form=form, layout=layout, **options
            )
    except InvalidFile as error:
        raise CommandError(f"{click.format_filename(path)}{error}", error.errors) from error


class _Watched:
    """A file that reports how much of it is read."""

    def __init__(self, file: IO[bytes], report: Callable[[int], Any]) -> None:
        self._file = file
        self._report = report

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        content = self._file.read(size)
        self._report(len(content))
        return content


@contextmanager
def _progress(file: IO[bytes]) -> Iterator[tuple[Any, int | None]]:
    """Return a file and its size, and show on a terminal how far it is read."""
    status = os.fstat(file.fileno())
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    if size and sys.stderr.isatty():
        with click.progressbar(length=size, label=_("Predicting"), file=sys.stderr) as bar:
            yield _Watched(file, bar.update), size
    else:
        yield file, size
