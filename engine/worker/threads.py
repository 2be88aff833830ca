"""The threads of a worker, and the connections that they have."""

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from engine.worker.connection import Connection
from engine.worker.event_loop import LoopWorker
from engine.worker.load import Load


class ThreadedWorker(LoopWorker):
    """A worker whose threads answer what the loop gives them.

    A request whose answer has not begun in time is answered 504 in place of its
    thread. Nobody can end a thread, so it is given up, and the worker is
    replaced: it answers what else it has, with new threads, and ends.

    Attributes
    ----------
    taken : dict
        The connections that threads have or are to have, in the order of their coming.
    given_up : set
        Those that were answered in place of a thread that has not come back.
    load : Load
        How busy the threads are.
    rejections : Rejections or None
        The application's, which writes the answers that are given in its place.
    """

    def init_process(self) -> None:
        """Prepare what belongs to this process, then run."""
        self.taken: dict[Connection, None] = {}
        self.given_up: set[Connection] = set()
        self.slow = 0  # threads whose request was not whole when they got it
        self.most_slow = max(1, self.cfg.threads // 2)
        self.aside = ThreadPoolExecutor(1)  # for health, while all threads are busy
        super().init_process()

    def prepare_threads(self, *, has_deadlines: bool) -> None:
        """Take the limits from the application, now that it is loaded."""
        rejections = self.application.rejections if self.application else None
        self.rejections = rejections
        self.load = Load(self.cfg.threads, rejections.most_seconds if rejections else 0)
        self._late_with = rejections if has_deadlines else None
        seconds = self._late_with.answer_seconds if self._late_with else 0
        self._answer_seconds = seconds or math.inf

    def enqueue_req(self, conn: Connection, pool: ThreadPoolExecutor | None = None) -> None:
        """Give a connection to a thread."""
        self.running += 1
        self.taken[conn] = None
        self.load.begin(self.running)
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
        if fs.cancelled():  # it waited for one of the threads that were left
            self._submit(conn, self.tpool)
            return
        self._forget(conn, None if conn.is_slow else conn.seconds)
        if conn.sock.fileno() < 0:
            self.close(conn)
            return
        conn.sock.setblocking(False)
        stays = fs.exception() is None and fs.result() is True
        if getattr(conn.sock, "unsent", b""):
            self.send_rest(conn, stays=stays)
        else:
            self.go_on(conn, stays=stays)

    def _forget(self, conn: Connection, seconds: float | None) -> None:
        del self.taken[conn]
        self.running -= 1
        self.load.end(seconds)
        self.slow -= conn.is_slow
        conn.is_slow = conn.is_begun = False

    def see_to_late(self, now: float) -> None:
        """End what waits too long, on the loop or for its thread."""
        super().see_to_late(now)
        self.give_up(now - self._answer_seconds)

    def give_up(self, before: float) -> None:
        """Answer in place of the threads that have been at a request since before a moment."""
        if self._late_with is None:
            return
        late = [one for one in self.taken if one.sock.still_since < before and one.sock.claim()]
        is_stuck = False
        for conn in late:
            self.given_up.add(conn)
            is_stuck |= conn.is_begun  # else its thread will pass it over
            self._forget(conn, None)
            conn.end_with(self._late_with.lateness(*conn.asked))
            self.count_refused(504, "deadline")
        if is_stuck:
            self._leave_threads()

    def _leave_threads(self) -> None:
        """Let new threads take what waits, and have this worker replaced."""
        for pool in (self.tpool, self.aside):
            pool.shutdown(wait=False, cancel_futures=True)
        self.tpool: Any = self.get_thread_pool()
        self.aside = ThreadPoolExecutor(1)
        if self.alive:
            self.log.error("a thread does not come back: this worker is replaced")
            self.alive = False
