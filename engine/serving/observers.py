"""Who is told of every decision, whichever way the records came in.

Counts and the shadow are observers. Whatever else is to see every decision is
one more observer in the list that `create_app` makes.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from engine.runtime.answers import Decisions, Prediction
from engine.runtime.version import StoredVersion
from engine.serving.request import PredictRequest
from persistence.promotions import Candidate

_log = logging.getLogger(__name__)


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What a version has decided about the records of a request.

    Attributes
    ----------
    request : PredictRequest
        The request.
    version : StoredVersion
        What has decided.
    shadow : Candidate or None
        The candidate that answers in silence, too.
    matrix : ndarray of shape (n_records, n_fields)
        The records, as `Decoded.matrix`. Its memory may be reused: an observer
        that needs it later copies it.
    decisions : Prediction or Decisions
        A prediction for one record, decisions for many.
    """

    request: PredictRequest
    version: StoredVersion
    shadow: Candidate | None
    matrix: Any
    decisions: Prediction | Decisions


#: What is left to do once the answer is certain.
Rest = Callable[[], None]


class Observer(Protocol):
    """Sees every decision, in the thread that answers: it must be quick."""

    def decided(self, batch: Sequence[Decided]) -> Rest | None:
        """Note decisions: of requests that are answered together, or a block of a table.

        Returns
        -------
        callable or None
            Called once the answer is certain. For a table that is after its
            last block; it is never called when a later block is refused.
        """


class Observers:
    """Tells each observer of every decision.

    Parameters
    ----------
    observers : sequence of Observer
        An error that one of them raises is logged, and fails no answer.
    """

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = [*observers]

    def add(self, observer: Observer) -> None:
        """Tell one more observer from now on."""
        self._observers.append(observer)

    def decided(self, batch: Sequence[Decided]) -> None:
        """Tell of decisions whose answers are certain."""
        self.finish(self.decided_in_part(batch))

    def decided_in_part(self, batch: Sequence[Decided]) -> list[Rest]:
        """Tell of decisions whose answers may still be refused; return what `finish` is to do."""
        rests = (self._run(observer.decided, batch) for observer in self._observers)
        return [rest for rest in rests if rest is not None]

    def finish(self, rests: Sequence[Rest]) -> None:
        """Do what is left to do, as the answers are certain now."""
        for rest in rests:
            self._run(rest)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001  what else is done beside fails no answer
            _log.error("an observer of the predictions failed", exc_info=error)
            return None
