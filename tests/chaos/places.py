"""Where the versions are kept: a folder, or a bucket behind a proxy that breaks HTTP."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from persistence.bucket.client import Bucket
from persistence.model_persistence import ModelStore
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.s3 import BUCKET, s3_server, variables


class Place(NamedTuple):
    """A store, as the run sees it and as the services do.

    Attributes
    ----------
    address : Path or str
        As `ModelStore` takes it; with the cache that the run itself uses.
    settings : dict
        Of the services.
    spoil : callable
        Given a file's path in the store and what to make of its bytes.
    proxy : FaultProxy or None
        Through which the services see a bucket; the run itself does not.
    """

    address: Path | str
    cache: Path
    settings: dict[str, Any]
    spoil: Callable[[str, Callable[[bytes], bytes]], None]
    proxy: FaultProxy | None = None

    def store(self) -> ModelStore:
        """Open the store; one that is just opened believes no list of before."""
        return ModelStore(self.address, cache=self.cache)


@contextmanager
def folder(root: Path) -> Iterator[Place]:
    """Keep versions in a folder."""

    def spoil(file: str, change: Callable[[bytes], bytes]) -> None:
        path = root / "store" / file
        path.write_bytes(change(path.read_bytes()))

    address = root / "store"
    yield Place(address, root / "cache", {"model_store": address}, spoil)


@contextmanager
def bucket(root: Path) -> Iterator[Place]:
    """Keep versions in a bucket."""
    with s3_server() as port, fault_proxy(port) as proxy:

        def spoil(file: str, change: Callable[[bytes], bytes]) -> None:
            objects = Bucket(address)
            found = objects.read(file)
            assert found and objects.swap(file, change(found.content), found), file

        os.environ |= variables(port)
        address = f"s3://{BUCKET}/store"
        settings = {"model_store": address, **variables(proxy.port)}
        yield Place(address, root / "cache", settings, spoil, proxy)


#: By what they are called on the command line.
PLACES = {"folder": folder, "bucket": bucket}
