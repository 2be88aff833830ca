"""How a worker stops without losing a request."""

import math
import os
import signal
import time

from engine.worker.event_loop import LINGER_SECONDS
from engine.worker.listening_socket import is_held_by, orphans, refuse_new
from engine.worker.processes import children
from engine.worker.threads import ThreadedWorker

#: After SIGTERM: new connections are accepted until none has come for QUIET seconds, at most
#: for ACCEPT seconds; then clients that are connecting get LAST seconds.
QUIET_SECONDS, ACCEPT_SECONDS, LAST_SECONDS = 0.25, 5, 0.2

#: How long before gunicorn's master would kill the worker it gives up what still runs.
END_SECONDS = 0.5

#: Workers notice that their master was killed one after another, within so many seconds.
NOTICE_SECONDS = 1.2


def keep_signals_over_forks() -> None:
    """Lose no SIGTERM between a fork and its `init_signals`; call it once, in the master."""
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
    """Answer all that was accepted, then return.

    While gunicorn's master holds the listening sockets, as when it replaces
    this worker, other workers accept the new connections. When the master has
    closed them, or was killed, the whole service stops: then this worker must
    also answer what waits in the kernel's queue.
    """
    if worker.application:
        worker.application.stopping.set()
    worker.alive = False  # it may be True still when the master was killed
    start = worker.last_accept = time.monotonic()
    last_call, last_turn = 0.0, start  # when new connections began to be refused; the turn before
    is_open, is_alone, may_refuse, is_orphan, next_check = True, False, False, False, 0.0
    worker.waiting.hurry(start + LINGER_SECONDS)
    while (now := time.monotonic()) < start + worker.cfg.graceful_timeout - END_SECONDS:
        if now >= next_check:
            next_check = now + 0.02
            is_orphan = os.getppid() != worker.ppid
            by_master = [not is_orphan and is_held_by(worker.ppid, s) for s in worker.sockets]
            is_alone = not any(by_master)
            # systemd keeps sockets that it has passed on, and gives them to the next service.
            may_refuse = None not in by_master and "LISTEN_FDS" not in worker.cfg.env_orig
        # A worker with all threads busy leaves the queue to others, so the quiet begins later.
        is_full = worker.running >= worker.cfg.threads and not last_call
        if is_full or not is_alone:
            worker.last_accept = now
        is_late = now > worker.last_accept + QUIET_SECONDS or now > start + ACCEPT_SECONDS
        is_late = is_late and now > start + (NOTICE_SECONDS if is_orphan else 0)
        if is_alone and is_late and not last_call:
            last_call = now
            is_open = may_refuse and all(
                refuse_new(sock, siblings=orphans(sock) if is_orphan else children(worker.ppid))
                for sock in worker.sockets
            )
        # The queue is empty when a whole turn has accepted nobody.
        if last_call and last_turn > last_call + LAST_SECONDS and worker.last_accept < last_turn:
            is_open = False
        is_idle = not worker.running and not worker.waiting
        if is_idle and (not is_open or (not is_alone and now > start + QUIET_SECONDS)):
            break
        last_turn = now
        worker.turn(may_accept=is_open and is_alone and not is_full, seconds=0.02)
    worker.give_up(math.inf)
    worker.set_accept_enabled(False)
