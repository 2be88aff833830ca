"""The gunicorn worker: gthread, with an event loop that reads whole requests.

Stock gthread gives every new connection a thread, which then reads. Here the
loop reads, and a thread gets the untouched bytes of a request that has come
whole, so slow and silent clients occupy no thread and have deadlines. The loop
itself answers a plain request to predict, if the application has a fast path.
While no thread is free, new connections stay in the kernel's queue, which all
workers share. After SIGTERM the worker answers all that was accepted before it
ends.

With TLS, HTTP/2 or the proxy protocol, and without httptools, threads read.
"""

import errno
import resource
import selectors
import signal
import socket
import time
from typing import Any

from gunicorn.glogging import Logger

from engine.worker.application import application_of
from engine.worker.budget import release
from engine.worker.connection import HAS_PARSER, Connection
from engine.worker.event_loop import LINGER_SECONDS
from engine.worker.fast_answers import log_access, usable
from engine.worker.faults import places
from engine.worker.intake import IntakeWorker
from engine.worker.listening_socket import admit, keep_little_unsent
from engine.worker.shutdown import drain

#: Requests that the loop answers together; the first of them waits for the last. So many
#: connections are accepted together by a worker that is busy.
MOST_TOGETHER = 32

#: Files that a process needs beside its connections.
OWN_FILES = 100

#: Heads that are remembered at most.
MOST_HEADS = 500

_recv = socket.socket.recv  # that of `TimedSocket` is for threads


