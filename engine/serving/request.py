"""A request to predict, as any way in hands it over, and what answers it."""

import msgspec

from engine.records.upload import Upload
from engine.runtime.version import StoredVersion
from engine.serving.timing import Timing
from persistence.api_keys import Key
from persistence.promotions import Candidate


class PredictRequest(msgspec.Struct, frozen=True, gc=False):
    """A request to predict.

    Attributes
    ----------
    body : bytes or Upload
        Whole, or still arriving.
    content_type : str
        The header's value; empty when absent.
    request_id : str
        Identifies the request in answers and logs.
    model : str or None
        Its name; None for the default model.
    version : str or None
        Its identifier; None for the promoted version.
    key : Key or None
        The caller's, where API keys are required.
    canary_key : str
        The name that the client wants to be routed by; empty when absent.
    timing : Timing or None
        Measures the steps of the answer.
    """

    body: bytes | Upload
    content_type: str
    request_id: str
    model: str | None
    version: str | None = None
    key: Key | None = None
    canary_key: str = ""
    timing: Timing | None = None


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The version that answers a request.

    Attributes
    ----------
    request : PredictRequest
        The request.
    version : StoredVersion
        What answers.
    shadow : Candidate or None
        The candidate that answers in silence, too.
    """

    request: PredictRequest
    version: StoredVersion
    shadow: Candidate | None = None
