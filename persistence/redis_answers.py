"""Answers of the last day in Redis, so that a request gets the same answer from any machine.

answer:<digest of caller and name>    who is answering, for some seconds; then the answer
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from persistence.idempotency_cache import STORED_SECONDS, CacheUnavailable, StoredAnswer

_Line = Annotated[str, msgspec.Meta(pattern=r"\A[^\r\n]*\Z")]

#: Digest of the request, status (0: pending), headers and body.
_CONTENT = msgspec.msgpack.Decoder(tuple[bytes, int, dict[str, _Line], bytes])

#: How long Redis may take.
SECONDS = 0.2

#: Seconds for which a request stays pending when its process is killed; others renew them.
LEASE_SECONDS = 10

# What another process has written meanwhile stays: the answer, or that it answers.
_DELETE_OWN = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1])"
_RENEW_OWN = (
    "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('expire', KEYS[1], ARGV[2])"
)
_REPLACE_OWN = (
    "local now = redis.call('get', KEYS[1]); return (not now or now == ARGV[1]) "
    "and redis.call('set', KEYS[1], ARGV[2], 'EX', ARGV[3])"
)


def open_redis(address: str) -> tuple[Any, type[Exception]]:
    """Return a client, which connects at the first use, and what it raises.

    Raise `ValueError` if the address, such as ``redis://host:6379/0``, is not valid, or the
    package redis is not installed.
    """
    try:
        import redis
    except ImportError as error:
        raise ValueError(
            "the package redis is not installed: "
            "run .venv/bin/pip install -r requirements-redis.txt"
        ) from error
    limits = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS}
    try:
        return redis.Redis.from_url(address, **limits), redis.RedisError
    except ValueError:  # it may quote a part of the password
        raise ValueError(
            "give an address such as redis://:password@host:6379/0, with %2F for a / in it"
        ) from None


class RedisAnswers:
    """Answers as `IdempotencyCache` has them, for all machines that use the same Redis.

    While a request is answered, `sweep` renews its lease. Redis deletes an answer after a day,
    or earlier if its memory is limited.
    """

    def __init__(self, address: str) -> None:
        self._client, self._failure = open_redis(address)
        self._pending: dict[str, bytes] = {}

    def begin(self, caller: str, name: str, digest: bytes) -> StoredAnswer | None:
        """Return the answer to a request; None, and count it as pending, when it is new."""
        key, own = _key(caller, name), _write(secrets.token_bytes(16))
        with self._using():
            if self._client.set(key, own, nx=True, ex=LEASE_SECONDS):
                self._pending[key] = own
                return None
            content = self._client.get(key)
        if content is None:  # it has ended just now, and the next attempt is new
            return StoredAnswer(0)
        try:
            first_digest, status, headers, body = _CONTENT.decode(content)
            if status and not 200 <= status < 500:
                raise ValueError(f"its status is {status}")
        except (ValueError, RecursionError) as error:
            raise CacheUnavailable(
                f"{key} in Redis is not an answer of this service: give it a database of its "
                f"own in RATE_LIMIT_REDIS ({error})"
            ) from error
        return StoredAnswer(status, headers, body, not status or first_digest == digest)

    def finish(
        self, caller: str, name: str, digest: bytes,
        *, status: int, headers: Mapping[str, str], body: bytes,
    ) -> None:  # fmt: skip
        """Store the answer to a pending request, which is pending no longer.

        What another machine has stored after the lease of this one had ended stays.
        """
        own = self._pending.pop(key := _key(caller, name), b"")
        content = _write(digest, status, headers, body)
        with self._using():
            self._client.eval(_REPLACE_OWN, 1, key, own, content, STORED_SECONDS)

    def forget(self, caller: str, name: str) -> None:
        """Let a pending request be new when it is sent again; nothing is raised."""
        if own := self._pending.pop(key := _key(caller, name), None):
            with suppress(self._failure):
                self._client.eval(_DELETE_OWN, 1, key, own)

    def sweep(self) -> None:
        """Keep the requests that this process answers pending; call it once a second."""
        with suppress(self._failure):
            for key, own in [*self._pending.items()]:
                self._client.eval(_RENEW_OWN, 1, key, own, LEASE_SECONDS)

    def remove(self) -> None:
        """Do nothing: the answers outlive the service."""

    def remove_left(self) -> None:
        """Do nothing: Redis deletes what is old."""

    @contextmanager
    def _using(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error


def _key(caller: str, name: str) -> str:
    digest = blake2b(json.dumps([caller, name]).encode(), digest_size=16)
    return f"answer:{digest.hexdigest()}"


def _write(
    digest: bytes, status: int = 0, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    return msgspec.msgpack.encode((digest, status, dict(headers or {}), body))
