"""What sees every decision, whichever way the records came in.

The counts and the shadow are observers. Whatever else is to see every decision
is a further observer in the list that `create_app` makes.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from engine.runtime.answers import Decisions, Prediction
from engine.schema.json_decoder import as_matrix
from engine.serving.request import Chosen

_log = logging.getLogger(__name__)

_FAILED = "an observer of the predictions failed"


class Table(msgspec.Struct, gc=False):
    """A table that is decided block by block, and may be refused until the last one."""

    kind: str  # its media type
    rows: int = 0  # that were decided before the block
    draft: Any = None  # what the prediction log has of it


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What a version has decided about the records of a request.

    The records are a matrix of shape (n_records, n_fields), as `Decoded.matrix`; one that
    came alone is its doubles. Their memory may be reused: an observer that needs them later
    copies them.
    """

    chosen: Chosen
    records: Any
    decisions: Prediction | Decisions  # a prediction for a record, decisions for many
    table: Table | None = None  # of which the records are a block; it comes alone

    @property
    def matrix(self) -> Any:
        """The records as a matrix, whatever they came as."""
        return as_matrix(self.records) if isinstance(self.records, bytes) else self.records


#: What is left to do once the answer is certain.
Rest = Callable[[], None]


class Observer(Protocol):
    """Sees every decision, in the thread that answers: it must be quick."""

    def decided(self, batch: Sequence[Decided]) -> Rest | None:
        """Note decisions: of requests that are answered together, or a block of a table.

        What is returned is called once the answer is certain. For a table that is
        after its last block, and never when a later block is refused.
        """


class Observers:
    """Passes every decision on to each observer, whose errors are logged and fail no answer."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = [*observers]

    def add(self, observer: Observer) -> None:
        """Pass decisions on to a further observer from now on."""
        self._observers.append(observer)

    def decided(self, batch: Sequence[Decided]) -> None:
        """Pass on decisions whose answers are certain."""
        self.finish(self.decided_in_part(batch))

    def decided_in_part(self, batch: Sequence[Decided]) -> list[Rest]:
        """Pass on decisions that may still be refused; return what `finish` is to do."""
        rests = []
        for observer in self._observers:
            try:
                rest = observer.decided(batch)
            except Exception as error:  # noqa: BLE001
                _log.error(_FAILED, exc_info=error)
            else:
                if rest is not None:
                    rests.append(rest)
        return rests

    def finish(self, rests: Sequence[Rest]) -> None:
        """Do what is left to do, as the answers are certain now."""
        for rest in rests:
            try:
                rest()
            except Exception as error:  # noqa: BLE001
                _log.error(_FAILED, exc_info=error)
