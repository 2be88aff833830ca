"""Which answers are right: what each version answers, and when it was promoted.

An answer has to name a version, the version has to be one that was promoted or
tried, and every value in the answer has to be what that version gives without
any service. On one connection, which is one worker's, the versions follow one
another as they were promoted; some may be left out.
"""

import csv
import io
import json
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.chaos.versions import NAME, RECORDS, Right
from tests.support.raw_http import Answer, request
from tests.support.tensors import tensors

CLASSES = ("large", "medium", "small")

#: What is asked of V2.
OUTPUTS = [{"name": "predict"}, {"name": "predict_proba"}]

#: What is said of a right answer of a version that is not promoted but tried.
TRIED = "tried"

#: Finds the version in an answer, and what it says of each record.
Read = Callable[[Answer], tuple[str, list[Right]]]


class Question(NamedTuple):
    """A request.

    Attributes
    ----------
    kind : str
        What it is called.
    records : list of int
        Places in `RECORDS`.
    version : str
        The one that is asked by name; empty for whichever is promoted.
    """

    kind: str
    sent: bytes
    records: list[int]
    read: Read
    version: str = ""


class Promotion(NamedTuple):
    """A version, and when its promotion began and was written, by the monotonic clock."""

    version: str
    began: float
    done: float


class Verdict(NamedTuple):
    """What became of a request.

    Attributes
    ----------
    outcome : {"right", "wrong", "turned away", "lost", "slip"}
        Turned away is a deliberate 503; a slip is the client's, see `tests.support.steady_load`.
    version : str
        The one that the answer names.
    late : float
        Seconds for which that version had not been the promoted one when it was asked.
    replaced : int
        The place among all promotions of the one that replaced it; -1 for none.
    place : int
        The place of the one that the answer came from, as early as can be.
    """

    outcome: str
    detail: str = ""
    version: str = ""
    late: float = 0.0
    replaced: int = -1
    place: int = -1


class Oracle:
    """Knows what is right.

    Parameters
    ----------
    known : dict of str to list of Right
        The right answers of every good version, in the order of `RECORDS`.
    """

    def __init__(self, known: dict[str, list[Right]]) -> None:
        self.known = dict(known)
        self.promotions: list[Promotion] = []
        self._tried: list[tuple[str, float, float]] = []
        self._lock = threading.Lock()

    def promote(self, version: str, write: Callable[[], None]) -> None:
        """Promote a good version, and remember when."""
        began = time.monotonic()
        place = self._add(Promotion(version, began, float("inf")))
        write()
        with self._lock:
            self.promotions[place] = Promotion(version, began, time.monotonic())

    def try_beside(self, version: str, since: float, until: float) -> None:
        """Say that a version may answer for a while although it is not promoted."""
        with self._lock:
            self._tried.append((version, since, until))

    def judge(
        self, question: Question, answer: Answer, *, sent: float, answered: float, place: int = 0
    ) -> Verdict:
        """Compare an answer with what is right.

        Parameters
        ----------
        sent, answered : float
            When, by the monotonic clock.
        place : int
            Of the promotion that the last answer on this connection came from.
        """
        if answer.status != 200:
            is_busy = answer.status == 503 and answer.field(b"Retry-After") is not None
            text = f"{answer.status} {answer.body[:300]!r}"
            return Verdict("turned away" if is_busy else "lost", text)
        try:
            version, found = question.read(answer)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            return Verdict("wrong", f"{error!r} in {answer.body[:300]!r}")
        right = self.known.get(version)
        if right is None:
            return Verdict("wrong", f"{version} must not answer", version)
        if found != [right[one] for one in question.records]:
            return Verdict("wrong", self._explain(question, version, found), version)
        if question.version:
            is_meant = question.version == version
            return Verdict("right" if is_meant else "wrong", f"not {question.version}", version)
        return self._when(version, sent, answered, place)

    def _when(self, version: str, sent: float, answered: float, place: int) -> Verdict:
        with self._lock:
            promotions = [*self.promotions]
            is_tried = any(
                version == one and since <= answered and sent <= until
                for one, since, until in self._tried
            )
        if is_tried:
            return Verdict("right", TRIED, version, place=place)
        places = [
            n for n, one in enumerate(promotions) if one.version == version and one.began < answered
        ]
        later = [n for n in places if n >= place]
        if not places:
            return Verdict("wrong", f"{version} was not promoted yet", version)
        if not later:
            before = promotions[place].version
            return Verdict("wrong", f"{version} after {before} on one connection", version)
        after = places[-1] + 1
        late = max(0.0, sent - promotions[after].done) if after < len(promotions) else 0.0
        replaced = after if late else -1
        return Verdict("right", version=version, late=late, replaced=replaced, place=later[0])

    def _explain(self, question: Question, version: str, found: list[Right]) -> str:
        """Say whose answers these are."""
        if len(found) != len(question.records):
            return f"{len(found)} answers to {len(question.records)} records"
        whose = [
            next((v for v, right in self.known.items() if right[place] == one), "nobody")
            for place, one in zip(question.records, found, strict=True)
        ]
        return f"named {version}, the answers are those of {sorted(set(whose))}"

    def _add(self, promotion: Promotion) -> int:
        with self._lock:
            self.promotions.append(promotion)
            return len(self.promotions) - 1


