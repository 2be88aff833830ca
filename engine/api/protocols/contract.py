"""What a protocol of another server consists of, and the one function that runs its predictions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from flask import Blueprint, Response

from engine.api.errors import Phrase
from engine.api.requests import choose_version
from engine.api.resources import Resources
from engine.api.responses import respond, version_headers
from engine.records.media_types import JSON
from engine.records.rows import Records
from engine.records.spool import Spool
from engine.records.validation import Accepted
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion
from engine.serving.prediction import Predictor

#: What a view is open to when it needs no key.
PUBLIC = "public"

#: What `read` returns: records, and with them whatever `write` needs of the request.
_Records = TypeVar("_Records", bound=Records)


class Protocol(NamedTuple):
    """A protocol of another server, as its own file declares it.

    Attributes
    ----------
    name : str
        The name of its blueprint.
    routes : callable
        Makes the blueprint.
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


class Written(NamedTuple):
    """An answer, as a protocol writes it.

    Attributes
    ----------
    body : bytes or Spool
        Its content.
    content_type : str
        Of the body.
    headers : mapping of str to str
        What the protocol adds.
    """

    body: bytes | Spool
    content_type: str = JSON
    headers: Mapping[str, str] = MappingProxyType({})


def run(
    predictor: Predictor,
    body: bytes,
    read: Callable[[bytes, StoredVersion], _Records],
    write: Callable[[StoredVersion, _Records, Decisions, Sequence[Accepted]], Written],
    *,
    model: str | None = None,
    version: str | None = None,
    names_version: bool = True,
) -> Response:
    """Predict the records of a body with the two functions of a protocol.

    Parameters
    ----------
    read : callable
        Reads the records for the version that answers.
    write : callable
        Writes the decisions and the warnings.
    model, version : str, optional
        What the request names; by default the default model, and the promoted version.
    names_version : bool
        Whether headers name the version, because the body does not.
    """
    chosen = choose_version(predictor, body, model=model, version=version)
    records = read(body, chosen.version)
    decisions, warnings = predictor.decide_records(chosen, records)
    written = write(chosen.version, records, decisions, warnings)
    return send(chosen.version, written) if names_version else respond(*written)


def send(version: StoredVersion, written: Written) -> Response:
    """Return the response with an answer, whose headers name the version."""
    headers = {**version_headers(version), **written.headers}
    return respond(written.body, written.content_type, headers)
