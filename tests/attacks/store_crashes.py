"""Publish and promote in processes that can be traced: ``python -m tests.attacks.store_crashes``.

It reads a line for each attempt: a task and a folder. It forks, so that
everything is imported already; the child stops itself, and goes on when strace
has hold of it.
"""

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

from persistence.model_persistence import ModelStore
from persistence.place import VersionExists
from tests.support.stores import publish

#: What the child ends with.
DONE, FAILED, THERE = 0, 1, 2

PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, -1


def attempt(task: str, root: str) -> int:
    """Publish the version `another`, or promote it; give how it ended."""
    store = ModelStore(Path(root))
    version = store.versions("toy")[-1]
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        if task == "publish":
            publish(store, "another")
        else:
            store.promote("toy", version)
    except VersionExists:
        return THERE
    except OSError:
        return FAILED
    return DONE


def main() -> None:
    """Fork a child for each line; print its id, then how it ended."""
    assert 1 == threading.active_count() == len([*Path("/proc/self/task").iterdir()])
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(attempt(*line.split()))
        os.waitpid(child, os.WUNTRACED)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
