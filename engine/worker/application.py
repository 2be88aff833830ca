"""The contract between the application and what serves it: the worker and gunicorn's hooks.

An application has its `Application` under `KEY` in its ``extensions``. One that
has none, such as one that is wrapped, is answered by threads alone.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from threading import Event
from types import MappingProxyType
from typing import Any, Protocol

#: The name in ``extensions``.
KEY = "application"


class Head(Protocol):
    """What the head of a request says, as the application needs it."""

    @property
    def length(self) -> int:
        """The length of the body."""

    @property
    def is_last(self) -> bool:
        """Whether the client closes the connection afterwards."""


#: The head; the body; whether the connection is to be closed, whatever the client wants.
Request = tuple[Any, bytes, bool]

#: The status line and the headers, with the empty line after them; the body.
Answer = tuple[bytes, bytes]


class FastPath(Protocol):
    """Answers requests on the event loop."""

    def obstacles(self) -> list[str]:
        """List what would be passed over on the loop; the fast path is off unless it is empty."""

    def head(self, url: bytes, headers: Mapping[bytes, bytes]) -> Head | None:
        """Read the head of a POST over HTTP/1.1; None where it is left to a thread.

        Equal bytes have the same head: it is read once.
        """

    def answers(self, requests: Sequence[Request]) -> Sequence[Answer | None]:
        """Answer whole requests; None for each that is left to a thread."""


class Rejections(Protocol):
    """Writes the answers that are given in place of the application."""

    most_seconds: float  # that a request may wait for a thread; 0 for any time
    answer_seconds: float  # after which the answer to a whole request must begin; 0: any time

    def spares(self, url: bytes) -> bool:
        """Return whether an address is answered however much there is to do."""

    def admission(self, method: bytes, url: bytes, headers: Mapping[bytes, bytes]) -> bytes | None:
        """Return the refusal of a request by its head; None where its body may be read."""

    def refusal(self, url: bytes, headers: Mapping[bytes, bytes], *, is_last: bool) -> bytes:
        """Write a 503 in the form of the protocol that is spoken at an address."""

    def lateness(self, url: bytes, headers: Mapping[bytes, bytes]) -> bytes:
        """Write a 504 in such a form, and log the request that was not answered."""

    def fault(
        self, status: int, detail: str, url: bytes, headers: Mapping[bytes, bytes],
        *, values: Mapping[str, int] = MappingProxyType({}),
    ) -> bytes:  # fmt: skip
        """Write the last answer on a connection whose request is not as it should be."""


class Metrics(Protocol):
    """Counts what only the worker and gunicorn's master see."""

    def set_in_flight(self, *, threads: int, waiting: int) -> None:
        """Record how many requests are in flight in this process."""

    def count_refused(self, status: int, reason: str | None = None) -> None:
        """Count a request that is refused before the application has seen it."""

    def count_death(self, reason: str) -> None:
        """Count a worker that died."""

    def free_slot(self, taken: Iterable[int]) -> int:
        """Return the slot in which the next worker counts."""

    def end(self, slot: int) -> None:
        """Forget what a worker that has ended reported about itself."""


class Lifecycle(Protocol):
    """What the application does when a service starts, forks, reloads and ends."""

    # Of each kind of process what starts one at the request of a worker, given a descriptor that
    # it may inherit, and what makes the workers request such processes through a function.
    processes: Sequence[tuple[Callable[[int], Any], Callable[[Callable[..., bool]], None]]]

    def is_guarded(self) -> bool:
        """Return whether callers need a key, or the user lets all in."""

    def has_version(self) -> bool:
        """Return whether a version of the default model is promoted, or may be."""

    def load(self, log: Any) -> None:
        """Load the default model in the master, for the workers to share."""

    def before_fork(self) -> None:
        """Look, in the master, at what a new worker must know."""

    def hand_on(self, environment: MutableMapping[str, str]) -> None:
        """Prepare the environment of the master that takes over."""

    def after_fork(self, slot: int | None) -> None:
        """Begin as a worker that counts in a slot."""

    def begin(self) -> None:
        """Serve the promoted version from the first request on, and watch for the next one."""

    def end(self) -> bool:
        """End what `begin` started; return whether nothing else is at work."""

    def finish(self) -> None:
        """Store what still waits, and remove what does not outlive the service."""


@dataclass(frozen=True)
class Application:
    """What an application offers to its worker and to gunicorn's hooks."""

    lifecycle: Lifecycle
    metrics: Metrics
    rejections: Rejections
    fast_path: FastPath | None  # None where it is switched off
    stopping: Event  # set by a worker that begins to stop
    max_body_bytes: int  # the longest body that the application reads


def progress_of(environ: Mapping[str, Any]) -> Callable[[], None] | None:
    """Return what gives the answer to a request its whole time anew; None under other workers."""
    note: Callable[[], None] | None = getattr(environ.get("gunicorn.socket"), "note_progress", None)
    return note


def application_of(wsgi: Any) -> Application | None:
    """Return what a WSGI application offers; None where it offers nothing."""
    application: Application | None = getattr(wsgi, "extensions", {}).get(KEY)
    return application
