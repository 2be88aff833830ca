"""The chaos run finds what it is there to find, and finds nothing in a short run."""

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.chaos import report, schedule, table
from tests.chaos.load import Client, Record
from tests.chaos.oracle import Oracle, Verdict, questions
from tests.chaos.places import folder
from tests.chaos.scene import Happened, Scene
from tests.chaos.schedule import Event
from tests.chaos.services import Kill
from tests.support.models import unstored
from tests.support.serving import free_port

ASKED = {one.kind: one for one in questions([])}


@pytest.fixture
def oracle() -> Oracle:
    """An oracle that knows of two promotions."""
    found = Oracle({})
    for version in ("one", "two"):
        found.promote(version, lambda: None)
    return found


def record(outcome: str = "lost", **others: Any) -> Record:
    known = {"service": 0, "port": 7, "kind": "one", "due": 10.0, "sent": 10.0, "done": 10.5}
    return Record(**{**known, "verdict": Verdict(outcome), **others})


KILLS = [[Kill(10.2, frozenset([7, 8]), 0.5)], []]


@pytest.mark.parametrize(
    ("one", "outcome"),
    [
        (record(), "excused"),
        (record(port=9), "lost"),
        (record(service=1), "lost"),
        (record(sent=10.4, done=10.5), "lost"),
        (record(sent=9.0, done=10.0), "lost"),
        (record("wrong"), "wrong"),
        (record("right"), "right"),
    ],
    ids=["running there", "not in that worker", "another service", "sent afterwards",
         "lost before", "wrong", "right"],
)  # fmt: skip
def test_request_when_lost_is_excused_only_if_the_killed_worker_was_running_it(
    one: Record, outcome: str
) -> None:
    assert [outcome] == table.outcomes([one], KILLS)


def test_table_when_requests_overlap_a_fault_counts_them_under_it() -> None:
    records = [
        record("right", due=1.0, done=1.1),
        record("right", due=9.9, done=10.1),
        record("wrong", due=12.5, done=12.6),
        record("lost", due=13.5, sent=13.5, done=13.6),
    ]
    happened = [Happened("swap", {}, 10.0, 12.0), Happened("stop", {}, 50.0, 51.0, "never came")]

    swap, stop, quiet, every = table.rows(records, KILLS, happened)

    assert ("swap", 1, 2, 0, 0, 1) == swap[:6]
    assert ("stop", 1, 0, 0, 0, 0) == stop[:6]
    assert ("quiet", 0, 2, 1, 0, 0) == quiet[:6]
    assert ("all", 2, 4, 1, 0, 1) == every[:6]
    assert ["WRONG", "FAILED", "LOST", "LOST, WRONG, FAILED"] == [
        one.verdict for one in (swap, stop, quiet, every)
    ]
    assert 0.2 == pytest.approx(swap.p99)
    assert 6 == len(table.write([swap, stop, quiet, every]).splitlines())


def test_promotions_when_answers_come_late_tell_by_how_much(oracle: Oracle) -> None:
    replaced = oracle.promotions[1].done
    records = [
        record(
            "right",
            sent=replaced + late,
            verdict=Verdict("right", late=late, replaced=1 if late else -1),
        )
        for late in (0.5, 1.5, 0.0)
    ]

    torn = Happened("torn", {}, replaced + 1, replaced + 2, is_blinding=True)
    (found,) = table.stragglers(records, oracle.promotions, [])
    (seen,) = table.stragglers(records, oracle.promotions, [torn])

    assert (1.5, records[1]) == (found.late, found.record)
    assert 0.5 == seen.late


def test_schedule_when_drawn_again_is_the_same(tmp_path: Path) -> None:
    first, again, other = (schedule.draw(seed, 300) for seed in (7, 7, 8))
    schedule.write(tmp_path / "kept.json", first)

    assert first == again == schedule.read(tmp_path / "kept.json")
    assert first != other
    known = {fault.name for track in schedule.TRACKS.values() for fault in track.faults}
    assert known == {one.fault for one in schedule.draw(7, 3000, has_bucket=True)}


def test_schedule_when_drawn_leaves_the_service_in_peace_now_and_then() -> None:
    calm = schedule.CYCLE_SECONDS - schedule.CALM_SECONDS

    assert all(one.at % schedule.CYCLE_SECONDS <= calm + 0.01 for one in schedule.draw(3, 600))


@pytest.fixture
def breaking() -> Iterator[int]:
    """A server that takes a request and ends the connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                link.recv(65536)
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
                link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def client(oracle: Oracle, ports: list[int]) -> Client:
    return Client(
        0, oracle, [*ASKED.values()], ports=ports, interval=1, seed=1, stopping=threading.Event()
    )


def test_client_when_an_answer_breaks_off_counts_it_as_lost_and_asks_nobody_else(
    oracle: Oracle, breaking: int
) -> None:
    asking = client(oracle, [breaking, free_port()])

    for _ in range(8):  # whichever it tries first
        asking.ask(ASKED["one"], time.monotonic())

    assert 8 == len(asking.records)
    assert {("lost", 0)} == {(one.verdict.outcome, one.service) for one in asking.records}
    assert all("ended within an answer" in one.verdict.detail for one in asking.records)


def test_client_when_everybody_refuses_counts_the_request_as_lost(oracle: Oracle) -> None:
    asking = client(oracle, [free_port(), free_port()])

    asking.ask(ASKED["one"], time.monotonic())

    assert [Verdict("lost", "every service refused")] == [one.verdict for one in asking.records]


@pytest.mark.slow
def test_services_when_hurt_for_some_seconds_lose_nothing(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    draw = random.Random(1)  # noqa: S311
    faults = {
        "store": ("promote", "two trainers", "poisoned version", "killed trainer", "roll back"),
        "processes": ("kill -9 of a worker", "SIGHUP"),
        "clients": ("rubbish",),
    }
    known = {one.name: one for track in schedule.TRACKS.values() for one in track.faults}
    events = [
        Event(0.5 * n, track, name, known[name].draw(draw))
        for track, names in faults.items()
        for n, name in enumerate(names, start=1)
    ]
    card = unstored(toy_store.read_card("parcel"))
    with (
        folder(tmp_path) as place,
        closing(Scene(tmp_path, place, card, rate=60, seed=1)) as scene,
    ):
        scene.begin()
        happened = schedule.play(scene, events, 5)
        scene.end()

    assert [] == report.troubles(scene, happened), report.write(scene, happened)
    assert {*known} >= {one.fault for one in happened} >= {"promote", "SIGHUP"}
    assert len(scene.records()) > 100
