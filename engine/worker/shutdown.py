"""How a worker stops without losing a request."""

import math
import os
import signal
import time

from engine.worker.event_loop import LINGER_SECONDS
from engine.worker.listening_socket import children, is_held_by, orphans, refuse_new
from engine.worker.threads import ThreadedWorker

#: After SIGTERM: new connections are taken until none has come for QUIET
#: seconds, at most for ACCEPT seconds; then those that have begun to connect get
#: LAST seconds.
QUIET_SECONDS, ACCEPT_SECONDS, LAST_SECONDS = 0.25, 5, 0.2

#: So many seconds before gunicorn's master would kill the worker it gives up what still runs.
END_SECONDS = 0.5

#: Workers whose master was killed notice it one after another, each within so many seconds.
NOTICE_SECONDS = 1.2


def keep_signals_over_forks() -> None:
    """Let no SIGTERM get lost between a worker's fork and its `init_signals`.

    To be called once, in gunicorn's master.
    """
    master = os.getpid()

    def change(how: int) -> None:
        if os.getpid() == master:
            signal.pthread_sigmask(how, [signal.SIGTERM])

    change(signal.SIG_UNBLOCK)  # an upgrade's new master has it blocked
    os.register_at_fork(
        before=lambda: change(signal.SIG_BLOCK),
        after_in_parent=lambda: change(signal.SIG_UNBLOCK),
    )


def drain(worker: ThreadedWorker) -> None:
    """Answer all that was accepted.

    While gunicorn's master holds the listening sockets, as when it
    replaces this worker, others take the new connections. When it has
    closed them the service stops, and nobody else will. The same holds when the
    master was killed: its workers stop by themselves.
    """
    if worker.application:
        worker.application.stopping.set()
    worker.alive = False  # where nobody has told it, as when the master was killed
    start = worker.last_accept = time.monotonic()
    last_call = 0.0  # when new connections began to be refused
    turned = start
    is_open, is_alone, may_refuse, is_orphan, next_check = True, False, False, False, 0.0
    worker.waiting.hurry(start + LINGER_SECONDS)
    while (now := time.monotonic()) < start + worker.cfg.graceful_timeout - END_SECONDS:
        if now >= next_check:
            next_check = now + 0.02
            is_orphan = os.getppid() != worker.ppid
            held = [not is_orphan and is_held_by(worker.ppid, one) for one in worker.sockets]
            is_alone = not any(held)
            may_refuse = None not in held and "LISTEN_FDS" not in worker.cfg.env_orig
        is_full = worker.running >= worker.cfg.threads and not last_call
        if is_full or not is_alone:
            worker.last_accept = now
        is_late = now > worker.last_accept + QUIET_SECONDS or now > start + ACCEPT_SECONDS
        is_late = is_late and now > start + (NOTICE_SECONDS if is_orphan else 0)
        if is_alone and is_late and not last_call:
            last_call = now
            is_open = may_refuse and all(
                refuse_new(one, siblings=orphans(one) if is_orphan else children(worker.ppid))
                for one in worker.sockets
            )
        # The queue is empty when a whole turn has brought nobody.
        if last_call and turned > last_call + LAST_SECONDS and worker.last_accept < turned:
            is_open = False
        is_idle = not worker.running and not worker.waiting
        if is_idle and (not is_open or (not is_alone and now > start + QUIET_SECONDS)):
            break
        turned = now
        worker.turn(may_accept=is_open and is_alone and not is_full, seconds=0.02)
    worker.give_up(math.inf)
    worker.set_accept_enabled(False)