def questions(named: list[str]) -> list[Question]:
    """Give requests of every form, for the loop and for threads, small and large.

    Parameters
    ----------
    named : list of str
        Versions that are also asked by their name.
    """
    every = [*range(len(RECORDS))]
    found = []
    for n, record in enumerate(RECORDS):
        path = b"/v0/predict?" if n % 4 == 3 else b"/v0/predict"
        found.append(Question("one", request(json.dumps(record), path=path), [n], _read_one))
    for times in (1, 1, 10):
        sent = request(json.dumps(RECORDS * times))
        found.append(Question("many", sent, every * times, _read_many))
    table = [(b"Content-Type", b"text/csv"), (b"Accept", b"text/csv")]
    for times in (1, 5):
        sent = request(_write_table(times), fields=table)
        found.append(Question("csv", sent, every * times, _read_table))
    body = json.dumps({"inputs": tensors(RECORDS), "outputs": OUTPUTS})
    path = b"/v2/models/%s/infer" % NAME.encode()
    found.append(Question("v2", request(body, path=path), every, _read_v2))
    for n, version in enumerate(named):
        path = f"/v0/models/{NAME}/versions/{version}/predict".encode()
        sent = request(json.dumps(RECORDS[n]), path=path)
        found.append(Question("named", sent, [n], _read_one, version))
    return found


def _write_table(times: int) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, [*RECORDS[0]])
    table.writeheader()
    for one in RECORDS * times:
        table.writerow({k: json.dumps(v) if isinstance(v, bool) else v for k, v in one.items()})
    return text.getvalue()


def _right(one: dict[str, Any]) -> Right:
    shares = one["probabilities"]
    if one["probability"] != shares[one["value"]]:
        raise ValueError(f"{one} is not its class's probability")
    return one["value"], tuple(shares[name] for name in CLASSES)


def _read_one(answer: Answer) -> tuple[str, list[Right]]:
    body = answer.json()
    return body["model"]["version"], [_right(body["prediction"])]


def _read_many(answer: Answer) -> tuple[str, list[Right]]:
    body = answer.json()
    return body["model"]["version"], [_right(one) for one in body["predictions"]]


def _read_table(answer: Answer) -> tuple[str, list[Right]]:
    found = []
    for row in csv.DictReader(answer.body.decode().splitlines()):
        shares = {name: float(row[f"probability_{name}"]) for name in CLASSES}
        own = {"value": row["value"], "probability": float(row["probability"])}
        found.append(_right({**own, "probabilities": shares}))
    return (answer.field(b"X-Model-Version") or b"").decode(), found


def _read_v2(answer: Answer) -> tuple[str, list[Right]]:
    body = answer.json()
    outputs = {one["name"]: one["data"] for one in body["outputs"]}
    shares = iter(outputs["predict_proba"])
    rows = zip(shares, shares, shares, strict=True)
    return body["model_version"], [*zip(outputs["predict"], rows, strict=True)]
