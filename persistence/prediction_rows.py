"""What the prediction log has: predictions, outcomes, and counts of both kinds of numbers."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

#: In the place of a field's name: what the counts of a version's answers are under.
ANSWER, PROBABILITY = ":answer", ":probability"


class PredictionRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A prediction as it was answered, or a table that is logged by its file."""

    id: str
    at: float  # seconds since 1970
    model: str
    version: str
    record: Mapping[str, Any] | None  # as it was validated; None for a table
    value: Any  # what JSON has; of a table its counts of answers
    probability: float | None = None  # of the positive class
    probabilities: Mapping[str, float] | None = None
    seconds: float | None = None  # until the answer
    key: str = ""  # the name of the caller's API key
    request_id: str = ""
    identifiers: Mapping[str, Any] = {}
    rows: int = 1
    sha256: str | None = None  # of the table as it was uploaded
    place: int = 0  # in the order in which the database got them; 0 before


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became true, of the prediction with an id or of those with some identifiers."""

    model: str
    value: Any
    source: str  # who says so: the name of an API key, or a file
    received_at: float
    at: float | None = None  # when it became true, where that is said
    id: str | None = None
    identifiers: Mapping[str, str] = {}  # in the order of their names

    @property
    def digest(self) -> str:
        """The same for an outcome that is told again."""
        told = (self.model, self.id, self.identifiers, self.value, self.at, self.source)
        return sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


class Count(msgspec.Struct, frozen=True):
    """How many records had a field in one of its bins, within one hour."""

    model: str
    version: str
    hour: int  # hours since 1970
    field: str
    bin: str
    n: int


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which predictions are meant: those to which all that is given applies."""

    model: str | None = None
    version: str | None = None
    since: float | None = None  # seconds since 1970, included
    until: float | None = None  # not included
    key: str | None = None
    id: str | None = None
    identifiers: Mapping[str, Any] = {}


#: All predictions.
EVERYTHING = Selection()

#: What the database has as text in JSON.
_JSON = frozenset({"record", "value", "probabilities", "identifiers"})


def json_text(value: Any) -> str:
    """Return a value as text in JSON."""
    return msgspec.json.encode(value).decode()


def columns_of(row: Any) -> dict[str, Any]:
    """Return what the row of a table has."""
    values = msgspec.structs.asdict(row)
    values.pop("place", None)
    for name in _JSON & values.keys():
        values[name] = None if values[name] is None else json_text(values[name])
    return values


def outcome_columns(row: OutcomeRow) -> dict[str, Any]:
    """Return what the row of an outcome has, which is found by its id or its first identifier."""
    name = min(row.identifiers, default=None)
    at = row.received_at if row.at is None else row.at
    found = {"name": name, "name_value": None if name is None else row.identifiers[name]}
    return {**columns_of(row), "digest": row.digest, "at": at, **found}


def row_of(kind: type, names: Sequence[str], found: Sequence[Any]) -> Any:
    """Return a row from what a table has."""
    values = dict(zip(names, found, strict=True))
    for name in _JSON & values.keys():
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    return kind(**values)
