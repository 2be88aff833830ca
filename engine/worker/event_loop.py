"""The event loop of a worker: connections that wait, are sent to, and end."""

import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from engine.worker.application import Application
from engine.worker.connection import Connection
from engine.worker.deadlines import Waiting

#: A client has so many seconds to take its answer, and to end what this side has ended.
SEND_SECONDS, END_SECONDS = 30, 2

#: How long a connection without a request stays open once the worker stops.
LINGER_SECONDS = 2

#: Bytes of unfinished requests, and of answers, that a worker has in memory at most;
#: beyond, the oldest is dropped.
MOST_UNFINISHED = MOST_UNSENT = 64 * 2**20

_TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nServer: gunicorn\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n%b\r\n"
)


class LoopWorker(ThreadWorker):  # type: ignore[misc]
    """A worker whose connections wait on an event loop and not in threads."""

    alive: bool
    worker_connections: int

    def init_process(self) -> None:
        """Prepare what belongs to this process, then run."""
        self.waiting = Waiting()  # the connections that no thread has
        self.running = 0  # connections that threads have
        self.last_accept = 0.0  # when a connection was accepted last, by the monotonic clock
        self.application: Application | None = None  # None until it is loaded
        self._next_look = 0.0
        self._unfinished = 0
        self._unsent = 0
        # Reading a setting of gunicorn's takes as long as parsing a request.
        self._keepalive: int = self.cfg.keepalive
        super().init_process()

    def turn(self, *, may_accept: bool, seconds: float) -> None:
        """Wait for events, and handle them."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + min(seconds, 0.5)
            self.notify()
            if self.application:
                waiting = self.waiting
                begun = len(waiting.in_head) + len(waiting.in_body) + len(waiting.queued)
                self.application.metrics.set_in_flight(threads=self.running, waiting=begun)
            self.end_late(now)
        if may_accept and self.nr_conns >= self.worker_connections:
            may_accept = self.make_room()
        if may_accept != self._accepting:
            self.set_accept_enabled(may_accept)
        for key, _ in self.poller.select(seconds):
            key.data(key.fileobj)

    def read(self, conn: Connection, _: Any) -> None:
        """Handle what a client has sent."""
        raise NotImplementedError

    def watch(self, conn: Connection) -> None:
        """Call `read` whenever the client has sent something."""
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.read, conn))

    def leave_loop(self, conn: Connection) -> None:
        """Stop to wait for a client."""
        conn.phase.pop(conn, None)
        with suppress(KeyError, ValueError):  # one that is queued or closed is not watched
            self.poller.unregister(conn.sock)

    def count_unfinished(self, conn: Connection, size: int) -> None:
        """Count bytes of an unfinished request; drop the slowest request if they are too many."""
        conn.unfinished_bytes += size
        self._unfinished += size
        if self._unfinished > MOST_UNFINISHED:
            self.drop(self.waiting.slowest())

    def release(self, conn: Connection) -> None:
        """Take the bytes of a request out of the count."""
        self._unfinished -= conn.unfinished_bytes
        conn.unfinished_bytes = 0

    def send(self, conn: Connection, answer: bytes, *, stays: bool) -> None:
        """Send an answer to a client that the loop watches."""
        try:
            sent = conn.sock.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close(conn)
            return
        if conn.unfinished_bytes:
            self.release(conn)
        conn.clear()
        if sent < len(answer):
            conn.sock.unsent += answer[sent:]
            self.leave_loop(conn)
            self.send_rest(conn, stays=stays)
        elif stays:
            self.waiting.put(conn, self.waiting.idle, self._keepalive)
        else:
            self.close(conn)

    def send_rest(self, conn: Connection, *, stays: bool) -> None:
        """Send the rest of an answer as the client takes it."""
        conn.stays = stays
        self._unsent += len(conn.sock.unsent)
        self.waiting.put(conn, self.waiting.sending, SEND_SECONDS)
        self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send_more, conn))
        if self._unsent > MOST_UNSENT:
            self.close(next(iter(self.waiting.sending)))

    def _send_more(self, conn: Connection, _: Any) -> None:
        if conn not in self.waiting.sending:
            return
        try:
            sent = conn.sock.send(conn.sock.unsent)
        except BlockingIOError:
            return
        except OSError:
            self.close(conn)
            return
        self._unsent -= sent
        del conn.sock.unsent[:sent]
        if not conn.sock.unsent:
            self.leave_loop(conn)
            self.go_on(conn, stays=conn.stays)

    def go_on(self, conn: Connection, *, stays: bool) -> None:
        """Wait for the next request on a connection, or end it, now that its answer is sent."""
        if stays:
            seconds = self._keepalive if self.alive else LINGER_SECONDS
            self.waiting.put(conn, self.waiting.idle, seconds)
        else:
            # The client may be sending still: closed at once, it might not get the answer.
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_WR)
            self.waiting.put(conn, self.waiting.ending, END_SECONDS)
        self.watch(conn)

    def close(self, conn: Connection) -> None:
        """Close a connection that no thread has."""
        if conn in self.waiting.sending:
            self._unsent -= len(conn.sock.unsent)
        self.leave_loop(conn)
        self.release(conn)
        self.nr_conns -= 1
        conn.close()

    def refuse(self, conn: Connection, answer: bytes, *, stays: bool) -> None:
        """Send an answer, without waiting for the rest of a request."""
        conn.phase.pop(conn, None)
        if stays:
            self.send(conn, answer, stays=True)
            return
        with suppress(OSError):
            conn.sock.send(answer)
        self.leave_loop(conn)
        self.release(conn)
        self.go_on(conn, stays=False)

    def count_refused(self, status: int, reason: str | None = None) -> None:
        """Count a request that is refused before the application has seen it."""
        if self.application:
            self.application.metrics.count_refused(status, reason)

    def drop(self, conn: Connection) -> None:
        """Answer a client that was too slow with 408."""
        headers = self.application.rejections.headers if self.application else b""
        with suppress(OSError):
            conn.sock.send(_TOO_LATE % headers)
        self.count_refused(408)
        self.close(conn)

    def make_room(self) -> bool:
        """Close the connection that has been idle longest; return whether there is room now."""
        if self.waiting.idle:
            self._close_idle(next(iter(self.waiting.idle)))
        elif self.waiting.ending:
            self.close(next(iter(self.waiting.ending)))
        return bool(self.nr_conns < self.worker_connections)

    def end_late(self, now: float) -> None:
        """End the connections whose deadline has passed."""
        for conn in self.waiting.late(now):
            if conn.phase is self.waiting.idle:
                self._close_idle(conn)
            elif any(conn.phase is phase for phase in self.waiting.closed_silently):
                self.close(conn)
            else:
                self.drop(conn)

    def _close_idle(self, conn: Connection) -> None:
        has_request = False
        with suppress(OSError):
            has_request = bool(conn.sock.recv(1, socket.MSG_PEEK))
        if has_request:  # it came in the last moment
            self.waiting.put(conn, self.waiting.idle, 1)
        else:
            self.close(conn)
