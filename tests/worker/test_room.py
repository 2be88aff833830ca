"""Who makes room for others, and what waits to be sent."""

import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
from gunicorn.config import Config

from engine.worker.budget import Budget, release
from engine.worker.connection import Connection
from engine.worker.deadlines import FRESH_SECONDS, ROOM_SECONDS, Waiting
from engine.worker.unsent import MOST_IN_MEMORY, Unsent


@pytest.fixture
def conns() -> Iterator[list[Connection]]:
    pairs = [socket.socketpair() for _ in range(4)]
    made = [Connection(Config(), ours, "here", "there") for ours, _ in pairs]
    yield made
    for conn, (_, theirs) in zip(made, pairs, strict=True):
        conn.close()
        theirs.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time, which stands still until a test sets it."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_body_when_it_keeps_pace_has_its_time_anew(
    conns: list[Connection], clock: list[float]
) -> None:
    waiting = Waiting(idle_seconds=95)
    steady, dribbling, burst, _ = conns
    for conn in (steady, dribbling, burst):
        waiting.put(conn, waiting.in_body)
    waiting.grow(burst, 4_000_000)

    for _ in range(40):
        clock[0] += 1
        waiting.grow(steady, 20_000)
        waiting.grow(dribbling, 1)

    assert [dribbling, burst] == waiting.late(clock[0])


def test_room_when_it_is_needed_is_made_by_who_is_behind_longest(
    conns: list[Connection], clock: list[float]
) -> None:
    waiting = Waiting(idle_seconds=95)
    body, head, idle, silent = conns
    for conn, phase in (
        (body, waiting.in_body), (head, waiting.in_head), (silent, waiting.silent),
        (idle, waiting.idle),
    ):  # fmt: skip
        waiting.put(conn, phase)
        clock[0] += 0.01

    assert idle is waiting.slowest()  # nothing is owed to it
    idle.phase.pop(idle)
    assert waiting.slowest() is None  # the others have just come
    clock[0] += FRESH_SECONDS
    assert head is waiting.slowest()
    head.phase.pop(head)
    assert silent is waiting.slowest()
    silent.phase.pop(silent)
    assert waiting.slowest() is None
    clock[0] += ROOM_SECONDS
    assert body is waiting.slowest()


def test_body_when_it_has_stalled_longer_than_heads_goes_first(
    conns: list[Connection], clock: list[float]
) -> None:
    waiting = Waiting(idle_seconds=95)
    body, head, *_ = conns
    waiting.put(body, waiting.in_body)
    assert waiting.stalled_body() is None
    clock[0] += ROOM_SECONDS + 1
    waiting.put(head, waiting.in_head)

    assert body is waiting.slowest()
    assert body is waiting.stalled_body()


def test_budget_when_connections_come_and_go_counts_what_they_hold(
    conns: list[Connection],
) -> None:
    heads, bodies = Budget(100), Budget(1000)

    for conn in conns:
        heads.count(conn, 20)
    assert 80 == heads.used
    assert heads.has_room(conns[0], 40)
    assert not heads.has_room(conns[0], 41)

    bodies.count(conns[0], 900)
    assert (60, 900) == (heads.used, bodies.used)
    for conn in conns:
        release(conn)
    assert (0, 0) == (heads.used, bodies.used)


def test_answer_when_it_is_not_taken_waits_in_order_and_mostly_on_disk() -> None:
    unsent = Unsent()
    parts = [bytes([n]) * 2**20 for n in range(12)]
    for part in parts[:6]:
        unsent.add(part)
    assert (MOST_IN_MEMORY, 2 * 2**20) == (unsent.in_memory, unsent.on_disk)

    taken = bytearray()
    for step, more in pairwise([*parts[5:], b""]):
        del step
        first = unsent.first()
        taken += first[:300_000]
        unsent.drop(min(300_000, len(first)))
        unsent.add(more)
    while unsent:
        first = bytes(unsent.first())
        assert len(first) <= MOST_IN_MEMORY
        taken += first
        unsent.drop(len(first))

    assert b"".join(parts) == taken
    assert (0, 0) == (unsent.in_memory, unsent.on_disk)
