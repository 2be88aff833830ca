"""Where records come from: the kinds of sources that jobs/sources.toml describes."""

import glob
import os
import random
import time
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec

from engine.setting_values import web_address
from persistence.database import without_password
from persistence.file_rows import ROWS, UnreadableFile, encode_row, read_file_rows, split_json
from persistence.table_rows import read_rows

#: How often a request is sent; the seconds that a whole answer may take, and its bytes.
TRIES, MOST_SECONDS, MOST_BYTES = 5, 300.0, 64 * 2**20
#: So many pages or files are remembered; the others are read again, which stores nothing twice.
MOST_KNOWN = 1000

Cursor = dict[str, Any]
Moment = datetime | None
#: The place of a record in its source, and its bytes.
Record = tuple[str, bytes]


class InvalidSource(ValueError):
    """The description of a source, or a variable that it names, cannot be used."""


class SourceFailed(Exception):
    """A source did not deliver all; what it has delivered is stored."""


class Part(NamedTuple):
    """Some records, and where to go on after them."""

    records: list[Record]
    cursor: Cursor


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all kinds have: the key of a record, and its columns besides the model's fields."""

    key: tuple[str, ...] = ()
    columns: dict[str, Literal["text", "number", "integer", "flag"]] = {}
    derived: frozenset[str] = frozenset()
    time: str = ""

    def place(self) -> str:
        """Return a digest of what says where and how the source is read; a cursor is of one."""
        own = [name for name in self.__struct_fields__ if name not in Source.__struct_fields__]
        facts = msgspec.json.encode({name: getattr(self, name) for name in own}, order="sorted")
        return blake2b(facts, digest_size=8).hexdigest()

    def read(self, cursor: Cursor, since: Moment, until: Moment) -> Iterator[Part]:
        """Read what is new after a cursor; what is outside of a time may be left out."""
        raise NotImplementedError


class Http(Source, frozen=True, kw_only=True, tag="http"):
    """An address that answers JSON: page by page, or so many times without a page."""

    address: str
    paging: Literal["page", "none"] = "page"
    per_page: Annotated[int, msgspec.Meta(gt=0)] = 80
    requests: int = 1
    per_second: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    headers: dict[str, str] = {}

    def read(self, cursor: Cursor, since: Moment, until: Moment) -> Iterator[Part]:
        import requests

        try:
            web_address(self.address)
        except ValueError as error:
            text = f"address is {self.address}: give https://host/path"
            raise InvalidSource(text) from error
        known, page, is_last = dict(cursor.get("known", {})), cursor.get("page", 0), False
        most = 1  # records of the largest page so far: a server may give fewer than it is asked for
        with requests.Session() as session:
            session.headers.update({k: from_environment(v) for k, v in self.headers.items()})
            while not is_last:
                page += 1
                place = {"page": page, "per_page": self.per_page} if self.paging == "page" else {}
                tag, count = known.pop(str(page), ("", 0))
                records, tag = self._ask(session, place, tag)
                count = count if records is None else len(records)
                if tag and page <= MOST_KNOWN:
                    known[str(page)] = [tag, count]
                is_last = count < most if place else page >= self.requests
                most = max(most, count)
                cursor = {"known": dict(known), "page": 0 if is_last else page}
                yield Part([(f"page {page}", each) for each in records or []], cursor)

    def _ask(self, session: Any, place: dict[str, int], tag: str) -> tuple[list[bytes] | None, str]:
        """Return the records and their ETag; None in place of them while it is the same."""
        import requests
        from urllib3.exceptions import HTTPError
        from urllib3.util import Retry

        reason, pause = "", 0.0
        for turn in range(TRIES):
            # Spread, so that many that were refused at once do not come back at once.
            growing = random.uniform(0.5, 1) * 2**turn if turn else 0  # noqa: S311
            time.sleep(max(pause, growing, 1 / self.per_second))
            try:
                answer = self._send(session, place, {"If-None-Match": tag} if tag else {})
                if answer.status_code == 304 and tag:
                    return None, tag
                if answer.status_code == 200:
                    return split_json(_read_body(answer)), answer.headers.get("ETag", "")
                reason, wait = f"status {answer.status_code}", answer.headers.get("Retry-After")
                if answer.status_code not in (408, 429, 500, 502, 503, 504):
                    break
                pause = min(Retry().parse_retry_after(wait), MOST_SECONDS) if wait else 0.0
            except (requests.RequestException, HTTPError, ValueError) as error:
                reason = f"{type(error).__name__}, {error}"[:300]
        raise SourceFailed(f"{self.address} does not answer {place or 'with a record'}: {reason}")

    def _send(self, session: Any, place: dict[str, int], headers: dict[str, str]) -> Any:
        address, waits = self.address, (10, 30)
        for _ in range(5):
            answer = session.get(address, params=place, headers=headers, stream=True,
                                 timeout=waits, allow_redirects=False)  # fmt: skip
            if not answer.is_redirect:
                return answer
            answer.close()
            address, place = urljoin(address, answer.headers["location"]), {}
            if urlsplit(address)[:2] != urlsplit(self.address)[:2]:
                other = urlsplit(address).hostname
                raise SourceFailed(f"{self.address} leads to another host, {other}: name that")
        raise SourceFailed(f"{self.address} leads round in a circle")


