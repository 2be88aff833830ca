"""A request to predict, as any way in hands it over, and what answers it."""

from collections.abc import Callable

import msgspec

from engine.records.upload import Upload
from engine.runtime.version import StoredVersion
from engine.serving.timing import Timing
from persistence.api_keys import Key
from persistence.promotions import Candidate

#: A request with more rows costs as much as several.
ROWS_PER_REQUEST = 1000


def _not_counted(rows: int) -> None:
    """Count no rows."""


class Options(msgspec.Struct, frozen=True, gc=False):
    """What the query of a request asks for, beyond the answer or in place of the version's own."""

    threshold: float | None = None  # from which the positive of two classes is predicted
    explain: bool = False  # whether each answer comes with what every field contributes to it
    coverage: float | None = None  # of the interval, or the set of classes, of each answer


class PredictRequest(msgspec.Struct, gc=False):
    """A request to predict, and whether its prediction is in the log.

    Only the prediction log changes it: it sets the id, or why there is none. The record
    number n of many, counted from 0, has the id ``<id>-<n>``.
    """

    body: bytes | Upload  # whole, or still arriving
    content_type: str  # the header's value; empty when absent
    request_id: str
    model: str | None  # None for the default model
    version: str | None = None  # None for the promoted version
    key: Key | None = None  # the caller's, where API keys are required
    canary_key: str = ""  # the name that the client wants to be routed by; empty when absent
    timing: Timing | None = None
    count_rows: Callable[[int], None] = _not_counted  # told of rows before they are predicted
    came: float = 0.0  # when, as `time.perf_counter` says; 0 where nobody knows
    is_alias: bool = False  # whether it is answered in the form that the model file declares
    log_id: str = ""  # by which the log knows it; empty for a new one
    prediction_id: str = ""  # 32 hexadecimal digits; empty while nothing is logged
    unlogged: str = ""  # why nothing is, where it should be: "full", "failed" or "late"


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The version that answers a request, and the candidate that answers in silence, too."""

    request: PredictRequest
    version: StoredVersion
    shadow: Candidate | None = None
    options: Options = Options()
