"""What a protocol of another server consists of, and the one function that runs its predictions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple, TypeVar

from flask import Blueprint, Response

from engine.api.errors import Phrase
from engine.api.requests import asked_here
from engine.api.responses import respond
from engine.records.rows import Records
from engine.records.upload import Upload
from engine.records.validation import Accepted
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion
from engine.serving.candidates import choose
from engine.serving.model_cache import ModelCache
from engine.serving.prediction import decide_records
from engine.serving.request import PredictResponse, version_headers

#: What a view is open to when it needs no key.
PUBLIC = "public"

#: What `read` returns: records, and with them whatever `write` needs of the request.
_Records = TypeVar("_Records", bound=Records)


class RouteContext(NamedTuple):
    """What the routes of a protocol need from the application.

    Attributes
    ----------
    models : ModelCache
        The versions that answer.
    stopping : Event
        Set once the service stops.
    service, version : str
        The name and the version of the service itself.
    max_table_bytes : int
        How long a table may be.
    workers : int
        How many batches may come at the same time.
    health_route, predict_route : str
        The paths that Vertex AI chooses; empty for none.
    """

    models: ModelCache
    stopping: Event
    service: str
    version: str
    max_table_bytes: int
    workers: int
    health_route: str = ""
    predict_route: str = ""


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
    routes: Callable[[RouteContext], Blueprint]
    access: Mapping[str, str]
    paths: Callable[[RouteContext], Sequence[str]]
    phrase: Phrase
    description: Path


def run(
    models: ModelCache,
    body: bytes,
    read: Callable[[bytes, StoredVersion], _Records],
    write: Callable[[StoredVersion, _Records, Decisions, Sequence[Accepted]], PredictResponse],
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

    def answer(answering: StoredVersion) -> PredictResponse:
        records = read(body, answering)
        return write(answering, records, *decide_records(answering, records))

    return answer_with(
        models, body, answer, model=model, version=version, names_version=names_version
    )


def answer_with(
    models: ModelCache,
    body: bytes | Upload,
    answer: Callable[[StoredVersion], PredictResponse],
    *,
    model: str | None = None,
    version: str | None = None,
    names_version: bool = True,
) -> Response:
    """Choose the version that answers, and send its answer; the parameters are those of `run`."""
    answering = choose(models, asked_here(body, model=model, version=version))
    response = answer(answering)
    headers = version_headers(answering) if names_version else {}
    return respond(response._replace(headers={**headers, **response.headers}))