class Files(Source, frozen=True, kw_only=True, tag="files"):
    """The files of a pattern: CSV, JSON, JSON Lines (each also with .gz) or Parquet."""

    path: str
    separator: str = ","
    encoding: str = "utf-8"

    def read(self, cursor: Cursor, since: Moment, until: Moment) -> Iterator[Part]:
        known, cut = dict(cursor.get("known", {})), cursor.get("cut", [])
        if not (paths := sorted(glob.glob(self.path, recursive=True))):  # noqa: PTH207
            raise SourceFailed(f"there is no file {self.path}")
        failures = []
        for path in paths:
            mark = [os.stat(path).st_size, os.stat(path).st_mtime_ns]  # noqa: PTH116
            done = cut[2] if cut[:2] == [path, mark] else 0
            try:
                if known.pop(path, None) != mark:
                    rows = read_file_rows(path, separator=self.separator, encoding=self.encoding)
                    numbered = islice(enumerate(rows, 1), done, None)
                    while part := [(f"{path}:{n}", row) for n, row in islice(numbered, ROWS)]:
                        done += len(part)
                        yield Part(part, {"known": dict(known), "cut": [path, mark, done]})
                known = dict([*known.items(), (path, mark)][-MOST_KNOWN:])
            except UnreadableFile as error:  # the others are read, and this one again next time
                failures.append(str(error))
            yield Part([], {"known": known})
        if failures:
            raise SourceFailed("; ".join(failures))


class Database(Source, frozen=True, kw_only=True, tag="database"):
    """A table, a view or a query of PostgreSQL or SQLite; a column tells what is new."""

    address: str
    table: str
    column: str = ""

    def read(self, cursor: Cursor, since: Moment, until: Moment) -> Iterator[Part]:
        if without_password(self.address) != self.address:
            raise InvalidSource("address has a password: give $NAME, a variable that has it")
        first, end = cursor.get("last"), None
        if self.time == self.column:  # a day around: texts of times compare as days at least
            first = str((since - timedelta(1)).date()) if since else first
            end = str((until + timedelta(2)).date()) if until else None
        place, name = from_environment(self.address), self.column
        for rows in read_rows(place, self.table, column=name, first=first, end=end, rows=ROWS):
            moved = [row[self.column] for row in rows if self.column]
            first = next((last for last in reversed(moved) if last is not None), first)
            last = msgspec.to_builtins({"last": first}, enc_hook=str)
            yield Part([(self.table, encode_row(row)) for row in rows], last)


class Kinesis(Source, frozen=True, kw_only=True, tag="kinesis"):
    """A stream of Kinesis, shard by shard, up to its present end."""

    stream: str

    def read(self, cursor: Cursor, since: Moment, until: Moment) -> Iterator[Part]:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            patience = Config(retries={"mode": "standard", "max_attempts": 8}, read_timeout=30)
            client = boto3.client("kinesis", config=patience)
            pages = client.get_paginator("list_shards").paginate(StreamName=self.stream)
            shards = [shard for page in pages for shard in page["Shards"]]
            # What a shard was split into comes after it.
            shards.sort(key=lambda each: int(each["SequenceNumberRange"]["StartingSequenceNumber"]))
            ids = [shard["ShardId"] for shard in shards]
            done = {id_: last for id_, last in cursor.get("shards", {}).items() if id_ in ids}
            for id_ in ids:
                for records, last in self._read_shard(client, id_, done.get(id_, "")):
                    done = {**done, id_: last}
                    yield Part(records, {"shards": done})
        except (BotoCoreError, ClientError) as error:
            raise SourceFailed(f"the stream {self.stream} does not deliver: {error}") from error

    def _read_shard(self, client: Any, shard: str, last: str) -> Iterator[tuple[list[Record], str]]:
        """Yield records and the number of the last one; ``end`` where no others will come."""
        start = {"ShardIteratorType": "TRIM_HORIZON"}
        if last:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
        place = {"StreamName": self.stream, "ShardId": shard, **start}
        iterator = last != "end" and client.get_shard_iterator(**place)["ShardIterator"]
        while iterator:
            answer = client.get_records(ShardIterator=iterator, Limit=ROWS)
            iterator, came = answer.get("NextShardIterator"), answer["Records"]
            if iterator and not came and not answer["MillisBehindLatest"]:
                return
            last = came[-1]["SequenceNumber"] if came else last
            records = [(f"{shard}:{each['SequenceNumber']}", each["Data"]) for each in came]
            yield records, last if iterator else "end"
            time.sleep(0.2)  # a shard takes five requests a second


def load_source(path: Path, name: str) -> Source:
    """Read the description of a source; raise InvalidSource where there is none, or a wrong one."""
    try:
        described = tomllib.loads(path.read_text(encoding="utf-8"))
        source: Source = msgspec.convert(described[name], Http | Files | Database | Kinesis)
    except KeyError as error:
        has = ", ".join(described)
        raise InvalidSource(f"{path} has no [{name}]: write it, or name one of {has}") from error
    except (OSError, ValueError) as error:
        raise InvalidSource(f"{path}, [{name}]: {error}") from error
    if isinstance(source, Http | Database) and not source.key:
        raise InvalidSource(f"{path}, [{name}] has no key: its records are known by columns only")
    return source


def from_environment(text: str) -> str:
    """Return a text, or for ``$NAME`` what the environment has; raise InvalidSource without it."""
    if not text.startswith("$"):
        return text
    if not (value := os.environ.get(text[1:], "").strip()):  # files of secrets end with a line
        raise InvalidSource(f"the variable {text[1:]} is not set: give it to this process")
    if not value.isprintable():  # a message about the header would show all of it
        raise InvalidSource(f"the variable {text[1:]} has a line break, or another such character")
    return value


def _read_body(answer: Any) -> bytes:
    body, end = bytearray(), time.monotonic() + MOST_SECONDS
    # What there is, at once: one that sends a byte now and then is given up in time.
    while piece := answer.raw.read1(2**16, decode_content=True):
        body += piece
        if len(body) > MOST_BYTES or time.monotonic() > end:
            raise SourceFailed(f"{answer.url} answers more than {MOST_BYTES} bytes, or too slowly")
    return bytes(body)
