"""How many requests a caller may send in a while, counted over all workers.

The counts lie in memory that the workers share, or in Redis. Every window of
so many seconds has its own count (a fixed window).
"""

import fcntl
import logging
import math
import mmap
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from flask import Flask, Response, current_app, g, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from engine.api.protocols.contract import PUBLIC
from persistence.api_keys import RATE, Key

_log = logging.getLogger(__name__)

#: A caller's digest, the second at which its window ends, the requests in it.
_SLOT = struct.Struct("<QQQ")
_SLOTS = 4096
_PROBED = 32

#: How long Redis may take; then the counts of this machine stand in for it.
_REDIS_SECONDS = 0.2


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    @classmethod
    @lru_cache(1000)
    def read(cls, text: str) -> "Rate":
        """Read a limit such as ``100/60``.

        Raises
        ------
        ValueError
            When it is none; the message says how to write one.
        """
        found = RATE.fullmatch(text)
        if not found:
            raise ValueError("requests/seconds, such as 100/60")
        return cls(int(found[1]), int(found[2]))


class Standing(NamedTuple):
    """Where a caller stands after a request.

    Attributes
    ----------
    caller : str
        Its key's id; empty for all callers without one.
    rate : Rate
        What is allowed.
    used : int
        Requests in this window, this one included; more than allowed when it
        is refused.
    ends : int
        When the window ends, in seconds since 1970.
    """

    caller: str
    rate: Rate
    used: int
    ends: int

    @property
    def is_refused(self) -> bool:
        """Whether the request was one too many."""
        return self.used > self.rate.requests

    def headers(self) -> dict[str, str]:
        """Say it in the headers of draft-ietf-httpapi-ratelimit-headers, since its version 08."""
        seconds = max(1, math.ceil(self.ends - time.time()))
        left = max(0, self.rate.requests - self.used)
        found = {
            "RateLimit-Policy": f'"default";q={self.rate.requests};w={self.rate.seconds}',
            "RateLimit": f'"default";r={left};t={seconds}',
        }
        return found | ({"Retry-After": str(seconds)} if self.is_refused else {})


class Counts(Protocol):
    """Counts a caller's requests by window."""

    def take(self, caller: str, rate: Rate, ends: int, requests: int = 1) -> int:
        """Count so many more, as far as there is room; give how many there were before."""
        ...

    def give_back(self, caller: str, rate: Rate, ends: int) -> None:
        """Count one less: the request is counted again elsewhere."""
        ...


class SharedCounts:
    """Counts in memory that the processes share that are forked from this one.

    A file's lock keeps one process at a time at them; the kernel drops it with
    a process that is killed.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS * _SLOT.size)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process
        self._threads = threading.Lock()

    def take(self, caller: str, rate: Rate, ends: int, requests: int = 1) -> int:
        """Count so many more, as far as there is room; give how many there were before."""
        digest = _digest(caller)
        with self._locked():
            place, used = self._find(digest, ends)
            now = min(used + requests, rate.requests)
            _SLOT.pack_into(self._memory, place, digest, ends, now)
            return used

    def give_back(self, caller: str, rate: Rate, ends: int) -> None:
        """Count one less."""
        digest = _digest(caller)
        with self._locked():
            place, used = self._find(digest, ends)
            if used:
                _SLOT.pack_into(self._memory, place, digest, ends, used - 1)

    def _find(self, digest: int, ends: int) -> tuple[int, int]:
        """Find a caller's place, or one that is free, and the requests counted there."""
        now = time.time()
        free = None
        for step in range(_PROBED):
            place = (digest + step) % _SLOTS * _SLOT.size
            known, until, used = _SLOT.unpack_from(self._memory, place)
            if (known, until) == (digest, ends):
                return place, used
            if free is None and (known == digest or until <= now):
                free = place
        return (digest % _SLOTS * _SLOT.size if free is None else free), 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class RedisCounts:
    """Counts in Redis, for several machines; those of this one when it does not answer.

    Parameters
    ----------
    address : str
        As ``redis://host:6379/0``.

    Raises
    ------
    ValueError
        When the address is none, or the package redis is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise ValueError(
                "the package redis is not installed: install it with `pip install redis`"
            ) from error
        self._client: Any = redis.Redis.from_url(
            address, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        self._failure: type[Exception] = redis.RedisError
        self._own = SharedCounts()

    def take(self, caller: str, rate: Rate, ends: int, requests: int = 1) -> int:
        """Count so many more; give how many there were before."""
        name = f"rate:{_digest(caller):016x}:{rate.seconds}:{ends}"
        try:
            with self._client.pipeline() as both:
                both.incrby(name, requests)
                both.expire(name, rate.seconds + 1)
                return int(both.execute()[0]) - requests
        except self._failure as error:
            _log.error("Redis does not count, this machine does: %s", error)
            return self._own.take(caller, rate, ends, requests)

    def give_back(self, caller: str, rate: Rate, ends: int) -> None:
        """Nothing is counted twice where Redis counts: threads answer everything."""


class RateLimit:
    """The limit of the service, and those of its keys.

    Parameters
    ----------
    rate : Rate or None
        For every caller whose key has none of its own; None for no limit.
    counts : Counts
        Where requests are counted.
    """

    def __init__(self, rate: Rate | None, counts: Counts) -> None:
        self._rate = rate
        self.counts = counts

    def take(self, key: Key | None, requests: int = 1) -> list[Standing] | None:
        """Count requests of a caller; None where there is no limit.

        Without keys, all callers together are one.
        """
        rate = self._rate
        if key is not None and key.rate_limit is not None:
            rate = Rate.read(key.rate_limit)
        if rate is None:
            return None
        ends = (int(time.time()) // rate.seconds + 1) * rate.seconds
        caller = key.id if key else ""
        before = self.counts.take(caller, rate, ends, requests)
        return [Standing(caller, rate, before + n, ends) for n in range(1, requests + 1)]

    def give_back(self, standing: Standing) -> None:
        """Count a request that was not refused one time less."""
        self.counts.give_back(standing.caller, standing.rate, standing.ends)


def init_app(app: Flask, limit: RateLimit) -> None:
    """Hold callers to their limits, after they have been checked."""
    app.extensions["rate_limit"] = limit
    app.before_request(count_request)
    app.after_request(show_standing)


def count_request() -> Response | None:
    """Count the request at hand, unless its route is open to all; refuse one too many."""
    g.standing = None
    if ACCESS.get(request.endpoint or "") == PUBLIC:
        return None
    limit: RateLimit = current_app.extensions["rate_limit"]
    found = limit.take(g.key)
    if found is None:
        return None
    (g.standing,) = found
    if not g.standing.is_refused:
        return None
    rate = g.standing.rate
    allowed = f"{rate.requests} requests in {rate.seconds} seconds are allowed"
    return failure_response(Failure(429, f"{allowed}: wait as Retry-After says"))


def show_standing(answer: Response) -> Response:
    """Tell the caller where it stands."""
    if g.get("standing"):
        answer.headers.update(g.standing.headers())
    return answer


@lru_cache(1000)
def _digest(caller: str) -> int:
    return int.from_bytes(blake2b(caller.encode(), digest_size=8).digest(), "little")
