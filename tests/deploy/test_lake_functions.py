"""The functions of the lake on AWS: what is collected reaches the stream, and is cleaned."""

import base64
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import boto3
import pytest

from tests.deploy.terraform import FOLDER, blocks
from tests.support.s3 import variables

#: As the Punk API has it, shortened.
BEER = {"id": 287, "name": "Hello My Name Is Märianne", "abv": 8.2, "ibu": 70, "target_fg": 1009,
        "target_og": 1070, "ebc": 15, "srm": 8, "ph": 4.4, "volume": {"value": 20}}  # fmt: skip


def load(name: str) -> ModuleType:
    """Load a function as Lambda does, by its file."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"lambda/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The columns of the table, in the environment of the function."""
    (told,) = [block.content["default"] for block in blocks("variable")
               if block.type == "lake_columns"]  # fmt: skip
    monkeypatch.setenv("COLUMNS", json.dumps(told))
    return dict(told)


def batch(*records: bytes) -> dict[str, Any]:
    """An event of Firehose that reads a Kinesis stream."""
    return {
        "invocationId": "invocation", "region": "us-east-1",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/cleaned",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/records",
        "records": [{
            "recordId": f"id{number}", "approximateArrivalTimestamp": 1700000000000 + number,
            "data": base64.b64encode(record).decode(),
            "kinesisRecordMetadata": {"sequenceNumber": f"{number}", "partitionKey": "287",
                                      "shardId": "shardId-000000000000", "subsequenceNumber": 0},
        } for number, record in enumerate(records)],
    }  # fmt: skip


def test_record_when_cleaned_has_the_columns_of_the_table(columns: dict[str, str]) -> None:
    line = (json.dumps(BEER) + "\n").encode()
    other = json.dumps({"id": 1, "name": "Plain", "abv": 4}).encode()

    answers = load("clean").handle(batch(line, other), None)["records"]

    assert [("id0", "Ok"), ("id1", "Ok")] == [(it["recordId"], it["result"]) for it in answers]
    cleaned = [base64.b64decode(it["data"]).decode() for it in answers]
    assert all(text.endswith("\n") and text.count("\n") == 1 for text in cleaned)
    assert {name: BEER[name] for name in columns} == json.loads(cleaned[0])
    assert {**dict.fromkeys(columns), "id": 1, "name": "Plain", "abv": 4} == json.loads(cleaned[1])


@pytest.mark.parametrize(
    "record",
    [
        b"", b"\xff", b"[" * 100_000, b"no JSON", b"[1]", b"1", b'{"abv": NaN}', b'{"abv": "8.2"}',
        b'{"abv": true}', b'{"id": 1.5}', b'{"name": {}}',
    ],
    ids=lambda record: record[:16].decode(errors="replace"),
)  # fmt: skip
def test_record_when_it_does_not_fit_is_handed_back_as_failed(
    record: bytes, columns: dict[str, str]
) -> None:
    event = batch(record, json.dumps(BEER).encode())

    failed, kept = load("clean").handle(event, None)["records"]

    data = event["records"][0]["data"]
    assert {"recordId": "id0", "result": "ProcessingFailed", "data": data} == failed
    assert "Ok" == kept["result"]


@pytest.fixture
def source() -> Iterator[Any]:
    """An API on this machine; its answer is what the test puts into the list."""
    answers: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[-1]).encode())

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()


def test_records_when_collected_are_lines_of_the_stream(
    s3: int, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, answers = source
    given = {
        **variables(s3),
        "AWS_DEFAULT_REGION": "us-east-1",
        "SOURCE": address,
        "STREAM": "beer",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    stream = boto3.client("kinesis")
    stream.create_stream(StreamName="beer", ShardCount=1)
    collect = load("collect")

    for answer, taken in ((BEER, 1), ([{**BEER, "id": "x" * 300}, {}, 3], 3), ([], 0)):
        answers.append(answer)
        assert {"records": taken} == collect.handle({"source": "aws.events"}, None)

    (shard,) = stream.list_shards(StreamName="beer")["Shards"]
    place = stream.get_shard_iterator(
        StreamName="beer", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    lines = [record["Data"] for record in stream.get_records(ShardIterator=place)["Records"]]
    assert [BEER, {**BEER, "id": "x" * 300}, {}, 3] == [json.loads(line) for line in lines]
    assert all(line.endswith(b"\n") for line in lines)
