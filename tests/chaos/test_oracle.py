"""The oracle of the chaos run tells right answers from wrong ones."""

import json
import time

import pytest

from tests.chaos.oracle import CLASSES, Oracle, Question, Verdict, questions
from tests.chaos.versions import RECORDS, Right
from tests.support.raw_http import Answer

ASKED = {one.kind: one for one in questions([])}


def answers_of(number: int) -> list[Right]:
    """Make up the answers of a version."""
    return [("small", (0.0, 1 - n / 1000 - number / 100, n / 1000)) for n in range(len(RECORDS))]


KNOWN = {"one": answers_of(1), "two": answers_of(2)}


@pytest.fixture
def oracle() -> Oracle:
    found = Oracle(KNOWN)
    for version in ("one", "two"):
        found.promote(version, lambda: None)
    return found


def written(version: str, rights: list[Right]) -> Answer:
    """Write the answer to a list of records."""
    rows = [
        {
            "value": value,
            "probability": shares[CLASSES.index(value)],
            "probabilities": dict(zip(CLASSES, shares, strict=True)),
        }
        for value, shares in rights
    ]
    body = json.dumps({"predictions": rows, "model": {"name": "parcel", "version": version}})
    return Answer(b"HTTP/1.1 200 OK", (), body.encode())


def judged(oracle: Oracle, answer: Answer, *, place: int = 0, sent: float = 0.0) -> Verdict:
    now = time.monotonic()
    return oracle.judge(ASKED["many"], answer, sent=sent or now, answered=now, place=place)


def every(version: str, question: Question = ASKED["many"]) -> list[Right]:
    return [KNOWN[version][one] for one in question.records]


def test_oracle_when_an_answer_is_that_of_its_version_finds_it_right(oracle: Oracle) -> None:
    verdict = judged(oracle, written("two", every("two")))

    assert Verdict("right", version="two", place=1) == verdict


def test_oracle_when_an_answer_is_that_of_another_version_finds_it_wrong(oracle: Oracle) -> None:
    verdict = judged(oracle, written("two", every("one")))

    assert "wrong" == verdict.outcome
    assert "named two, the answers are those of ['one']" == verdict.detail


def test_oracle_when_one_row_is_of_another_version_finds_it_wrong(oracle: Oracle) -> None:
    rows = every("two")
    rows[7] = KNOWN["one"][ASKED["many"].records[7]]

    verdict = judged(oracle, written("two", rows))

    assert ("wrong", True) == (verdict.outcome, "['one', 'two']" in verdict.detail)


@pytest.mark.parametrize(
    "answer",
    [
        written("two", every("two")[1:]),
        written("three", every("two")),
        written("two", []),
        Answer(b"HTTP/1.1 200 OK", (), b"{}"),
        Answer(b"HTTP/1.1 200 OK", (), b"["),
        Answer(b"HTTP/1.1 200 OK", (), b"[]"),
    ],
    ids=["a row is missing", "an unknown version", "no rows", "no version", "no JSON", "a list"],
)
def test_oracle_when_an_answer_is_not_whole_finds_it_wrong(oracle: Oracle, answer: Answer) -> None:
    assert "wrong" == judged(oracle, answer).outcome


def test_oracle_when_a_version_is_promoted_later_finds_its_answer_wrong() -> None:
    oracle = Oracle(KNOWN)
    oracle.promote("one", lambda: None)
    now = time.monotonic()
    oracle.promote("two", lambda: None)

    verdict = oracle.judge(ASKED["many"], written("two", every("two")), sent=now, answered=now)

    assert ("wrong", "two was not promoted yet") == (verdict.outcome, verdict.detail)


def test_oracle_when_a_connection_goes_back_finds_the_answer_wrong(oracle: Oracle) -> None:
    forth = judged(oracle, written("two", every("two")))
    back = judged(oracle, written("one", every("one")), place=forth.place)
    oracle.promote("one", lambda: None)
    rolled_back = judged(oracle, written("one", every("one")), place=forth.place)

    assert [("right", 1), ("wrong", -1), ("right", 2)] == [
        (one.outcome, one.place) for one in (forth, back, rolled_back)
    ]


def test_oracle_when_a_version_is_tried_lets_it_answer_for_as_long() -> None:
    oracle = Oracle(KNOWN)
    oracle.promote("one", lambda: None)
    oracle.try_beside("two", 10, 20)
    answer = written("two", every("two"))

    outcomes = [
        oracle.judge(ASKED["many"], answer, sent=at, answered=at + 0.1).outcome
        for at in (9, 15, 21)
    ]

    assert ["wrong", "right", "wrong"] == outcomes


def test_oracle_when_a_version_was_replaced_says_how_long_before(oracle: Oracle) -> None:
    replaced = oracle.promotions[1].done

    verdict = judged(oracle, written("one", every("one")), sent=replaced + 3)

    assert ("right", 3.0) == (verdict.outcome, round(verdict.late, 6))


def test_oracle_when_a_version_is_asked_by_name_takes_no_other(oracle: Oracle) -> None:
    question = ASKED["many"]._replace(version="one")

    outcomes = [
        oracle.judge(question, written(one, every(one)), sent=1, answered=2).outcome
        for one in KNOWN
    ]

    assert ["right", "wrong"] == outcomes


@pytest.mark.parametrize(
    ("line", "fields", "outcome"),
    [
        (b"HTTP/1.1 503 No", ((b"Retry-After", b"1"),), "turned away"),
        (b"HTTP/1.1 503 No", (), "lost"),
        (b"HTTP/1.1 500 No", (), "lost"),
        (b"HTTP/1.1 404 No", (), "lost"),
    ],
)
def test_oracle_when_an_answer_is_a_failure_counts_it(
    oracle: Oracle, line: bytes, fields: tuple[tuple[bytes, bytes], ...], outcome: str
) -> None:
    assert outcome == judged(oracle, Answer(line, fields, b"")).outcome