class Worker(IntakeWorker):
    """Reads and answers on an event loop, and in threads."""

    def init_process(self) -> None:
        """Prepare what belongs to this process, then run."""
        self._whole: list[tuple[Connection, Any, bytes]] = []  # with the head and the body
        self._heads: dict[bytes, Any] = {}  # as the fast path has read them, by their bytes
        most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.worker_connections = max(1, min(self.worker_connections, most_files - OWN_FILES))
        super().init_process()

    def init_signals(self) -> None:
        """Handle signals, those that came during the fork as well."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def run(self) -> None:
        """Serve until the worker is to stop, then until all is answered."""
        has_more = self.cfg.is_ssl or self.cfg.proxy_protocol != "off"
        self._reads = HAS_PARSER and not has_more and "h2" not in self.cfg.http_protocols
        self.application = application = application_of(self.wsgi)
        offered = application.fast_path if application and self._reads else None
        self._fast_path = usable(offered, self.cfg, self.log)
        self._logs = self.log.access_log_enabled or type(self.log).access is not Logger.access
        self.most_bytes = (application.max_body_bytes if application else 0) + 2**16
        self._most_fields = self.cfg.limit_request_fields or 2**15  # as many as gunicorn takes
        limits = self.cfg.limit_request_line, self.cfg.limit_request_field_size
        self._most_head = min(4000, *(limit for limit in limits if limit > 0))
        self.prepare_threads(has_deadlines=self._reads)
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        for listener in self.sockets:
            admit(listener)  # a service that has stopped may have left its limit on it
            keep_little_unsent(listener)
        while self.alive and self.is_parent_alive():
            may_accept, seconds = self.load.may_accept(self.running)
            self.turn(may_accept=may_accept, seconds=seconds)
        drain(self)
        for pool in (self.tpool, self.aside):
            pool.shutdown(wait=False)
        for opened in (*self.sockets, self.poller, self.method_queue):
            opened.close()

    def turn(self, *, may_accept: bool, seconds: float) -> None:
        """Wait for events, and handle them."""
        super().turn(may_accept=may_accept, seconds=seconds)
        if self._whole:
            self._answer_whole()
        self.begin_queued()

    def accept(self, listener: Any) -> None:
        """Accept a connection; where all threads are busy, so that others may be, too, many."""
        for _ in range(MOST_TOGETHER if self.running >= self.cfg.threads else 1):
            if self.nr_conns >= self.worker_connections or not self._accept_one(listener):
                return

    def _accept_one(self, listener: Any) -> bool:
        """Accept a connection, and read what it has sent already; return whether there was one."""
        try:
            client_socket, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self.make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return False
        self.nr_conns += 1
        self.last_accept = time.monotonic()
        if not self.alive:
            admit(client_socket)
        conn = Connection(
            self.cfg, client_socket, client, listener.getsockname(), most_fields=self._most_fields
        )
        if not self._reads:
            self.enqueue_req(conn)
            return True
        self.waiting.put(conn, self.waiting.silent, None if self.alive else LINGER_SECONDS)
        self.watch(conn)
        self.read(conn, conn.sock)
        return True

    def read(self, conn: Connection, _: Any) -> None:
        """Read a part of a request; an error that nobody foresaw ends its connection alone."""
        try:
            self._read(conn)
        except Exception as error:  # noqa: BLE001  it would end the worker
            self.log.error("a request has failed:\n%s", places(error))
            if conn not in self.taken and conn.sock.fileno() >= 0:
                self.close(conn)

    def _read(self, conn: Connection) -> None:
        if conn not in conn.phase:
            return  # closed, or with a thread, since the event came
        if not self._reads and conn.phase is self.waiting.idle:
            self.leave_loop(conn)
            self.enqueue_req(conn)
            return
        try:
            received = _recv(conn.sock, 65536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if conn.phase is self.waiting.ending:
            conn.ignored_bytes -= len(received)
            if not received or conn.ignored_bytes < 0:
                self.close(conn)
            else:
                self.waiting.move(conn, len(received))
        elif self._is_known(conn, received):
            return
        elif received or conn.raw:
            self.take(conn, received)
        else:
            self.close(conn)

    def _is_known(self, conn: Connection, received: bytes) -> bool:
        """Collect a request that came whole and alone, if another has had the same head.

        What a head says is in its bytes. So most requests are never parsed.
        """
        size = received.find(b"\r\n\r\n") + 4
        head = self._heads.get(received[:size])
        if head is None or conn.raw or len(received) - size != head.length:
            return False
        conn.raw = received
        self._collect(conn, head, received[size:])
        return True

    def takes(self, conn: Connection) -> bool:
        if (
            self._fast_path is None
            or not conn.completed == conn.begun == 1
            or not conn.is_plain_post()
            or conn.fields > self._most_fields
            or (size := conn.head_size()) > self._most_head
        ):
            return False
        head = self._fast_path.head(conn.url, conn.headers)
        if head is None:
            return False
        if len(self._heads) >= MOST_HEADS:
            self._heads.clear()
        self._heads[bytes(conn.raw[:size])] = head
        conn.phase.pop(conn)
        release(conn)
        self._collect(conn, head, bytes(conn.raw[size:]))
        return True

    def _collect(self, conn: Connection, head: Any, body: bytes) -> None:
        self._whole.append((conn, head, body))
        if len(self._whole) == MOST_TOGETHER:
            self._answer_whole()

    def make_room(self) -> None:
        """Close the connection that is behind longest, none whose request waits for the loop."""
        if self._whole:
            self._answer_whole()
        super().make_room()

    def _answer_whole(self) -> None:
        """Answer together the requests for the loop; a thread gets each that it leaves."""
        assert self._fast_path
        start = time.monotonic()
        whole, self._whole = self._whole, []
        ends = not self.alive or not self._keepalive
        requests = [
            (head, body, ends or self.nr + n >= self.max_requests)
            for n, (_, head, body) in enumerate(whole, start=1)
        ]
        answers = self._fast_path.answers(requests)
        for (conn, *_), request, answer in zip(whole, requests, answers, strict=True):
            if answer is None:
                conn.parse_again()
                self.hand_over(conn)
                continue
            self.nr += 1
            if self.nr >= self.max_requests and self.alive:
                self.log.info("Autorestarting worker after current request.")
                self.alive = False
            if self._logs:
                conn.parse_again()
                log_access(self.log, conn, *answer, seconds=time.monotonic() - start)
            head, body = answer
            self.send(conn, head + body, stays=not (request[2] or request[0].is_last))

    def go_on(self, conn: Connection, *, stays: bool) -> None:
        """Wait for the next request on a connection, or begin with it, or end it."""
        super().go_on(conn, stays=stays)
        if not stays or not conn.parser:
            return
        if not (rest := conn.parser.unreader.take_buffered() + conn.rest):
            return
        conn.rest = b""
        if self._reads:
            self.take(conn, rest)
        else:
            conn.parser.unreader.unread(rest)
            self.leave_loop(conn)
            self.enqueue_req(conn)
