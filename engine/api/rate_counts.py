"""How many requests each caller has sent in a while, counted over all workers.

Every window of so many seconds has its own count (a fixed window).
"""

import logging
import math
import struct
import time
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from persistence.api_keys import RATE, Key
from persistence.redis_answers import open_redis
from persistence.shared_memory import SharedMemory

_log = logging.getLogger(__name__)

#: A caller's digest, the second at which its window ends, the requests in it.
_SLOT = struct.Struct("<QQQ")

#: Room for 100,000 callers at once: where a third of the slots is taken, no run of as many as
#: are probed is full. Memory is used only for pages of slots that have been taken.
_SLOTS = 2**18
_PROBED = 64

#: The slot after the others, which callers that find no free one share.
_SHARED = _SLOTS * _SLOT.size

#: Seconds for which nobody waits for a Redis that has not answered.
_REDIS_PAUSE = 1.0


class Rate(NamedTuple):
    """A number of requests in a number of seconds."""

    requests: int
    seconds: int

    @classmethod
    @lru_cache(1000)
    def read(cls, text: str) -> "Rate":
        """Parse a limit such as ``100/60``; raise `ValueError` if the text is not a limit."""
        match = RATE.fullmatch(text)
        if not match:
            raise ValueError("give requests/seconds, such as 100/60")
        return cls(*map(int, match.groups()))


class Standing(NamedTuple):
    """Where a caller stands after a request.

    `caller` is the id of its key, empty for all callers without a key; `used`
    counts the requests of this window, this request included; `ends` is when the
    window ends, in seconds since 1970.
    """

    caller: str
    rate: Rate
    used: int
    ends: int

    @property
    def is_refused(self) -> bool:
        """Whether the request was one too many."""
        return self.used > self.rate.requests

    def lines(self, further: int = 0) -> str:
        """Return `headers` as they stand in a head, so many requests further, none refused."""
        _, (requests, window), used, ends = self
        seconds = max(1, ends - int(time.time()))
        return (
            f'RateLimit-Policy: "default";q={requests};w={window}\r\n'
            f'RateLimit: "default";r={requests - used - further};t={seconds}\r\n'
        )

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers, version 08 or later."""
        seconds = max(1, math.ceil(self.ends - time.time()))
        left = max(0, self.rate.requests - self.used)
        headers = {
            "RateLimit-Policy": f'"default";q={self.rate.requests};w={self.rate.seconds}',
            "RateLimit": f'"default";r={left};t={seconds}',
        }
        return headers | ({"Retry-After": str(seconds)} if self.is_refused else {})


class SharedCounts:
    """Counts in memory shared with the processes that this process forks.

    They are exact for 100,000 callers at once. Should slots run out, callers that find none
    are counted together, so some are refused early; none is ever allowed too much.
    """

    def __init__(self) -> None:
        self._memory = SharedMemory(_SHARED + _SLOT.size)

    def take(self, caller: str, rate: Rate, ends: int, requests: int = 1) -> int:
        """Count some more requests, up to the limit; return how many there were before."""
        digest = _digest(caller)
        with self._memory.locked():
            offset, ends, used = self._find(digest, ends)
            now = max(used, min(used + requests, rate.requests))
            _SLOT.pack_into(self._memory.bytes, offset, digest, ends, now)
            return used

    def give_back(self, caller: str, rate: Rate, ends: int) -> None:
        """Count one request less: it is counted again elsewhere."""
        digest = _digest(caller)
        with self._memory.locked():
            offset, ends, used = self._find(digest, ends)
            if used:
                _SLOT.pack_into(self._memory.bytes, offset, digest, ends, used - 1)

    def _find(self, digest: int, ends: int) -> tuple[int, int, int]:
        """Return the offset of a caller's slot, when it ends, and the requests in it.

        A slot is free once its window has ended, and so is the caller's own slot of an
        earlier window. Whoever takes a free one while others share a slot may be one of
        them, so it begins with their count.
        """
        now = time.time()
        free = None
        for step in range(_PROBED):
            offset = (digest + step) % _SLOTS * _SLOT.size
            owner, until, used = _SLOT.unpack_from(self._memory.bytes, offset)
            if (owner, until) == (digest, ends):
                return offset, ends, used
            if free is None and (owner == digest or until <= now):
                free = offset
        _, until, used = _SLOT.unpack_from(self._memory.bytes, _SHARED)
        if until <= now:
            until = used = 0
        return (_SHARED, max(until, ends), used) if free is None else (free, ends, used)


class RedisCounts:
    """Counts in Redis, for several machines; this machine counts while Redis does not answer.

    The constructor raises `ValueError`, as `open_redis`.
    """

    def __init__(self, address: str) -> None:
        self._client, self._failure = open_redis(address)
        self._own, self._next_try = SharedCounts(), 0.0

    def take(self, caller: str, rate: Rate, ends: int, requests: int = 1) -> int:
        """Count some more requests; return how many there were before."""
        if time.monotonic() < self._next_try:
            return self._own.take(caller, rate, ends, requests)
        name = f"rate:{_digest(caller):016x}:{rate.seconds}:{ends}"
        try:
            with self._client.pipeline() as both:
                both.incrby(name, requests)
                both.expire(name, rate.seconds + 1)
                return int(both.execute()[0]) - requests
        except self._failure as error:
            self._next_try = time.monotonic() + _REDIS_PAUSE
            _log.error("Redis does not answer, so this machine counts: %s", error)
            return self._own.take(caller, rate, ends, requests)

    def give_back(self, caller: str, rate: Rate, ends: int) -> None:
        """Do nothing: what Redis counts, threads answer, and nothing counts twice."""


class RateLimit:
    """The limit of every caller whose key has no limit of its own, and those of the keys."""

    def __init__(self, rate: Rate | None, counts: SharedCounts | RedisCounts) -> None:
        self._rate = rate
        self._counts = counts

    def take(self, key: Key | None, requests: int = 1) -> Standing | None:
        """Count requests of a caller, and return where it stands after the first of them.

        None where there is no limit. Without keys, all callers share one count.
        """
        rate = self._rate_of(key)
        if rate is None:
            return None
        ends = (int(time.time()) // rate.seconds + 1) * rate.seconds
        caller = key.id if key else ""
        before = self._counts.take(caller, rate, ends, requests)
        return Standing(caller, rate, before + 1, ends)

    def may_wait(self, key: Key | None) -> bool:
        """Return whether to count a request of a caller is to wait for the network."""
        return isinstance(self._counts, RedisCounts) and self._rate_of(key) is not None

    def _rate_of(self, key: Key | None) -> Rate | None:
        own = key.rate_limit if key else None
        return self._rate if own is None else Rate.read(own)

    def give_back(self, standing: Standing) -> None:
        """Stop counting a request that was not refused."""
        self._counts.give_back(standing.caller, standing.rate, standing.ends)


@lru_cache(1000)
def _digest(caller: str) -> int:
    return int.from_bytes(blake2b(caller.encode(), digest_size=8).digest(), "little")
