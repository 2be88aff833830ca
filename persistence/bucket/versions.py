"""The objects of a version in a bucket: written, signed, and fetched into a folder."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from persistence.bucket.client import Bucket, ObjectTooLarge, attempts
from persistence.bucket.private_folder import replace_private
from persistence.card_file import fingerprint
from persistence.place import version_exists
from persistence.signatures import SIGNATURE
from persistence.store_errors import StoreUnavailable, UntrustedArtifact

#: The files of a version that its card does not list.
CARD = ("card.json", SIGNATURE)


def publish(bucket: Bucket, name: str, version: str, files: Mapping[str, bytes]) -> None:
    """Write a version, its card last: with that it is there.

    What an attempt that was cut off has left of the same version is used. Raise VersionExists
    when there is one of that name. After StoreUnavailable it may be written or not.
    """
    for file in sorted(files, key="card.json".__eq__):
        key, content = f"{name}/{version}/{file}", files[file]
        if bucket.create(key, content):
            continue
        is_equal = bucket.holds(key, content)
        if file == "card.json" or not is_equal:
            raise version_exists(name, version, bucket, is_equal=is_equal)


def sign(bucket: Bucket, name: str, version: str, signature: bytes) -> None:
    """Write the signature of a version; after StoreUnavailable it may be written or not."""
    key, stored = f"{name}/{version}/{SIGNATURE}", None
    with suppress(FileNotFoundError):
        stored = bucket.read(key)
    if not bucket.swap(key, signature, stored):
        raise StoreUnavailable(f"{bucket}/{key} was changed meanwhile: sign again")


def fetch_card(bucket: Bucket, name: str, version: str, folder: Path) -> None:
    """Put the card of a version into a folder, and its signature if it has one.

    Raise FileNotFoundError when there is no card.
    """
    for file in CARD:
        try:
            stored = bucket.read(f"{name}/{version}/{file}")
        except FileNotFoundError:
            if file == SIGNATURE:
                continue
            raise
        replace_private(folder / file, stored.content if stored else b"")


def fetch_file(bucket: Bucket, folder: Path, card: Mapping[str, Any], file: str) -> None:
    """Put a file of a version into a folder; raise UntrustedArtifact if it is not the card's."""
    expected = card["files"][file]
    key = f"{card['model']}/{card['version']}/{file}"
    for _ in attempts(2):
        try:
            stored = bucket.read(key, size=expected["bytes"])
        except FileNotFoundError:
            break
        except ObjectTooLarge:
            continue
        if stored is not None and fingerprint(stored.content) == expected:
            replace_private(folder / file, stored.content)
            return
    raise UntrustedArtifact(
        f"{file} of {card['version']} in {bucket} is missing or differs from the digest in its "
        "card: train it again"
    )
