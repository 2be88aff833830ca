"""Arrow and Parquet, where they can be had: the folder ``arrow`` and pyarrow are optional."""

import socket
from collections.abc import Callable, Generator, Mapping
from importlib.util import find_spec
from typing import Any

from engine.records.blocks import Block
from engine.records.media_types import ARROW
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

#: What writes answers as Arrow streams, by media type.
ARROW_WRITERS: dict[str, type[Writer]] = {ARROW: ArrowWriter} if _HAS_FOLDER else {}


def missing_arrow() -> str:
    """Return why Arrow and Parquet are neither read nor written here; empty when they are."""
    if not _HAS_FOLDER:
        return "Arrow and Parquet are not a part of this service: send and accept CSV or JSON"
    if not _is_there("pyarrow"):
        return "Arrow and Parquet need a package that is not installed here: pip install pyarrow"
    return ""


def read_arrow(upload: Upload, schema: Mapping[str, Any], kind: str) -> Generator[Block]:
    """Read an Arrow stream or a Parquet file.

    Parameters
    ----------
    schema : mapping
        As a card has it.
    kind : str
        The media type.

    Raises
    ------
    BadRequest
        400 when the file is damaged, 413 when it is too large in some way,
        415 when Arrow cannot be read here.
    """
    if reason := missing_arrow():
        raise BadRequest(415, reason)
    yield from readers.read(upload, schema, kind)


def start_reader(descriptor: int) -> Any:
    """Start a process that reads the files which come over a connection."""
    return readers.start(descriptor)


def use_starter(ask: Callable[[socket.socket], bool]) -> None:
    """Have other processes start the readers of this one, which is to start none itself.

    Parameters
    ----------
    ask : callable
        Given a connection, has a reader started at its other end; returns
        whether it could.
    """
    if _HAS_FOLDER:
        readers.ask = ask
