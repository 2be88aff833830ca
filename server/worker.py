"""The gunicorn worker: gthread, with an event loop that reads whole requests.

Stock gthread gives every new connection a thread, which then reads. Here the
loop reads, and a thread gets the untouched bytes of a request that has come
whole, so slow and silent clients hold no thread and have deadlines. A plain
request to predict is answered on the loop itself, if the application has a
fast path for it. While no thread is free, new connections stay in the
kernel's queue, which all workers share. After SIGTERM the worker goes on until
all that was accepted is answered.

With TLS, HTTP/2 or the proxy protocol, and without httptools, threads read.
"""

import errno
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from server.connection import HAS_PARSER, Connection
from server.drain import LINGER_SECONDS, drain
from server.on_loop import find_fast_path, log_access
from server.waiting import HEAD_SECONDS, Waiting

#: Bytes of unfinished requests that a worker holds; beyond, the oldest is dropped.
MOST_UNFINISHED = 64 * 2**20

_TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nServer: gunicorn\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Reads and answers on an event loop, and in threads.

    Attributes
    ----------
    running : int
        Connections that threads have.
    waiting : Waiting
        The others.
    last_accept : float
        When the last connection was taken, by the monotonic clock.
    """

    alive: bool
    worker_connections: int

    def init_process(self) -> None:
        """Prepare what belongs to this process, then run."""
        self.running = 0
        self._next_look = 0.0
        self._unfinished = 0
        self.waiting = Waiting()
        # The process needs some files of its own.
        most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.worker_connections = max(1, min(self.worker_connections, most_files - 50))
        super().init_process()

    def init_signals(self) -> None:
        """Heed signals, those that came during the fork as well."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def run(self) -> None:
        """Serve until told to stop, then until all is answered."""
        has_more = self.cfg.is_ssl or self.cfg.proxy_protocol != "off"
        self._reads = HAS_PARSER and not has_more and "h2" not in self.cfg.http_protocols
        self._fast_path = find_fast_path(self) if self._reads else None
        self._logs = self.log.access_log_enabled or type(self.log).access is not Logger.access
        limit = getattr(self.wsgi, "config", {}).get("MAX_CONTENT_LENGTH") or 0
        self._most_bytes = limit + 2**16
        # Reading a setting of gunicorn's takes as long as parsing a request.
        self._keepalive, self._most_fields = self.cfg.keepalive, self.cfg.limit_request_fields
        limits = self.cfg.limit_request_line, self.cfg.limit_request_field_size
        self._most_head = min(4000, *(one for one in limits if one > 0))
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        while self.alive and self.is_parent_alive():
            self.turn(may_accept=self.running < self.cfg.threads, seconds=1.0)
        drain(self)
        for listener in self.sockets:
            listener.close()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def turn(self, *, may_accept: bool, seconds: float) -> None:
        """Wait for events, and see to them."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + min(seconds, 0.5)
            self.notify()
            self._close_late(now)
        if may_accept and self.nr_conns >= self.worker_connections:
            may_accept = self._make_room()
        if may_accept != self._accepting:
            self.set_accept_enabled(may_accept)
        for key, _ in self.poller.select(seconds):
            key.data(key.fileobj)

    def accept(self, listener: Any) -> None:
        """Take one connection, and what it has sent already."""
        try:
            client_socket, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self._make_room():
                return
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE):
                return
            raise
        self.nr_conns += 1
        self.last_accept = time.monotonic()
        conn = Connection(self.cfg, client_socket, client, listener.getsockname())
        if not self._reads:
            self.enqueue_req(conn)
            return
        self.waiting.put(conn, self.waiting.silent, HEAD_SECONDS)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))
        self._read(conn, conn.sock)

    def _read(self, conn: Connection, _: Any) -> None:
        if conn not in conn.phase:
            return  # closed, or with a thread, since the event came
        try:
            received = conn.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received and not conn.raw:
            self._close(conn)
            return
        self._take(conn, received)

    def _take(self, conn: Connection, received: bytes) -> None:
        """Answer, hand over, or wait for more."""
        if received:
            conn.feed(received)
        if conn.is_whole and self._answer(conn):
            return
        if conn.completed or not received or not conn.is_ours or not self._may_grow(conn, received):
            self._hand_over(conn)
            return
        conn.held += len(received)
        self._unfinished += len(received)
        self.waiting.grow(conn)
        if self._unfinished > MOST_UNFINISHED:
            self._drop(self.waiting.slowest())

    def _may_grow(self, conn: Connection, received: bytes) -> bool:
        if conn.has_head:
            length = int(conn.headers.get(b"content-length", b"0"))
            return max(len(conn.raw), length) <= self._most_bytes
        # A line that ends without a carriage return will never end for gunicorn.
        is_odd = b"\n" in received and conn.raw.count(b"\n") != conn.raw.count(b"\r\n")
        return len(conn.raw) < 2**16 and not is_odd

    def _answer(self, conn: Connection) -> bool:
        """Answer on the loop, if that is for the loop to do."""
        if self._fast_path is None or not conn.is_ours or not conn.is_plain_post():
            return False
        if conn.fields > self._most_fields or len(conn.raw) - len(conn.body) > self._most_head:
            return False
        start = time.monotonic()
        is_last = not self.alive or self.nr + 1 >= self.max_requests or not self._keepalive
        found = self._fast_path.answer(conn.url, conn.headers, bytes(conn.body), is_last=is_last)
        if found is None:
            return False
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        if self._logs:
            seconds = time.monotonic() - start
            log_access(self.log, conn, found.head, found.body, seconds=seconds)
        self._send(conn, found.head + found.body, stays=not found.is_last)
        return True

    def _send(self, conn: Connection, answer: bytes, *, stays: bool) -> None:
        try:
            sent = conn.sock.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(conn)
            return
        self._release(conn)
        conn.clear()
        if sent < len(answer):  # a client that does not read: a thread waits for it
            self._leave_loop(conn)
            self._submit(conn, partial(self._send_rest, answer=answer[sent:], stays=stays))
        elif stays:
            self.waiting.put(conn, self.waiting.idle, self._keepalive)
        else:
            self._close(conn)

    def _send_rest(self, conn: Connection, *, answer: bytes, stays: bool) -> bool:
        conn.init()
        conn.sock.setblocking(True)
        try:
            conn.sock.sendall(answer)
        except OSError:
            return False
        return stays

    def _hand_over(self, conn: Connection) -> None:
        """Let a thread handle the bytes that have come, with gunicorn's own parser."""
        self._leave_loop(conn)
        conn.init()
        conn.parser.unreader.unread(conn.raw)
        conn.restart()
        self.enqueue_req(conn)

    def _release(self, conn: Connection) -> None:
        self._unfinished -= conn.held
        conn.held = 0

    def _leave_loop(self, conn: Connection) -> None:
        self._release(conn)
        conn.phase.pop(conn, None)
        self.poller.unregister(conn.sock)

    def enqueue_req(self, conn: Connection) -> None:
        """Give a connection to a thread."""
        self._submit(conn, self.handle)

    def _submit(self, conn: Connection, task: Callable[[Connection], Any]) -> None:
        self.running += 1
        future = self.tpool.submit(task, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """Take a connection back from its thread."""
        self.running -= 1
        is_kept = not fs.cancelled() and fs.exception() is None and fs.result() is True
        if not is_kept:
            self.nr_conns -= 1
            conn.close(graceful=not fs.cancelled())
            return
        conn.sock.setblocking(False)
        self.waiting.put(
            conn, self.waiting.idle, self.cfg.keepalive if self.alive else LINGER_SECONDS
        )
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))
        if rest := conn.parser.unreader.take_buffered():  # of the next request
            self._take(conn, rest)

    def _close(self, conn: Connection) -> None:
        self._leave_loop(conn)
        self.nr_conns -= 1
        conn.close()

    def _drop(self, conn: Connection) -> None:
        """Tell a client that it was too slow."""
        with suppress(OSError):
            conn.sock.send(_TOO_LATE)
        self._close(conn)

    def _close_late(self, now: float) -> None:
        for conn in self.waiting.late(now):
            if conn.phase is self.waiting.idle:
                self._close_idle(conn)
            elif conn.phase is self.waiting.silent:
                self._close(conn)
            else:
                self._drop(conn)

    def _make_room(self) -> bool:
        """Close the connection that has been idle longest."""
        if not self.waiting.idle:
            return False
        self._close_idle(next(iter(self.waiting.idle)))
        return bool(self.nr_conns < self.worker_connections)

    def _close_idle(self, conn: Connection) -> None:
        try:
            has_news = bool(conn.sock.recv(1, socket.MSG_PEEK))
        except OSError:
            has_news = False
        if has_news:  # the next request came in the last moment
            self.waiting.put(conn, self.waiting.idle, 1)
        else:
            self._close(conn)
