"""A bucket of S3, Google Cloud Storage or Azure: objects, and writes that have a condition.

Credentials, region and endpoint come from the environment, in the variables
that each of the three has for them (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``).

obstore starts threads, which would not survive a fork: a process that forks
must not use this (`persistence.bucket.cache` uses another process then).
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from persistence.store_errors import StoreUnavailable

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode, UpdateVersion
    from obstore.store import ObjectStore

#: What an address begins with, and what the variables of its cloud begin with.
SCHEMES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}

#: Seconds that a request may take, and a connection; the bytes a second that give it more time.
SECONDS, CONNECT_SECONDS, SLOWEST = 3.0, 1, 200_000

#: How often a request is sent before the bucket counts as unavailable.
ATTEMPTS = 3

#: Larger objects are not read where no size is known: pointers and cards are small.
MOST_BYTES = 16 * 2**20


class ObjectTooLarge(StoreUnavailable):
    """An object is larger than it can be; nothing of it was read."""


class StoredObject(NamedTuple):
    """An object, as it was read."""

    content: bytes
    tag: str = ""  # its ETag, which changes with the content
    generation: str = ""  # Google's count of its changes


class Bucket:
    """The objects under one address; nothing is opened before the first request.

    Every method raises StoreUnavailable when the bucket does not answer, or refuses.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._quick: ObjectStore | None = None

    def __str__(self) -> str:
        return self.address

    def list_keys(self, prefix: str = "", after: str = "") -> list[str]:
        """List the keys of all objects, below the address and a prefix, that sort after a key."""
        import obstore

        with self._answering():
            pages = obstore.list(self._client(), prefix or None, offset=after or None)
            return [str(entry["path"]) for page in pages for entry in page]

    def read(
        self, key: str, *, size: int | None = None, unless: str = "", most: int = ATTEMPTS
    ) -> StoredObject | None:
        """Read an object; return None while its ETag is still ``unless``.

        Raise FileNotFoundError when there is none, ObjectTooLarge when it has more bytes than
        ``size``, or than `MOST_BYTES`. The request is sent ``most`` times at most.
        """
        for is_last in attempts(most):
            try:
                return self._read(key, size, unless)
            except StoreUnavailable as error:
                if is_last or isinstance(error, ObjectTooLarge):
                    raise
        raise AssertionError("there is at least one attempt")

    def holds(self, key: str, content: bytes) -> bool:
        """Return whether an object is there and has this content."""
        try:
            stored = self.read(key, size=len(content))
        except (FileNotFoundError, ObjectTooLarge):
            return False
        return stored is not None and stored.content == content

    def create(self, key: str, content: bytes) -> bool:
        """Write an object where there is none; False where there is one already."""
        is_doubtful = False
        for is_last in attempts(ATTEMPTS):
            try:
                if self._put(key, content, "create"):
                    return True
                # An earlier attempt that got no answer may have written it.
                return is_doubtful and self.holds(key, content)
            except StoreUnavailable:
                is_doubtful = True
                if is_last:
                    raise
        raise AssertionError("there is at least one attempt")

    def swap(self, key: str, content: bytes, over: StoredObject | None) -> bool:
        """Write an object over what was read, or where nothing was; False if that has changed.

        The request is sent once. After StoreUnavailable the object may be written or not.
        """
        if over is None:
            return self._put(key, content, "create")
        tag: UpdateVersion = {"e_tag": over.tag} if over.tag else {}
        version: UpdateVersion = {"version": over.generation} if over.generation else {}
        return self._put(key, content, {**tag, **version})

    def remove(self, key: str) -> None:
        """Remove an object; it need not be there."""
        import obstore

        with self._answering(), suppress(FileNotFoundError):
            obstore.delete(self._client(), key)

    def _read(self, key: str, size: int | None, unless: str) -> StoredObject | None:
        import obstore
        from obstore.exceptions import NotModifiedError

        most = MOST_BYTES if size is None else size
        options: GetOptions = {"if_none_match": unless} if unless else {}
        with self._answering(FileNotFoundError):
            try:
                answer = obstore.get(self._client(size), key, options=options)
            except NotModifiedError:
                if unless:
                    return None
                raise
            meta = answer.meta
            if meta["size"] > most:
                raise ObjectTooLarge(f"{self}/{key} has {meta['size']} bytes, more than {most}")
            return StoredObject(bytes(answer.bytes()), meta["e_tag"] or "", meta["version"] or "")

    def _put(self, key: str, content: bytes, mode: "PutMode") -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._answering():
            with suppress(AlreadyExistsError, PreconditionError):
                client = self._client(len(content))
                obstore.put(client, key, content, mode=mode, use_multipart=False)
                return True
            return False

    def _client(self, size: int | None = None) -> "ObjectStore":
        """Return a client with time for so many bytes; None for few."""
        if size is None and self._quick is not None:
            return self._quick
        from obstore.store import from_url

        seconds = SECONDS + (size or 0) // SLOWEST
        cloud = SCHEMES[self.address.partition(":")[0]]
        client: ObjectStore = from_url(
            self.address,
            client_options={
                "timeout": timedelta(seconds=seconds),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                # these options replace the environment's
                "allow_http": os.environ.get(f"{cloud}_ALLOW_HTTP", "").lower() in ("true", "1"),
            },
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=seconds)},
        )
        if size is None:
            self._quick = client
        return client

    @contextmanager
    def _answering(self, *expected: type[Exception]) -> Iterator[None]:
        """Raise StoreUnavailable, with a reason of one line, for all but the expected errors."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            if isinstance(error, (StoreUnavailable, *expected)):
                raise
            reason = str(error).strip().partition("\n")[0][:300]
            raise StoreUnavailable(f"{self} does not answer as it should: {reason}") from error


def attempts(most: int) -> Iterator[bool]:
    """Count attempts, with growing pauses up to a second; yield whether it is the last."""
    for turn in range(most):
        if turn:
            time.sleep(random.uniform(0, min(1.0, 0.1 * 2**turn)))  # noqa: S311  only spreads them
        yield turn == most - 1
