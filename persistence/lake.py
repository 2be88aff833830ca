"""The records of one source, kept as they came: a chain of objects, each written once.

Object 17 of a chain ends with the place in the source where to go on, so a record and the
place after it are stored in one step, whole or not at all. Two processes that would both write
object 17 write the same key, and one of them is refused.

What was stored, and which content a key had last, is remembered in `seen/`. It follows from the
chain: without it the chain is read from its beginning.
"""

import gzip
import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from persistence.objects import MOST_BYTES, open_objects

#: So many objects are read anew by a later run at most: what came before is remembered.
BETWEEN = 20

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class ChainMoved(Exception):
    """Another process has added to the chain meanwhile."""


class DamagedObject(ValueError):
    """An object of the chain cannot be read."""


class RawRecord(NamedTuple):
    """A record as it came; the value is None where the bytes are not JSON."""

    origin: str
    content: bytes
    value: Any
    key: str
    digest: bytes

    def in_json(self) -> Any:
        """Return what stands for it in a line of JSON: its own bytes, if they are JSON."""
        if self.value is None:
            return b64encode(self.content).decode()
        return msgspec.Raw(self.content)


class Raw(NamedTuple):
    """An object of the chain."""

    key: str
    number: int
    came: str
    records: list[RawRecord]

    def beside(self, folder: str, suffix: str) -> str:
        """Return the key of what is made of it, in another folder."""
        return self.key.replace("raw/", f"{folder}/", 1).replace(".jsonl.gz", suffix)


class Lake:
    """The chain of one source, in a folder or a bucket.

    Parameters
    ----------
    place : Path or str
        A folder, which need not exist, or the address of a bucket.
    identifying : sequence of str
        The columns by which a record is known again; none: the place where it stands.

    Attributes
    ----------
    cursor : dict
        Where to go on in the source.
    """

    def __init__(self, place: Path | str, identifying: Sequence[str]) -> None:
        self.objects = open_objects(place)
        self.cursor: dict[str, Any] = {}
        self._identifying = list(identifying)
        self._number, self._remembered, self._last, self._day = 0, 0, "", ""
        self._latest: dict[bytes, bytes] = {}

    def replay(self) -> Iterator[Raw]:
        """Load what is remembered, and yield the objects that came after it."""
        seen = self.objects.list_keys("seen/")
        if seen and (stored := self.objects.read(seen[-1], size=MOST_BYTES)):
            mark, content = stored.content[:16], stored.content[16:]
            head, _, body = content.partition(b"\n")
            if mark != _digest(content) or (state := _decode(head))["keys"] != self._identifying:
                self.objects.remove(seen[-1])  # it is damaged, or all keys are others now
            else:
                self._last = state["last"]
                self._follow(state["header"])
                self._remembered = self._number
                pairs = (body[place : place + 32] for place in range(0, len(body), 32))
                self._latest = {pair[:16]: pair[16:] for pair in pairs}
        for key in sorted(self.objects.list_keys("raw/", self._last)):
            header, records = self._read(key)
            self._last = key
            self._follow(header)
            self._latest |= {_digest(each.key.encode()): each.digest for each in records}
            yield Raw(key, self._number, header["came"], records)

    def add(self, records: Sequence[tuple[str, bytes]], cursor: dict[str, Any]) -> Raw | None:
        """Store those records that are new or changed, and the cursor with them.

        Return the object, or None where there is nothing to store.

        Raises
        ------
        ChainMoved
            When another process has stored the next object.
        """
        changes: dict[bytes, bytes] = {}
        news = []
        for record in map(self._parse, records):
            key = _digest(record.key.encode())
            if changes.get(key, self._latest.get(key)) != record.digest:
                changes[key] = record.digest
                news.append(record)
        stored = self._append(news, cursor) if news else None
        self._latest |= changes
        return stored

    def move(self, cursor: dict[str, Any]) -> None:
        """Store where to go on, if that has changed."""
        if cursor != self.cursor:
            self._append([], cursor)

    def remember(self) -> None:
        """Store what later runs would otherwise read the whole chain for, every so many objects."""
        if self._number - self._remembered < BETWEEN:
            return
        header = {"object": self._number, "cursor": self.cursor, "day": self._day}
        state = {"last": self._last, "header": header, "keys": self._identifying}
        pairs = b"".join(key + digest for key, digest in sorted(self._latest.items()))
        content = _encode(state) + b"\n" + pairs
        mark = _digest(content)
        name = f"seen/{self._number:09}-{mark.hex()[:8]}"
        self.objects.create(name, mark + content)
        for other in {*self.objects.list_keys("seen/")} - {name}:
            self.objects.remove(other)

    def _append(self, records: list[RawRecord], cursor: dict[str, Any]) -> Raw:
        today = f"{datetime.now(UTC):year=%Y/month=%m/day=%d}"
        if self._day and today > self._day:
            # The object before says in which day the next one is: all look for it there.
            self._write([], self.cursor, today)
        return self._write(records, cursor, max(self._day, today))

    def _write(self, records: list[RawRecord], cursor: dict[str, Any], day: str) -> Raw:
        came, number = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", self._number + 1
        header = {"object": number, "came": came, "cursor": cursor, "day": day}
        lines = [_encode(header), *map(_line, records)]
        key = f"raw/{self._day or day}/{number:09}.jsonl.gz"
        if not self.objects.create(key, gzip.compress(b"\n".join(lines) + b"\n", 6, mtime=0)):
            raise ChainMoved(f"another process has stored {key} meanwhile")
        self._last = key
        self._follow(header)
        return Raw(key, number, came, records)

    def _read(self, key: str) -> tuple[dict[str, Any], list[RawRecord]]:
        try:
            stored = self.objects.read(key, size=MOST_BYTES)
            lines = gzip.decompress(stored.content if stored else b"").splitlines()
            header, *others = (_decode(line) for line in lines)
            if header["object"] != self._number + 1:
                raise DamagedObject(f"object {self._number + 1} is missing before {key}")
            raws = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
            pairs = [
                (each["origin"], b64decode(each["base64"]) if "base64" in each
                 else bytes(raws(line)["record"]))
                for each, line in zip(others, lines[1:], strict=True)
            ]  # fmt: skip
        except (EOFError, zlib.error, gzip.BadGzipFile, msgspec.MsgspecError, KeyError) as error:
            raise DamagedObject(f"{key} cannot be read: {error}") from error
        return header, [*map(self._parse, pairs)]

    def _follow(self, header: dict[str, Any]) -> None:
        self._number, self._day, self.cursor = header["object"], header["day"], header["cursor"]

    def _parse(self, record: tuple[str, bytes]) -> RawRecord:
        origin, content = record
        try:
            value = _decode(content)
            content = _in_one_line(content)
        except (ValueError, RecursionError):
            value = None
        is_json = value is not None
        digest = _digest(_encode(value, order="sorted") if is_json else content)
        parts = [value.get(name) for name in self._identifying] if isinstance(value, dict) else []
        key = origin
        if self._identifying and (not parts or None in parts):
            key = f"?{digest.hex()}"  # it is rejected, once
        elif parts:
            key = parts[0] if parts == [str(parts[0])] else _encode(parts).decode().strip("[]")
        return RawRecord(origin, content, value, key, digest)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _in_one_line(content: bytes) -> bytes:
    """Return JSON in one line: in JSON lines end between two words only."""
    return content.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def _line(record: RawRecord) -> bytes:
    name = "base64" if record.value is None else "record"
    return _encode({"origin": record.origin, name: record.in_json()})
