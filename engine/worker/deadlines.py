"""The connections that wait on the event loop, and their deadlines."""

import time

from engine.worker.connection import Connection

#: A request's head must have come so many seconds after its first byte or, on a
#: new connection, after its opening; its body so many seconds after the head.
HEAD_SECONDS, BODY_SECONDS = 10, 60

Phase = dict[Connection, float]


class Waiting:
    """Connections by what they wait for.

    Attributes
    ----------
    silent : dict
        New connections of which not a byte has come. As the other dicts it
        maps them to their deadlines by the monotonic clock, the earliest first.
    idle : dict
        Those whose last request was answered.
    in_head, in_body : dict
        Those of whose request a part has come.
    queued : dict
        Those that wait for one of the threads which may read unfinished requests.
    sending : dict
        Those whose client has not taken all of the answer yet.
    ending : dict
        Those that this side has ended and the client has not.
    wordless : tuple of dict
        Those of the dicts whose connections are closed without an answer.
    """

    def __init__(self) -> None:
        self.silent: Phase = {}
        self.idle: Phase = {}
        self.in_head: Phase = {}
        self.in_body: Phase = {}
        self.queued: Phase = {}
        self.sending: Phase = {}
        self.ending: Phase = {}
        self._phases = (
            self.silent, self.idle, self.in_head, self.in_body, self.queued, self.sending,
            self.ending,
        )  # fmt: skip
        self.wordless = (self.silent, self.sending, self.ending)

    def __len__(self) -> int:
        return sum(map(len, self._phases))

    def put(self, conn: Connection, phase: Phase, seconds: float) -> None:
        """Add a connection at the end of a phase."""
        conn.phase.pop(conn, None)
        conn.phase = phase
        phase[conn] = time.monotonic() + seconds

    def grow(self, conn: Connection) -> None:
        """Move a connection to its phase, now that more of its request has come."""
        if conn.has_head and conn.phase is not self.in_body:
            self.put(conn, self.in_body, BODY_SECONDS)
        elif conn.phase is self.silent or conn.phase is self.idle:
            self.put(conn, self.in_head, HEAD_SECONDS)

    def slowest(self) -> Connection:
        """Return the connection whose request has been arriving longest."""
        return next(iter(self.in_body or self.queued or self.in_head))

    def late(self, now: float) -> list[Connection]:
        """List the connections whose deadline has passed."""
        late = []
        for phase in self._phases:
            for conn, deadline in phase.items():
                if deadline > now:
                    break
                late.append(conn)
        return late

    def hurry(self, deadline: float) -> None:
        """Set an earlier deadline for connections without a request."""
        for phase in (self.silent, self.idle):
            phase.update((conn, min(end, deadline)) for conn, end in phase.items())
