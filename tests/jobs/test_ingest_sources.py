"""Databases and streams are read to their end, and later only what is new of them."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from tests.support.lakes import Lakeside
from tests.support.postgresql import Postgresql
from tests.support.s3 import variables

ROWS = [
    {"id": 1, "name": "Ale, pale", "abv": 4.5, "brewed": "2020-01-31"},
    {"id": 2, "name": "Bräu", "abv": 12.0, "brewed": "2020-02-01"},
    {"id": 3, "name": "Two\nlines", "abv": 41.0, "brewed": "2020-02-29"},
]

DATABASE = """
[ales]
kind = "database"
address = "{address}"
table = "{table}"
column = "{column}"
time = "brewed"
key = ["id"]
columns = {{ id = "integer", name = "text", abv = "number", brewed = "text" }}
"""


def test_sqlite_when_read_again_gives_what_came_since(lakeside: Lakeside) -> None:
    path = lakeside.folder / "shop.db"
    described = DATABASE.format(address=path, table="ales", column="id")
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE ales (id INTEGER, name TEXT, abv REAL, brewed TEXT)")
        for row in ROWS:
            database.execute("INSERT INTO ales VALUES (:id, :name, :abv, :brewed)", row)
        database.execute("INSERT INTO ales VALUES (NULL, 'no key', 1, '2020-01-01')")
    first = lakeside.ingest(described)
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO ales VALUES (4, 'New', 5, '2020-03-01')")

    done = lakeside.ingest(described)

    assert "4 records came, 4 of them new or changed: 3 cleaned, 1 rejected" in first.out
    assert ["the key id is missing"] == lakeside.rejected()[0]["reasons"]
    # The last row of before, and that without a place, are read again and known.
    assert "3 records came, 1 of them new or changed" in done.out
    assert [1, 2, 3, 4] == [row["id"] for row in lakeside.cleaned()]


def test_query_when_given_is_read_like_a_table(lakeside: Lakeside) -> None:
    path = lakeside.folder / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE ales (id INTEGER, name TEXT, brewed TEXT)")
        database.execute("INSERT INTO ales VALUES (1, 'at 12:30', '2020-01-01 10:00')")
        database.execute("INSERT INTO ales VALUES (2, '100%', '2020-01-02 10:00')")
    query = "SELECT id, name, 4 AS abv, brewed FROM ales WHERE name IN ('at 12:30', '100%');"
    described = DATABASE.format(address=path, table=query, column="brewed")

    done = lakeside.ingest(described, "--since", "2020-01-02", "--until", "2020-01-03")
    whole = lakeside.ingest(described)

    assert "1 records came, 1 of them new" in done.out
    assert (0, "2 records came, 1 of them new") == (whole.code, whole.out[6:35])
    assert ["100%", "at 12:30"] == [row["name"] for row in lakeside.cleaned()]


def test_postgresql_when_read_by_time_gives_what_came_since(
    lakeside: Lakeside, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = DATABASE.format(address="$SHOP", table="public.ales", column="brewed")
    monkeypatch.setenv("SHOP", postgresql.address)
    with psycopg.connect(postgresql.address, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE ales (id int, name text, abv numeric, brewed timestamptz, extra jsonb)"
        )
        for row in ROWS:
            connection.execute(
                "INSERT INTO ales VALUES (%(id)s, %(name)s, %(abv)s, %(brewed)s, '{}')", row
            )
        lakeside.ingest(described)
        connection.execute("INSERT INTO ales VALUES (4, 'New', 5, '2020-02-29')")
        done = lakeside.ingest(described)
        connection.execute("DROP TABLE ales")
        failed = lakeside.ingest(described)
        span = lakeside.ingest(described, "--since", "2020-02-01")

    assert "2 records came, 1 of them new or changed" in done.out
    assert [(1, 4.5), (2, 12.0), (3, 41.0), (4, 5.0)] == [
        (row["id"], row["abv"]) for row in lakeside.cleaned()
    ]
    for gone in (failed, span):
        assert 1 == gone.code
        assert "no table or view 'public.ales'" in gone.err


def test_source_without_a_key_or_a_place_is_refused(lakeside: Lakeside) -> None:
    described = DATABASE.format(address="shop.db", table="ales", column="id")

    done = lakeside.ingest(described.replace('key = ["id"]', ""))

    assert (2, True) == (done.code, "has no key" in done.err)


def test_password_when_in_the_file_is_refused(lakeside: Lakeside) -> None:
    described = DATABASE.format(address="postgresql://a:b@127.0.0.1/c", table="t", column="id")

    done = lakeside.ingest(described)

    assert (2, "ingest: address has a password: give $NAME, a variable that has it\n") == (
        done.code, done.err,
    )  # fmt: skip


STREAM = """
[ales]
kind = "kinesis"
stream = "ales"
key = ["id"]
columns = { id = "integer", name = "text", abv = "number", brewed = "text" }
"""


@pytest.fixture
def kinesis(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a Kinesis with a stream of two shards."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    for name, value in variables(server.get_host_and_port()[1]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("kinesis")
    client.create_stream(StreamName="ales", ShardCount=2)
    yield client
    client.delete_stream(StreamName="ales")
    server.stop()


def test_stream_when_read_again_gives_what_came_since_and_each_event_once(
    lakeside: Lakeside, kinesis: Any
) -> None:
    def put(row: dict[str, Any]) -> None:
        kinesis.put_record(StreamName="ales", Data=json.dumps(row), PartitionKey=str(row["id"]))

    for row in [*ROWS, *ROWS, {"id": 5, "name": "on another shard", "abv": 1}]:
        put(row)  # some twice, as a producer does that has got no answer
    kinesis.put_record(StreamName="ales", Data=b"\x00\xff", PartitionKey="1")
    first = lakeside.ingest(STREAM)
    put({"id": 4, "name": "New", "abv": 5})

    done = lakeside.ingest(STREAM)
    nothing = lakeside.ingest(STREAM)

    assert "8 records came, 5 of them new or changed: 4 cleaned, 1 rejected" in first.out
    assert "1 records came, 1 of them new or changed" in done.out
    assert "0 records came" in nothing.out
    assert [1, 2, 3, 4, 5] == sorted(row["id"] for row in lakeside.cleaned())


def test_stream_when_a_shard_is_split_is_read_whole(lakeside: Lakeside, kinesis: Any) -> None:
    def put(numbers: range) -> None:
        for number in numbers:
            data = json.dumps({"id": number, "name": "a", "abv": 1})
            kinesis.put_record(StreamName="ales", Data=data, PartitionKey=str(number))

    put(range(20))
    lakeside.ingest(STREAM)
    put(range(20, 40))
    kinesis.split_shard(StreamName="ales", ShardToSplit="shardId-000000000000",
                        NewStartingHashKey=str(2**126))  # fmt: skip
    put(range(40, 60))

    done = lakeside.ingest(STREAM)

    assert 0 == done.code
    assert [*range(60)] == sorted(row["id"] for row in lakeside.cleaned())


def test_stream_when_it_is_not_there_is_named(lakeside: Lakeside, kinesis: Any) -> None:
    done = lakeside.ingest(STREAM.replace('"ales"', '"lagers"'))

    assert 1 == done.code
    assert "the stream lagers does not deliver" in done.err
