"""Processes forked from the test, that do the same at once."""

import multiprocessing
from collections.abc import Callable
from typing import Any


def count_in_four(work: Callable[[Any, Any], None], subject: Any) -> int:
    """Let four processes work on a subject at once; give what they have counted together.

    Parameters
    ----------
    work : callable
        Given the subject, and a shared number to which it adds under its lock.
    """
    fork = multiprocessing.get_context("fork")
    counted = fork.Value("i", 0)
    children = [fork.Process(target=work, args=(subject, counted)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return int(counted.value)
