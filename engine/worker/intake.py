"""What becomes of a request while it comes: waited for, refused, or given to a thread."""

from contextlib import suppress
from typing import Any

from engine.worker.connection import Connection
from engine.worker.faults import (
    FAILED,
    SHORT_BODY,
    SHORT_OF,
    TOO_BUSY,
    TOO_LATE,
    fault_of,
    places,
    without_body,
)
from engine.worker.threads import ThreadedWorker

#: Larger requests may take long: they get half of the threads.
HEAVY_BYTES = 2**18


def takes_long(url: bytes, raw: bytes | bytearray) -> bool:
    """Return whether a request is for a search, or an explanation: by address, tool or form."""
    path, _sign, query = url.partition(b"?")
    if b"/whatif" in path or b"explain=" in query:
        return True
    # Of all bodies these alone have an option; a record may have any word.
    is_form = path.split(b"/")[-2:-1] == [b"models"]
    option = b'"explain"' if path.endswith(b"/mcp") else b"explain=" if is_form else b""
    return bool(option) and option in raw[raw.find(b"\r\n\r\n") :]


class IntakeWorker(ThreadedWorker):
    """A worker that decides about requests while they come.

    Attributes
    ----------
    most_bytes : int
        The longest request that the loop collects.
    """

    most_bytes = 0

    def takes(self, conn: Connection) -> bool:
        """Return whether the loop itself answers a whole request, which it does then."""
        raise NotImplementedError

    def take(self, conn: Connection, received: bytes) -> None:
        """Answer a request on the loop, hand it to a thread, or wait for more of it."""
        if received:
            conn.feed(received)
        self._decide(conn, received)

    def _decide(self, conn: Connection, received: bytes) -> None:
        if conn.is_ours and conn.completed and self.takes(conn):
            return
        if conn.completed:
            self.hand_over(conn)
        elif fault := conn.fault(received):
            self.log.warning("a request is refused: %s", fault.detail)
            self.answer(conn, fault)
        elif conn.is_odd_whole():
            self._read_oddly(conn, received)
        elif not conn.has_head:
            self._wait_for_head(conn, len(received))
        elif conn.is_admitted or self._admit(conn):
            self._wait_for_body(conn, len(received))

    def _read_oddly(self, conn: Connection, received: bytes) -> None:
        """Let gunicorn's parser decide about a whole head that the loop's own has refused."""
        try:
            conn.read_oddly()
        except Exception as error:  # noqa: BLE001  whatever it is, the request is refused
            self.refuse(conn, self._explain(error, conn.sock))
        else:
            self._decide(conn, received)

    def _wait_for_head(self, conn: Connection, received: int) -> None:
        if not received:
            self.close(conn)
            return
        if conn.raw == b"\r\n":
            return  # an empty line before a request belongs to none: RFC 9112, 2.2
        self.waiting.grow(conn, received)
        self.heads.count(conn, conn.size())
        if self.heads.used > self.heads.most:
            self.answer(next(iter(self.waiting.in_head)), TOO_LATE)

    def _admit(self, conn: Connection) -> bool:
        """Return whether a body is read, now that its head is whole; refuse it if not."""
        admission = self.rejections and self.rejections.admission
        if admission and (answer := admission(conn.method, conn.url, conn.headers)):
            self.refuse(conn, answer)
            return False
        conn.is_admitted = True
        return True

    def _wait_for_body(self, conn: Connection, received: int) -> None:
        """Wait for the rest of a body, unless a thread is to read it."""
        if not received:
            come, length = conn.length - conn.missing(), conn.length
            early = SHORT_OF._replace(values={"read": come, "length": length})
            self.answer(conn, early if length else SHORT_BODY)
            return
        if not conn.is_ours or max(len(conn.raw), conn.length) > self.most_bytes:
            conn.is_slow = True
            self.hand_over(conn)
            return
        self.waiting.grow(conn, received)
        size = conn.size() + conn.missing()
        while not self.requests.has_room(conn, size) and (stalled := self.waiting.stalled_body()):
            self.answer(stalled, TOO_LATE)
        if conn not in conn.phase:
            return  # it was the one that has stalled
        if self.requests.has_room(conn, size):
            self.requests.count(conn, size)
        else:
            self._refuse_busy(conn)

    def hand_over(self, conn: Connection) -> None:
        """Give a thread the bytes that have come, for gunicorn's own parser.

        Half of the threads may have a request that is large, or not whole when
        they get it; others of this kind are queued. When there is too much to do,
        503 is the answer in place of the application's.
        """
        spares = self._spares(conn)
        conn.is_heavy = (
            conn.is_slow or len(conn.raw) > HEAVY_BYTES or b"content-encoding" in conn.headers
            or takes_long(conn.url, conn.raw)
        )  # fmt: skip
        if not spares and self._is_too_much(conn):
            self._refuse_busy(conn)
            return
        self.leave_loop(conn)
        self.requests.count(conn, conn.size())
        if conn.is_heavy and self.heavy >= self.most_heavy:
            self.waiting.put(conn, self.waiting.queued)
            return
        self.begin(conn, spares=spares)

    def begin(self, conn: Connection, *, spares: bool) -> None:
        """Give a thread a request; one more thread has those that are always answered."""
        pool = self.aside if self.running >= self.cfg.threads and spares else None
        conn.init()
        conn.pass_on()
        conn.sock.begin(conn.url, conn.headers, is_head=conn.method == b"HEAD")
        conn.restart()
        self.enqueue_req(conn, pool)

    def _is_too_much(self, conn: Connection) -> bool:
        """Return whether a request would wait too long for a thread, or for memory."""
        if not self.requests.has_room(conn, conn.size()):
            return True
        if not self.alive or not conn.has_head:
            return False
        waiting = self.heavy + len(self.waiting.queued)
        is_too_heavy = conn.is_heavy and self.heavy_load.is_too_much(waiting)
        return is_too_heavy or self.load.is_too_much(self.running)

    def _refuse_busy(self, conn: Connection) -> None:
        """Answer 503; the connection stays where nothing but the whole request has come."""
        if not self.rejections:
            self.answer(conn, TOO_BUSY)
            return
        stays = conn.is_alone() and not conn.is_slow
        answer = self.rejections.refusal(conn.url, conn.headers, is_last=not stays)
        self.count_refused(503, "overloaded")
        conn.is_heavy = False
        self.refuse(conn, answer, stays=stays)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn refuses."""
        answer = self._explain(exc, client)
        with suppress(OSError):
            client.sendall(without_body(answer) if getattr(client, "is_head", False) else answer)

    def _explain(self, error: BaseException, sock: Any) -> bytes:
        """Write the answer to a request that gunicorn refuses; quote nothing, nor in the log."""
        fault = fault_of(error)
        if fault is FAILED:
            self.log.error("a request has failed:\n%s", places(error))
        else:
            self.log.warning("a request is refused: %s", type(error).__name__)
        return self.phrase(fault, sock)

    def _spares(self, conn: Connection) -> bool:
        return self.rejections is not None and self.rejections.spares(conn.url)

    def begin_queued(self) -> None:
        """Give the next of the queued requests to a thread, if one may have it."""
        if self.heavy < self.most_heavy and (queued := self.waiting.queued.first()):
            queued.phase.pop(queued)
            self.begin(queued, spares=False)
