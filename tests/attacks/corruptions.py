"""Every byte of a version changed and every length of its files cut, one at a time.

    python -m tests.attacks.corruptions FOLDER SAMPLE KEY

prints one JSON object. It runs in a process of its own: what no deserialiser
was reached with is seen from the libraries that were never imported.
"""

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.runtime.loading import open_version
from persistence.card_file import open_card
from persistence.signatures import SIGNATURE, SigningKeys
from persistence.store_errors import UntrustedArtifact

#: What turns a version's bytes into objects; a card is read as JSON, which makes none.
DESERIALISERS = {"onnxruntime", "onnx", "skops", "sklearn", "joblib"}


def main(folder: Path, *, sample: int, key: str) -> dict[str, Any]:
    """Corrupt a version in every way; count, and name what was not refused.

    Parameters
    ----------
    folder : Path
        The version's; afterwards it is as before.
    sample : int
        So many places of each file, chosen by a fixed seed; 0 for all.
    key : str
        The signing key; empty for none.
    """
    model, version = folder.parent.name, folder.name
    keys = SigningKeys(key) if key else None

    known: Any = open_card(folder, model, version, keys=keys)

    def is_refused(*, name: str = "card.json") -> bool:
        try:
            is_read = name in ("card.json", SIGNATURE)
            card: Any = open_card(folder, model, version, keys=keys) if is_read else known
            open_version(folder, card)
        except UntrustedArtifact:
            return True
        return False

    tried: dict[str, int] = {}
    accepted = []
    for path in sorted(folder.iterdir()):
        if keys and path.name not in ("card.json", SIGNATURE):
            continue  # the card has their digests, whoever has signed it
        if not keys and path.name == SIGNATURE:
            continue  # nobody asks for it
        for what in _corruptions(path, sample):
            tried[path.name] = tried.get(path.name, 0) + 1
            if not is_refused(name=path.name):
                accepted.append(f"{path.name}: {what}")
    reached = sorted(DESERIALISERS & set(sys.modules))
    return {"tried": tried, "accepted": accepted, "reached": reached, "whole": not is_refused()}


def _corruptions(path: Path, sample: int) -> Iterator[str]:
    """Corrupt a file in one way after another; it is whole again at the end."""
    whole = path.read_bytes()
    places = list(range(len(whole)))
    if sample:
        places = sorted(random.Random(0).sample(places, min(sample, len(places))))  # noqa: S311
    descriptor = os.open(path, os.O_RDWR)
    try:
        for place in places:
            os.pwrite(descriptor, bytes([whole[place] ^ 1 << place % 8]), place)
            yield f"bit {place % 8} of byte {place}"
            os.pwrite(descriptor, whole[place : place + 1], place)
        os.pwrite(descriptor, b"\n", len(whole))
        yield "a byte more"
        for length in reversed(places):
            os.ftruncate(descriptor, length)
            yield f"{length} bytes of {len(whole)}"
        os.pwrite(descriptor, whole, 0)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sample=int(sys.argv[2]), key=sys.argv[3])))
