"""The threads of a worker, and the connections that they have."""

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from engine.worker.budget import release
from engine.worker.connection import Connection
from engine.worker.event_loop import LoopWorker
from engine.worker.faults import without_body
from engine.worker.load import Load


class ThreadedWorker(LoopWorker):
    """A worker whose threads answer what the loop gives them.

    The loop answers a request with 504 when its thread has not begun to answer
    in time. Python cannot end a thread, so it is given up and the worker is
    replaced: it answers its other requests, with new threads, and ends.
    """

    def init_process(self) -> None:
        # The connections that threads have or are to have, the oldest first.
        self.taken: dict[Connection, None] = {}
        # Those that the loop has answered and whose thread has not returned.
        self.given_up: set[Connection] = set()
        self.heavy = 0  # threads that have what may last long: large bodies, and unfinished ones
        self.most_heavy = max(1, self.cfg.threads // 2)
        self.aside = ThreadPoolExecutor(1)  # for health, while all threads are busy
        super().init_process()

    def prepare_threads(self, *, has_deadlines: bool) -> None:
        """Read the limits from the application, now that it is loaded."""
        rejections = self.application.rejections if self.application else None
        self.rejections = rejections
        most_seconds = rejections.most_seconds if rejections else 0
        self.load = Load(self.cfg.threads, most_seconds)
        self.heavy_load = Load(self.most_heavy, most_seconds)
        self._late_with = rejections if has_deadlines else None
        self._answer_seconds = (rejections.answer_seconds if rejections else 0) or math.inf

    def enqueue_req(self, conn: Connection, pool: ThreadPoolExecutor | None = None) -> None:
        """Give a connection to a thread."""
        self.running += 1
        self.taken[conn] = None
        self.load.begin(self.running)
        if conn.is_heavy:
            self.heavy += 1
            self.heavy_load.begin(self.heavy)
        self._submit(conn, pool or self.tpool)

    def _submit(self, conn: Connection, pool: ThreadPoolExecutor) -> None:
        future = pool.submit(self.handle, conn)
        future.add_done_callback(partial(self.method_queue.defer, self.finish_request, conn))

    def handle(self, conn: Connection) -> Any:
        """Answer a request, in a thread."""
        start = time.monotonic()
        conn.is_begun = True
        try:
            return conn not in self.given_up and super().handle(conn)
        finally:
            conn.seconds = time.monotonic() - start

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """Take a connection back from its thread."""
        if conn in self.given_up:
            self.given_up.remove(conn)
            self.close(conn)
            return
        if fs.cancelled():  # it waited for a thread of the pool that was given up
            self._submit(conn, self.tpool)
            return
        self._forget(conn, None if conn.is_slow else conn.seconds)
        release(conn)
        if conn.sock.fileno() < 0:
            self.close(conn)
            return
        conn.sock.setblocking(False)
        stays = fs.exception() is None and fs.result() is True
        if getattr(conn.sock, "unsent", None):
            self.send_rest(conn, stays=stays)
        else:
            self.go_on(conn, stays=stays)

    def _forget(self, conn: Connection, seconds: float | None) -> None:
        del self.taken[conn]
        self.running -= 1
        self.load.end(seconds)
        if conn.is_heavy:
            self.heavy -= 1
            self.heavy_load.end(seconds)
        conn.is_heavy = conn.is_slow = conn.is_begun = False

    def end_late(self, now: float) -> None:
        super().end_late(now)
        self.give_up(now - self._answer_seconds)

    def give_up(self, before: float) -> None:
        """Answer the requests whose threads have made no progress since a moment."""
        if self._late_with is None:
            return
        # `claim` comes last: whoever has it must answer, so the thread cannot any more.
        late = [c for c in self.taken if c.sock.still_since < before and c.sock.claim()]
        self.given_up.update(late)
        is_stuck = any(conn.is_begun for conn in late)  # a thread will skip the others
        for conn in late:
            self._forget(conn, None)
            answer = self._late_with.lateness(*conn.sock.target)
            conn.end_with(without_body(answer) if conn.sock.is_head else answer)
            self.count_refused(504, "deadline")
        if not is_stuck:
            return
        # New threads get what waits, and gunicorn replaces this worker.
        for pool in (self.tpool, self.aside):
            pool.shutdown(wait=False, cancel_futures=True)
        self.tpool: Any = self.get_thread_pool()
        self.aside = ThreadPoolExecutor(1)
        if self.alive:
            self.log.error("a thread does not come back: this worker is replaced")
            self.alive = False
