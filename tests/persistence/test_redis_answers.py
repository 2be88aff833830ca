"""Answers in Redis: the same for every machine, pending while one answers, and not longer."""

from typing import Any

import msgspec
import pytest
import redis

from persistence import redis_answers
from persistence.idempotency_cache import CacheUnavailable, StoredAnswer
from persistence.redis_answers import RedisAnswers, _key, _write

pytestmark = pytest.mark.slow

ANSWER: dict[str, Any] = {"status": 200, "headers": {"Content-Type": "text/csv"}, "body": b"1\n"}


@pytest.fixture
def machines(redis_address: str) -> list[RedisAnswers]:
    """Two machines, and the keys of no caller."""
    return [RedisAnswers(redis_address) for _ in range(2)]


def test_request_is_answered_once_by_any_machine(machines: list[RedisAnswers]) -> None:
    one, other = machines

    assert one.begin("ana", "a", b"x") is None
    assert StoredAnswer(0) == other.begin("ana", "a", b"x")
    assert other.begin("rui", "a", b"x") is None  # of another caller
    other.forget("ana", "a")  # what it has not begun
    assert StoredAnswer(0) == one.begin("ana", "a", b"x")
    one.finish("ana", "a", b"x", **ANSWER)
    one.forget("ana", "a")

    expected = StoredAnswer(200, ANSWER["headers"], b"1\n")
    assert [expected, expected] == [each.begin("ana", "a", b"x") for each in machines]
    assert expected._replace(is_same=False) == other.begin("ana", "a", b"y")


def test_request_when_given_up_is_new_for_any_machine(machines: list[RedisAnswers]) -> None:
    one, other = machines
    assert one.begin("", "a", b"x") is None
    one.forget("", "a")

    assert other.begin("", "a", b"x") is None


def test_request_stays_pending_as_long_as_its_process_lives(
    machines: list[RedisAnswers], redis_address: str
) -> None:
    client = redis.Redis.from_url(redis_address)
    one, other = machines
    assert one.begin("", "a", b"x") is None
    (key,) = client.keys()
    assert 0 < client.ttl(key) <= redis_answers.LEASE_SECONDS
    client.expire(key, 2)
    other.sweep()
    assert client.ttl(key) <= 2
    one.sweep()

    assert client.ttl(key) > 2
    client.delete(key)  # its lease has ended, and another machine answers
    assert other.begin("", "a", b"x") is None
    one.forget("", "a")
    assert StoredAnswer(0) == one.begin("", "a", b"x")
    other.finish("", "a", b"x", **ANSWER)
    other.sweep()
    assert client.ttl(key) > 23 * 3600


def test_answer_of_a_machine_that_has_lost_its_lease_replaces_none(
    machines: list[RedisAnswers], redis_address: str
) -> None:
    one, other = machines
    assert one.begin("", "a", b"x") is None
    redis.Redis.from_url(redis_address).flushdb()
    assert other.begin("", "a", b"x") is None
    late: dict[str, Any] = {**ANSWER, "body": b"2\n"}

    one.finish("", "a", b"x", **late)
    assert StoredAnswer(0) == one.begin("", "a", b"x")
    other.finish("", "a", b"x", **ANSWER)
    one.finish("", "a", b"x", **late)

    assert StoredAnswer(200, ANSWER["headers"], b"1\n") == one.begin("", "a", b"x")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xc1", b"\x91" * 5000, _write(b"x")[:-1], _write(b"x", 500), _write(b"x", 100),
        _write(b"x", 200, {"Content-Type": "a\r\nX-More: b"}),
        msgspec.msgpack.encode([b"x", "200", {}, b""]),
    ],
)  # fmt: skip
def test_answer_when_others_have_written_something_else_is_unavailable(
    machines: list[RedisAnswers], redis_address: str, content: bytes
) -> None:
    redis.Redis.from_url(redis_address).set(_key("", "a"), content)

    with pytest.raises(CacheUnavailable, match="in Redis is not an answer of this service: give"):
        machines[0].begin("", "a", b"x")


def test_answers_when_redis_is_away_are_unavailable(
    machines: list[RedisAnswers], redis_address: str
) -> None:
    one, _ = machines
    assert one.begin("", "a", b"x") is None
    redis.Redis.from_url(redis_address).shutdown(nosave=True)

    with pytest.raises(CacheUnavailable, match="Redis does not answer"):
        one.begin("", "b", b"x")
    with pytest.raises(CacheUnavailable, match="Redis does not answer"):
        one.finish("", "a", b"x", **ANSWER)
    one.forget("", "a")
    one.sweep()
