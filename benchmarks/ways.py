"""Ways to ask a server for predictions: the body that goes out, the answer that comes back."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """One way to ask for predictions.

    Attributes
    ----------
    title : str
        What the page calls it.
    write : callable
        Records -> body.
    read : callable
        Parsed answer -> probability of the positive class for every record.
    accept : str
        The form of answer that is asked for; empty for the server's own.
    parse : callable
        Body of an answer -> what `read` takes.
    key : str
        The API key that is sent; empty for none.
    """

    title: str
    path: str
    write: Callable[[Sequence[Record]], bytes]
    read: Callable[[Any], list[float]]
    content_type: str = "application/json"
    accept: str = ""
    parse: Callable[[bytes], Any] = json.loads
    key: str = ""

    def headers(self) -> dict[str, str]:
        """Give the headers of a request."""
        asked = {"Accept": self.accept} if self.accept else {}
        asked |= {"x-api-key": self.key} if self.key else {}
        return {"Content-Type": self.content_type, **asked}

    def probabilities(self, body: bytes) -> list[float]:
        """Read the body of an answer.

        Raises
        ------
        ValueError, LookupError, TypeError
            When it is something else.
        """
        return self.read(self.parse(body))


def write_one(records: Sequence[Record]) -> bytes:
    """Write the only record as a JSON object."""
    (record,) = records
    return json.dumps(record).encode()


def write_list(records: Sequence[Record]) -> bytes:
    """Write a JSON list of objects."""
    return json.dumps(list(records)).encode()


def columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Give the records column by column."""
    return {name: [one[name] for one in records] for name in records[0]}


def write_columns(records: Sequence[Record]) -> bytes:
    """Write a JSON object of columns."""
    return json.dumps(columns(records)).encode()


def write_csv(records: Sequence[Record]) -> bytes:
    """Write CSV with a header line; flags in lower case."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(records[0])
    for record in records:
        writer.writerow(
            str(value).lower() if isinstance(value, bool) else value for value in record.values()
        )
    return text.getvalue().encode()


def write_lines(records: Sequence[Record]) -> bytes:
    """Write JSON lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def nested(write: Callable[[Sequence[Record]], bytes], key: str) -> Callable[..., bytes]:
    """Put what a writer writes under a key of a JSON object."""

    def write_nested(records: Sequence[Record]) -> bytes:
        return json.dumps({key: json.loads(write(records))}).encode()

    return write_nested


def read_one(answer: Any) -> list[float]:
    """Read ``probability`` as the positive class's."""
    return [answer["probability"]]


def read_many(answer: Any) -> list[float]:
    """Read ``probabilities`` as the positive class's."""
    return list(answer["probabilities"])


def read_ours(answer: Any) -> list[float]:
    """Read this service's answer, for one record or many."""
    found = [answer["prediction"]] if "prediction" in answer else answer["predictions"]
    return [one["probabilities"]["true"] for one in found]


def parse_csv(body: bytes) -> list[dict[str, str]]:
    """Read CSV with a header line."""
    return list(csv.DictReader(io.StringIO(body.decode())))


def read_our_table(rows: list[dict[str, str]]) -> list[float]:
    """Read this service's answer as a table."""
    return [float(one["probability_true"]) for one in rows]


#: How this service is asked: over HTTP by itself, over HTTP elsewhere, and in-process.
OURS_ONE = Way("one record", "/v0/predict", write_one, read_ours)
_COLUMNS, _CSV = nested(write_columns, "data"), "text/csv"
OURS_MANY = (
    Way("JSON columns", "/v0/predict", _COLUMNS, read_ours),
    Way("JSON list", "/v0/predict", write_list, read_ours),
    Way("JSON lines", "/v0/predict", write_lines, read_ours, "application/x-ndjson"),
    Way("CSV", "/v0/predict", write_csv, read_ours, _CSV),
    Way(
        "JSON columns, answer CSV", "/v0/predict", _COLUMNS, read_our_table,
        accept=_CSV, parse=parse_csv,
    ),
    Way(
        "CSV, answer CSV", "/v0/predict", write_csv, read_our_table, _CSV,
        accept=_CSV, parse=parse_csv,
    ),
)  # fmt: skip
