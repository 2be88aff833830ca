"""Arrow and Parquet where they are available: the folder ``arrow`` and pyarrow are optional."""

import socket
from collections.abc import Callable, Generator, Mapping
from importlib.util import find_spec
from typing import Any

from engine.languages import gettext as _
from engine.records.blocks import Block
from engine.records.problems import BadRequest
from engine.records.upload import Upload
from engine.records.writers import Writer


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


_HAS_FOLDER = _is_there("engine.records.arrow.reader")

if _HAS_FOLDER:
    from engine.records.arrow.reader import readers
    from engine.records.arrow.writer import ArrowWriter

#: The writer of Arrow streams.
ARROW_WRITER: type[Writer] | None = ArrowWriter if _HAS_FOLDER else None


def missing_arrow() -> str:
    """Return why Arrow and Parquet are neither read nor written here; empty when they are."""
    if not _HAS_FOLDER:
        return _("Arrow and Parquet are not a part of this service: send and accept CSV or JSON")
    if not _is_there("pyarrow"):
        return _("Arrow and Parquet need a package that is not installed here: pip install pyarrow")
    return ""


def read_arrow(upload: Upload, schema: Mapping[str, Any], kind: str) -> Generator[Block]:
    """Read a file of a media type, an Arrow stream or Parquet, by a card's schema.

    Raise `BadRequest` with 400 when it is damaged, with 413 when its table, a row or the memory it
    takes is too large, with 415 when Arrow cannot be read here.
    """
    if reason := missing_arrow():
        raise BadRequest(415, reason)
    yield from readers.read(upload, schema, kind)


def start_reader(descriptor: int) -> Any:
    """Start a process that reads the files which come over a connection."""
    return readers.start(descriptor)


def use_starter(starter: Callable[[socket.socket], bool]) -> None:
    """Have another process start the readers of this one, which must start none itself.

    Given a connection, `starter` starts a reader at its other end, and returns whether it could.
    """
    if _HAS_FOLDER:
        readers.starter = starter
