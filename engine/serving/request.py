"""A request to predict, and its answer, as any way in hands them over."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from engine.records.media_types import JSON
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.runtime.version import StoredVersion
from persistence.api_keys import Key


class PredictRequest(msgspec.Struct, frozen=True, gc=False):
    """A request to predict, as any way in hands it over.

    Attributes
    ----------
    body : bytes or Upload
        As it came, or as it comes.
    content_type, content_encoding : str
        The headers' values; empty when absent.
    request_id : str
        Stands in the answer when something is wrong.
    model : str or None
        Its name; None for the default model.
    version : str or None
        Its identifier; None for the promoted one.
    accept : str
        The header's value; empty when absent.
    key : Key or None
        The caller's, where keys are asked.
    canary_key : str
        Whom the client says that it asks for; empty when absent.
    """

    body: bytes | Upload
    content_type: str
    content_encoding: str
    request_id: str
    model: str | None
    version: str | None = None
    accept: str = ""
    key: Key | None = None
    canary_key: str = ""


class PredictResponse(NamedTuple):
    """What a request is answered.

    Attributes
    ----------
    status : int
        The HTTP status.
    body : bytes
        Empty when `spool` holds it.
    content_type : str
        That of the form asked for, or of a problem.
    headers : mapping of str to str
        What the form has no room for.
    spool : Spool or None
        A body that is too long for the memory; whoever sends it closes it.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = MappingProxyType({})
    spool: Spool | None = None


def version_headers(version: StoredVersion) -> dict[str, str]:
    """Give the headers that name what has answered."""
    return {"X-Model": version.name, "X-Model-Version": version.version}
