"""Answers that are stored: bounded by bytes, swept, and never reported as pending in vain."""

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persistence import idempotency_cache
from persistence.idempotency_cache import CacheUnavailable, IdempotencyCache
from tests.support.forks import count_in_four


@pytest.fixture
def cache() -> Iterator[IdempotencyCache]:
    """A cache of the test's own."""
    cache = IdempotencyCache()
    yield cache
    cache.remove()


def test_request_when_its_process_is_killed_is_new_when_sent_again(cache: IdempotencyCache) -> None:
    fork = multiprocessing.get_context("fork")
    has_begun = fork.Event()

    def begin() -> None:
        cache.begin("", "a", b"")
        has_begun.set()
        time.sleep(600)

    worker = fork.Process(target=begin)
    worker.start()
    assert has_begun.wait(60)
    waits = cache.begin("", "a", b"")
    worker.kill()
    worker.join()

    assert waits is not None
    assert 0 == waits.status
    assert cache.begin("", "a", b"") is None


def test_file_when_many_large_answers_come_stays_small(
    cache: IdempotencyCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_cache, "MOST_BYTES", 2**20)
    for number in range(100):
        name = f"number {number}"
        cache.begin("", name, b"")
        cache.finish("", name, b"", status=200, headers={}, body=bytes(100_000))

    files = [*cache.path.parent.iterdir()]

    assert sum(file.stat().st_size for file in files) < 1.2 * 2**20
    answer = cache.begin("", "number 99", b"")
    assert answer is not None
    assert 100_000 == len(answer.body)


def test_answer_when_the_disk_fails_meanwhile_is_computed_again(cache: IdempotencyCache) -> None:
    assert cache.begin("", "a", b"") is None
    shutil.rmtree(cache.path.parent)
    cache.path.parent.write_text("in the way")

    with pytest.raises(CacheUnavailable):
        cache.finish("", "a", b"", status=200, headers={}, body=b"")

    cache.path.parent.unlink()
    assert cache.begin("", "a", b"") is None


def test_answers_when_old_are_deleted_without_a_request(
    cache: IdempotencyCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.begin("", "a", b"")
    cache.finish("", "a", b"", status=200, headers={}, body=b"")
    monkeypatch.setattr(idempotency_cache, "STORED_SECONDS", -1)

    cache.sweep()

    with cache._using() as database:
        assert (0,) == database.execute("SELECT count(*) FROM answers").fetchone()


def test_start_when_others_were_killed_removes_what_they_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living, elsewhere = IdempotencyCache(), tmp_path / "elsewhere"
    living.begin("", "a", b"")
    left = tmp_path / "answers-0123456789abcdef"
    left.mkdir()
    (left / "answers.sqlite").write_text("left")
    old, young = (tmp_path / f"answers-1-{name}.sqlite" for name in ("old", "young"))
    for file in (old, young, elsewhere):
        file.write_text("")
    os.utime(old, (0, 0))
    (tmp_path / "answers-link").symlink_to(elsewhere)
    folder = tmp_path / "a folder"
    folder.mkdir()
    (tmp_path / "answers-folder").symlink_to(folder)

    IdempotencyCache().remove_left()

    names = {path.name for path in tmp_path.iterdir()}
    assert {left.name, old.name}.isdisjoint(names)
    assert {living.path.parent.name, young.name, "elsewhere", "a folder"} <= names
    living.remove()


def begin_many(cache: IdempotencyCache, begun: Any) -> None:
    for number in range(50):
        if cache.begin("", f"name {number}", b"") is None:
            cache.finish("", f"name {number}", b"", status=200, headers={}, body=b"")
            with begun.get_lock():
                begun.value += 1


def test_requests_when_processes_begin_them_at_once_are_begun_once(
    cache: IdempotencyCache,
) -> None:
    assert 50 == count_in_four(begin_many, cache)
