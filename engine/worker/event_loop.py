"""The event loop of a worker: connections that wait, are sent to, and end."""

import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from engine.worker.application import Application
from engine.worker.budget import Budget, release
from engine.worker.connection import MOST_HEAD, Connection
from engine.worker.deadlines import Waiting
from engine.worker.faults import TOO_BUSY, TOO_LATE, Fault, without_body

#: How often a worker that is full looks for room.
LOOK_SECONDS = 0.05

#: How long a connection without a request stays open once the worker stops.
LINGER_SECONDS = 2

#: Bytes that a worker has in memory at most of heads that are not whole, of requests whose head
#: is, and of answers that are not taken; beyond, who is behind longest makes room.
MOST_IN_HEADS, MOST_IN_REQUESTS, MOST_UNSENT = 2**23, 2**25, 3 * 2**23

#: Bytes of answers that wait in files at most, and how many answers.
MOST_ON_DISK, MOST_FILES = 2**31, 40

_PLAIN = b"HTTP/1.1 %d %b\r\nServer: gunicorn\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class LoopWorker(ThreadWorker):  # type: ignore[misc]
    """A worker whose connections wait on an event loop and not in threads."""

    alive: bool
    worker_connections: int

    def init_process(self) -> None:
        """Prepare what belongs to this process, then run."""
        # Reading a setting of gunicorn's takes as long as parsing a request.
        self._keepalive: int = self.cfg.keepalive
        self.waiting = Waiting(self._keepalive)  # the connections that no thread has
        self.heads, self.requests = Budget(MOST_IN_HEADS), Budget(MOST_IN_REQUESTS)
        self.unsent = Budget(MOST_UNSENT)
        self.running = 0  # connections that threads have
        self.last_accept = 0.0  # when a connection was accepted last, by the monotonic clock
        self.application: Application | None = None  # None until it is loaded
        self._next_look = 0.0
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
            self.make_room()
            may_accept = self.nr_conns < self.worker_connections
            seconds = seconds if may_accept else min(seconds, LOOK_SECONDS)
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

    def send(self, conn: Connection, answer: bytes, *, stays: bool) -> None:
        """Send an answer to a client that the loop watches."""
        try:
            sent = conn.sock.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close(conn)
            return
        if conn.held:
            release(conn)
        if conn.begun:
            conn.clear()
        else:
            conn.raw = b""
        if sent < len(answer):
            conn.sock.unsent.add(memoryview(answer)[sent:])
            self.leave_loop(conn)
            self.send_rest(conn, stays=stays)
        elif stays:
            self.waiting.put(conn, self.waiting.idle)
        else:
            self.close(conn)

    def send_rest(self, conn: Connection, *, stays: bool) -> None:
        """Send the rest of an answer as the client takes it."""
        conn.stays = stays
        self.unsent.count(conn, conn.sock.unsent.in_memory)
        self.waiting.put(conn, self.waiting.sending)
        self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send_more, conn))
        if self.unsent.used > self.unsent.most:
            self.close(next(iter(self.waiting.sending)))
        if conn.sock.unsent.on_disk:
            self._make_room_on_disk()

    def _make_room_on_disk(self) -> None:
        on_disk = [conn for conn in self.waiting.sending if conn.sock.unsent.on_disk]
        size = sum(conn.sock.unsent.on_disk for conn in on_disk)
        for count, conn in zip(range(len(on_disk), 1, -1), on_disk, strict=False):
            if size <= MOST_ON_DISK and count <= MOST_FILES:
                break
            size -= conn.sock.unsent.on_disk
            self.close(conn)

    def _send_more(self, conn: Connection, _: Any) -> None:
        if conn not in self.waiting.sending:
            return
        unsent = conn.sock.unsent
        try:
            sent = conn.sock.send(unsent.first())
            unsent.drop(sent)
        except BlockingIOError:
            return
        except OSError:
            self.close(conn)
            return
        if unsent:
            self.unsent.count(conn, unsent.in_memory)
            self.waiting.move(conn, sent)
        else:
            release(conn)
            self.leave_loop(conn)
            self.go_on(conn, stays=conn.stays)

    def go_on(self, conn: Connection, *, stays: bool) -> None:
        """Wait for the next request on a connection, or end it, now that its answer is sent."""
        if stays:
            self.waiting.put(conn, self.waiting.idle, None if self.alive else LINGER_SECONDS)
        else:
            # The client may be sending still: closed at once, it might not get the answer.
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_WR)
            self.waiting.put(conn, self.waiting.ending)
        self.watch(conn)

    def close(self, conn: Connection) -> None:
        """Close a connection that no thread has."""
        self.leave_loop(conn)
        release(conn)
        self.nr_conns -= 1
        conn.close()

    def refuse(self, conn: Connection, answer: bytes, *, stays: bool = False) -> None:
        """Send an answer, without keeping the rest of a request."""
        if conn.method == b"HEAD":
            answer = without_body(answer)
        conn.phase.pop(conn, None)
        if stays:
            self.send(conn, answer, stays=True)
            return
        with suppress(OSError):
            conn.sock.send(answer)
        # A client that sends everything before it reads gets the answer if all is taken from it.
        most = self.application.max_body_bytes if self.application else 0
        conn.ignored_bytes = max(MOST_HEAD, min(conn.missing(), most))
        self.leave_loop(conn)
        release(conn)
        conn.restart()
        self.go_on(conn, stays=False)

    def phrase(self, fault: Fault, sock: Any) -> bytes:
        """Write the answer to a request that the application does not see, and count it."""
        status, detail, values = fault
        self.count_refused(status)
        if self.application is None:
            return _PLAIN % (status, b"Refused")
        target: Any = getattr(sock, "target", (b"", {}))  # a socket of TLS has none
        return self.application.rejections.fault(status, detail, *target, values=values)

    def count_refused(self, status: int, reason: str | None = None) -> None:
        """Count a request that is refused before the application has seen it."""
        if self.application:
            self.application.metrics.count_refused(status, reason)

    def answer(self, conn: Connection, fault: Fault) -> None:
        """Answer a request that the application does not see, and end the connection."""
        conn.sock.begin(conn.url, conn.headers)
        self.refuse(conn, self.phrase(fault, conn.sock))

    def make_room(self) -> None:
        """Close the connection that is behind longest."""
        if conn := self.waiting.slowest():
            self._end(conn)
            if conn.phase is self.waiting.ending and conn in conn.phase:
                self.close(conn)

    def end_late(self, now: float) -> None:
        """End the connections whose deadline has passed."""
        for conn in self.waiting.late(now):
            if conn.phase is self.waiting.queued:
                self.answer(conn, TOO_BUSY)
            else:
                self._end(conn)

    def _end(self, conn: Connection) -> None:
        if conn.phase is self.waiting.idle:
            self._close_idle(conn)
        elif any(conn.phase is phase for phase in self.waiting.closed_silently):
            self.close(conn)
        else:
            self.answer(conn, TOO_LATE)

    def _close_idle(self, conn: Connection) -> None:
        has_request = False
        with suppress(OSError):
            has_request = bool(conn.sock.recv(1, socket.MSG_PEEK))
        if has_request:  # it came in the last moment
            self.waiting.put(conn, self.waiting.idle, 1)
        else:
            self.close(conn)
