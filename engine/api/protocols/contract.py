"""What a protocol of another server consists of, and the one function that runs its predictions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from flask import Blueprint

from engine.api.errors import Phrase
from engine.api.requests import choose_version
from engine.api.resources import Resources
from engine.records.rows import Records
from engine.records.validation import Accepted
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion
from engine.serving.prediction import Predictor

#: What a view is open to when it needs no key.
PUBLIC = "public"

#: What it is open to when any key that is valid may open it.
ANY = "any"

#: What a protocol reads: records, perhaps with more of the request.
_Records = TypeVar("_Records", bound=Records)


class Protocol(NamedTuple):
    """A protocol of another server, as its own file declares it.

    Attributes
    ----------
    name : str
        The name of its blueprint.
    access : mapping of str to str
        By view, the scope that a key needs; `PUBLIC` where no key is needed.
    paths : callable
        Returns the paths at which, and below which, the protocol is spoken.
    phrase : callable
        Phrases failures on these paths.
    description : Path
        A file of JSON: the protocol's part of the API's description.
    """

    name: str
    routes: Callable[[Resources], Blueprint]
    access: Mapping[str, str]
    paths: Callable[[Resources], Sequence[str]]
    phrase: Phrase
    description: Path


def run(
    predictor: Predictor, body: bytes, read: Callable[[bytes, StoredVersion], _Records],
    *, model: str | None = None, version: str | None = None,
) -> tuple[StoredVersion, _Records, Decisions, list[Accepted]]:  # fmt: skip
    """Predict the records that a protocol reads; return what its answer is written from.

    The default model answers when the request does not name a model, and the
    promoted version when it does not name a version.
    """
    chosen = choose_version(predictor, body, model=model, version=version)
    records = read(body, chosen.version)
    return chosen.version, records, *predictor.decide_records(chosen, records)
