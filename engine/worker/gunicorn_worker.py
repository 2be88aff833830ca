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
from concurrent.futures import Future
from typing import Any

from gunicorn.glogging import Logger

from engine.worker.application import application_of
from engine.worker.connection import HAS_PARSER, Connection
from engine.worker.deadlines import BODY_SECONDS, HEAD_SECONDS
from engine.worker.event_loop import LINGER_SECONDS
from engine.worker.fast_answers import log_access, refusal_status, usable
from engine.worker.listening_socket import admit
from engine.worker.shutdown import drain
from engine.worker.threads import ThreadedWorker

#: Requests that the loop answers together; the first of them waits for the last.
MOST_TOGETHER = 32

_recv = socket.socket.recv  # that of `TimedSocket` is for threads


class Worker(ThreadedWorker):
    """Reads and answers on an event loop, and in threads."""

    def init_process(self) -> None:
        """Prepare what belongs to this process, then run."""
        self._whole: list[Connection] = []
        # The process needs some files of its own.
        most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.worker_connections = max(1, min(self.worker_connections, most_files - 50))
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
        self._most_bytes = (application.max_body_bytes if application else 0) + 2**16
        self._most_fields = self.cfg.limit_request_fields
        limits = self.cfg.limit_request_line, self.cfg.limit_request_field_size
        self._most_head = min(4000, *(limit for limit in limits if limit > 0))
        self.prepare_threads(has_deadlines=self._reads)
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        for listener in self.sockets:
            admit(listener)  # a service that has stopped may have left its limit on it
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

    def accept(self, listener: Any) -> None:
        """Accept a connection, and read what it has sent already."""
        try:
            client_socket, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self.make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        self.last_accept = time.monotonic()
        if not self.alive:
            admit(client_socket)
        conn = Connection(self.cfg, client_socket, client, listener.getsockname())
        if not self._reads:
            self.enqueue_req(conn)
            return
        seconds = HEAD_SECONDS if self.alive else LINGER_SECONDS
        self.waiting.put(conn, self.waiting.silent, seconds)
        self.watch(conn)
        self.read(conn, conn.sock)

    def read(self, conn: Connection, _: Any) -> None:
        """Read a part of a request."""
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
        elif received or conn.raw:
            self._take(conn, received)
        else:
            self.close(conn)

    def _take(self, conn: Connection, received: bytes) -> None:
        """Answer a request on the loop, hand it to a thread, or wait for more of it."""
        if received:
            conn.feed(received)
        if self._is_for_the_loop(conn):
            conn.phase.pop(conn)
            self.release(conn)
            self._whole.append(conn)
            if len(self._whole) == MOST_TOGETHER:
                self._answer_whole()
        elif conn.completed or not received:
            self._hand_over(conn)
        elif not conn.is_ours or not conn.may_grow(received, most_bytes=self._most_bytes):
            conn.is_slow = True
            self._hand_over(conn)
        else:
            self.waiting.grow(conn)
            self.count_unfinished(conn, len(received))

    def _is_for_the_loop(self, conn: Connection) -> bool:
        return (
            self._fast_path is not None
            and conn.is_ours
            and conn.completed == conn.begun == 1
            and conn.is_plain_post()
            and conn.fields <= self._most_fields
            and len(conn.raw) - len(conn.body) <= self._most_head
        )

    def _answer_whole(self) -> None:
        """Answer together the requests for the loop; a thread gets each that it leaves."""
        assert self._fast_path
        start = time.monotonic()
        conns, self._whole = self._whole, []
        ends = not self.alive or not self._keepalive
        requests = [
            (conn.url, conn.headers, bytes(conn.body), ends or self.nr + n >= self.max_requests)
            for n, conn in enumerate(conns, start=1)
        ]
        for conn, answer in zip(conns, self._fast_path.answers(requests), strict=True):
            if answer is None:
                self._hand_over(conn)
                continue
            head, body, is_last = answer
            self.nr += 1
            if self.nr >= self.max_requests and self.alive:
                self.log.info("Autorestarting worker after current request.")
                self.alive = False
            if self._logs:
                log_access(self.log, conn, head, body, seconds=time.monotonic() - start)
            self.send(conn, head + body, stays=not is_last)

    def _hand_over(self, conn: Connection) -> None:
        """Give a thread the bytes that have come, for gunicorn's own parser.

        A thread that gets a request before it is whole may have to wait. Only
        half of them may; other such requests are queued. When there is too much
        to do, 503 is the answer in place of the application's.
        """
        is_ours = self.alive and conn.is_ours and conn.has_head
        if is_ours and self.load.is_too_much(self.running) and not self._spares(conn):
            assert self.rejections
            stays = conn.is_alone() and not conn.is_slow
            answer = self.rejections.refusal(conn.url, conn.headers, is_last=not stays)
            self.count_refused(503, "overloaded")
            self.refuse(conn, answer, stays=stays)
            return
        self.leave_loop(conn)
        if conn.is_slow and self.slow >= self.most_slow:
            self.waiting.put(conn, self.waiting.queued, BODY_SECONDS)
            self.count_unfinished(conn, len(conn.raw) - conn.unfinished_bytes)
            return
        pool = self.aside if self.running >= self.cfg.threads and self._spares(conn) else None
        self.slow += conn.is_slow
        self.release(conn)
        conn.init()
        conn.parser.unreader.unread(conn.raw)
        conn.target = conn.url, conn.headers
        conn.restart()
        conn.sock.begin()
        self.enqueue_req(conn, pool)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn refuses, and count it."""
        status = refusal_status(exc)
        if status or req is None:
            self.count_refused(status or 400)
        super().handle_error(req, client, addr, exc)

    def _spares(self, conn: Connection) -> bool:
        return self.rejections is not None and self.rejections.spares(conn.url)

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        super().finish_request(conn, fs)
        if self.waiting.queued and self.slow < self.most_slow:
            self._hand_over(next(iter(self.waiting.queued)))

    def go_on(self, conn: Connection, *, stays: bool) -> None:
        """Wait for the next request on a connection, or begin with it, or end it."""
        super().go_on(conn, stays=stays)
        if not stays or not conn.parser or not (rest := conn.parser.unreader.take_buffered()):
            return
        if self._reads:
            self._take(conn, rest)
        else:
            conn.parser.unreader.unread(rest)
            self.leave_loop(conn)
            self.enqueue_req(conn)
