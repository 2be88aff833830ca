"""The connections that wait on the event loop, and their deadlines."""

import time
from itertools import takewhile

from engine.worker.connection import Connection

#: A request's head must have come so many seconds after its first byte or, on a
#: new connection, after its opening; its body so many seconds after the head.
HEAD_SECONDS, BODY_SECONDS = 10, 60

#: Connections and their deadlines by the monotonic clock, the earliest first.
Phase = dict[Connection, float]


class Waiting:
    """Connections by what they wait for, each phase in the order of the deadlines."""

    def __init__(self) -> None:
        self.silent: Phase = {}  # new; not a byte has come
        self.idle: Phase = {}  # the last request was answered
        self.in_head: Phase = {}  # a part of a request's head has come
        self.in_body: Phase = {}  # the head has come whole
        self.queued: Phase = {}  # for one of the threads that may read unfinished requests
        self.sending: Phase = {}  # the client has not taken all of the answer yet
        self.ending: Phase = {}  # this side has ended it, the client has not
        begun = self.in_head, self.in_body, self.queued
        self._phases = (self.silent, self.idle, *begun, self.sending, self.ending)
        self.closed_silently = (self.silent, self.sending, self.ending)  # without an answer

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
        return [
            conn
            for phase in self._phases
            for conn, _ in takewhile(lambda item: item[1] <= now, phase.items())
        ]

    def hurry(self, deadline: float) -> None:
        """Set an earlier deadline for connections without a request."""
        for phase in (self.silent, self.idle):
            phase.update((conn, min(end, deadline)) for conn, end in phase.items())
