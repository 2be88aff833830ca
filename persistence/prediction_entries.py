"""What is in the spool of the prediction log: frames, each a list of entries in MessagePack."""

from typing import Any

import msgspec


class VersionEntry(msgspec.Struct, frozen=True, array_like=True, tag="version"):
    """A version, before the first prediction of it in a file."""

    number: int  # by which the process that has written the file calls it
    model: str
    version: str
    schema: dict[str, Any]  # of `Schema.to_json`
    classes: list[Any] | None
    positive: Any  # one of two classes
    reference: dict[str, dict[str, Any]]  # of the card


class Predictions(msgspec.Struct, frozen=True, array_like=True, tag="predictions"):
    """The records of a request, or some of them, and what was answered."""

    version: int
    id: str
    first: int | None  # the number of the first record in its body; None: it came alone
    at: float  # seconds since 1970
    seconds: float  # from the request to the decision
    key: str  # the name of the API key
    request_id: str
    records: bytes | list[list[Any]]  # doubles row by row; values where some are no doubles
    answers: bytes | list[int]  # doubles, or the places of the classes; -1 for none
    probabilities: bytes  # doubles row by row; empty where there are none


class TableFile(msgspec.Struct, frozen=True, array_like=True, tag="table"):
    """A table that is remembered by its digest."""

    version: int
    id: str
    at: float
    seconds: float
    key: str
    request_id: str
    sha256: str
    media_type: str
    rows: int
    answers: list[int]  # how many rows have each class; empty for numbers


class Outcomes(msgspec.Struct, frozen=True, array_like=True, tag="outcomes"):
    """What came true, in the order in which it was sent."""

    model: str
    source: str  # who has sent it
    received_at: float
    #: The id of a prediction or the identifiers of its record; the value; when it was so.
    outcomes: list[tuple[str | dict[str, Any], Any, float | None]]


Entry = VersionEntry | Predictions | TableFile | Outcomes

#: Writes entries as the content of a frame.
encode = msgspec.msgpack.Encoder().encode

#: Reads the content of a frame; raises `msgspec.DecodeError`.
decode = msgspec.msgpack.Decoder(list[Entry]).decode
