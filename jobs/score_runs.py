"""Where parts of a table are answered: in processes of this machine, or on a cluster."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from engine.runtime.parallel import limit_cores, usable_cores
from jobs.score_part import Done, JobError, score_part


def in_processes(folder: str, waiting: set[int], options: Any) -> Iterator[Done]:
    """Answer parts in processes of this machine; those of a killed one are answered by others."""
    left, workers = set(waiting), min(options.workers, len(waiting))
    if workers == 1:
        yield from (score_part(folder, number) for number in sorted(waiting))
        return
    while left:
        before = len(left)
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin_worker, (workers,))
        futures = {pool.submit(score_part, folder, number): number for number in sorted(left)}
        try:
            for future in as_completed(futures):
                yield future.result()
                left.remove(futures[future])
        except BrokenProcessPool as error:
            if len(left) == before:
                raise JobError(
                    "the processes that score end without an answer, for lack of memory perhaps: "
                    "try fewer --workers or smaller --part-bytes"
                ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin_worker(workers: int) -> None:
    """Use a share of the cores, and end with the process that has started this one."""
    limit_cores(max(1, usable_cores() // workers))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    parent = parent_process()
    assert parent
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def on_cluster(folder: str, waiting: set[int], options: Any) -> Iterator[Done]:
    """Answer parts on the workers of a cluster, which see the folder and the store as this does."""
    try:
        import distributed
    except ImportError as error:
        remedy = "pip install -r requirements-jobs.txt"
        raise JobError(f"dask.distributed is not installed: {remedy}") from error
    library: Any = distributed
    with library.Client(options.scheduler, timeout=20) as client:
        places = sorted(waiting)
        futures = client.map(score_part, [folder] * len(places), places, pure=False)
        try:
            for future in library.as_completed(futures):
                yield future.result()
        except library.KilledWorker as error:
            raise JobError(f"the workers end without an answer: {error}") from error
