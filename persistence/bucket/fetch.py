"""Put a version into the cache.

``python -m persistence.bucket.fetch ADDRESS CACHE NAME [VERSION]``

By default it is the promoted version. Processes that fork start this one: what
sends requests to a bucket starts threads, which would not survive the fork.
"""

import logging
import sys
from functools import partial
from pathlib import Path

from persistence.bucket.cache import CachedBucket
from persistence.card_file import open_card
from persistence.promotions import DAMAGED
from persistence.store_errors import StoreUnavailable, UntrustedArtifact


def main(address: str, cache: str, name: str, version: str = "") -> str | None:
    """Fetch; return the reason where it cannot be done."""
    logging.disable()  # the caller logs the reason
    place = CachedBucket(address, Path(cache))
    try:
        version = version or place.bucket_pointer(name).read().version
        if not place.has(name, version):
            return f"model {name!r} has no version {version!r} in {place}"
        # Signatures are checked by the caller.
        read = partial(open_card, name=name, version=version, keys=None)
        place.bring(place.read_card(name, version, read))
    except (StoreUnavailable, UntrustedArtifact, OSError, *DAMAGED) as error:
        return " ".join(str(error).split())
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
