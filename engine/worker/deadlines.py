"""The connections that wait on the event loop, and their deadlines."""

import time
from itertools import takewhile
from operator import attrgetter

from engine.worker.connection import Connection
from engine.worker.timed_socket import LEAST_PACE

#: A request's head must have come so many seconds after its first byte or, on a
#: new connection, after its opening.
HEAD_SECONDS = 10

#: A body that comes and an answer that goes must move `LEAST_PACE` bytes for each
#: second of these, or come to their end.
MOVE_SECONDS = 30

#: How long a request waits for one of the threads that take what lasts long.
QUEUE_SECONDS = 60

#: A client has so many seconds to end what this side has ended.
END_SECONDS = 2

#: Who has not kept pace for so long is ended where others need the room; and so is a
#: connection that has come so long ago without a whole head.
ROOM_SECONDS, FRESH_SECONDS = 2, 0.25


class Phase(dict[Connection, float]):
    """Connections and their deadlines by the monotonic clock, the earliest first."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def first(self) -> Connection | None:
        """Return the connection with the earliest deadline."""
        return next(iter(self), None)


class Waiting:
    """Connections by what they wait for, each phase in the order of the deadlines."""

    def __init__(self, idle_seconds: float) -> None:
        self.silent = Phase(HEAD_SECONDS)  # new; not a byte has come
        self.idle = Phase(idle_seconds)  # the last request was answered
        self.in_head = Phase(HEAD_SECONDS)  # a part of a request's head has come
        self.in_body = Phase(MOVE_SECONDS)  # the head has come whole
        self.queued = Phase(QUEUE_SECONDS)  # for one of the threads for what lasts long
        self.sending = Phase(MOVE_SECONDS)  # the client has not taken all of the answer yet
        self.ending = Phase(END_SECONDS)  # this side has ended it, the client has not
        begun = self.in_head, self.in_body, self.queued
        self._phases = (self.silent, self.idle, *begun, self.sending, self.ending)
        self.closed_silently = (self.silent, self.sending, self.ending)  # without an answer

    def __len__(self) -> int:
        return sum(map(len, self._phases))

    def put(self, conn: Connection, phase: Phase, seconds: float | None = None) -> None:
        """Add a connection at the end of a phase."""
        conn.phase.pop(conn, None)
        conn.phase, conn.moved = phase, 0
        conn.kept_until = time.monotonic()
        phase[conn] = conn.kept_until + (phase.seconds if seconds is None else seconds)

    def move(self, conn: Connection, size: int) -> None:
        """Note bytes that came or went; a connection that keeps pace has its time anew."""
        conn.moved += size
        if conn.moved >= LEAST_PACE * (time.monotonic() - conn.kept_until):
            self.put(conn, conn.phase)

    def grow(self, conn: Connection, size: int) -> None:
        """Move a connection to its phase, now that more of its request has come."""
        if conn.phase is self.in_body:
            self.move(conn, size)
        elif conn.has_head:
            self.put(conn, self.in_body)
        elif conn.phase is not self.in_head:
            self.put(conn, self.in_head)

    def slowest(self) -> Connection | None:
        """Return the connection that makes room for others; None where each keeps pace.

        It is the one that is behind longest. One that has just come, a body that comes and
        an answer that is taken are left alone for a while.
        """
        now = time.monotonic()
        patience = (
            (self.idle, 0), (self.ending, 0), (self.silent, FRESH_SECONDS),
            (self.in_head, FRESH_SECONDS), (self.in_body, ROOM_SECONDS),
            (self.sending, ROOM_SECONDS),
        )  # fmt: skip
        firsts = [(conn, seconds) for phase, seconds in patience if (conn := phase.first())]
        behind = [conn for conn, seconds in firsts if now - conn.kept_until >= seconds]
        return min(behind, key=attrgetter("kept_until"), default=None)

    def stalled_body(self) -> Connection | None:
        """Return the admitted request that is behind longest, if it is behind at all."""
        conn = self.in_body.first()
        return conn if conn and time.monotonic() - conn.kept_until > ROOM_SECONDS else None

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
