"""Memory that processes share: replaced as a whole, whatever ends a process."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from persistence.shared_memory import SharedBytes
from tests.support.forks import count_in_four


def test_bytes_when_another_process_replaces_them_are_its() -> None:
    shared = SharedBytes(100)
    assert (0, b"") == shared.read()

    child = multiprocessing.get_context("fork").Process(target=shared.replace, args=(0, b"new"))
    child.start()
    child.join()

    assert 1 == shared.count
    assert (1, b"new") == shared.read()


def test_bytes_when_somebody_was_faster_stay() -> None:
    shared = SharedBytes(100)
    assert shared.replace(0, b"first, and longer")
    assert not shared.replace(0, b"late")
    assert shared.replace(1, b"second")

    assert (2, b"second") == shared.read()


def test_bytes_when_too_long_are_refused_and_those_before_stay() -> None:
    shared = SharedBytes(4)
    shared.replace(0, b"four")

    with pytest.raises(ValueError, match="5 bytes are more than 4"):
        shared.replace(1, b"fives")

    assert (1, b"four") == shared.read()


def replace_often(shared: SharedBytes, replaced: Any) -> None:
    for _ in range(200):
        count, content = shared.read()
        assert len({*content}) < 2, "two contents are mixed"
        if shared.replace(count, bytes([os.getpid() % 256]) * (count % 5000)):
            with replaced.get_lock():
                replaced.value += 1


def test_bytes_when_processes_replace_them_at_once_are_never_mixed() -> None:
    shared = SharedBytes(5000)

    assert count_in_four(replace_often, shared) == shared.count


def die_amid(shared: SharedBytes, has_it: Any) -> None:
    with shared._memory.locked():
        start = shared._start(shared.count + 1)
        shared._memory.bytes[start : start + 4] = b"half"
        has_it.set()
        time.sleep(600)


def test_bytes_when_a_process_is_killed_amid_its_writing_are_as_before() -> None:
    shared = SharedBytes(100)
    shared.replace(0, b"before")
    fork = multiprocessing.get_context("fork")
    has_it = fork.Event()
    child = fork.Process(target=die_amid, args=(shared, has_it))
    child.start()
    assert has_it.wait(60)
    reader = threading.Thread(target=shared.read)
    reader.start()
    reader.join(0.05)
    assert reader.is_alive(), "nothing is read while another process writes"

    os.kill(child.pid or 0, signal.SIGKILL)

    reader.join(60)
    assert (1, b"before") == shared.read()
    assert shared.replace(1, b"after")
    child.join()


def test_memory_when_handed_on_is_the_same_and_nothing_else_passes_for_it() -> None:
    shared = SharedBytes(100)
    shared.replace(0, b"state")

    other = SharedBytes(100, os.dup(shared.hand_on()))

    assert (1, b"state") == other.read()
    with pytest.raises(ValueError, match="is not such memory"):
        SharedBytes(200, shared.hand_on())
    with Path(os.devnull).open() as file, pytest.raises(ValueError, match="is not such memory"):
        SharedBytes(100, file.fileno())
