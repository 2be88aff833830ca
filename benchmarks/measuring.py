"""One round: each contender started, loaded, weighed and stopped; then the floor."""

import json
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks import processes, wrk
from benchmarks.contender import Contender
from benchmarks.environments import BENCH, ROOT
from benchmarks.questions import Questions
from benchmarks.running import Question, Running, running
from benchmarks.ways import Way

#: Connections of the two loads with one record per request, and of that with many.
FEW, MORE, BULK = 1, 32, 4


@dataclass(frozen=True)
class Window:
    """One load.

    Attributes
    ----------
    rate : float
        Requests per second.
    p50, p99 : float
        Milliseconds.
    cpu : float
        Microseconds of CPU of all the server's processes per request.
    failures : int
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    failures: int


@dataclass(frozen=True)
class Round:
    """What one contender did in one round.

    Attributes
    ----------
    cold_start : float
        Seconds from launch to the first right answer.
    memory : float
        MB (PSS) of all its processes, after the loads.
    few, more : Window
        At `FEW` and `MORE` connections.
    bulk : dict of str to float
        Way to rows per second.
    bulk_failures : int
    """

    cold_start: float
    memory: float
    few: Window
    more: Window
    bulk: dict[str, float]
    bulk_failures: int = 0


@dataclass(frozen=True)
class Floor:
    """What cannot be saved: microseconds, and rows per second for many.

    Attributes
    ----------
    constant_cpu : float
        Of a request over HTTP at `MORE` connections that gets one answer for all.
    one, one_cpu, many : float
        Of this service's prediction, in process.
    session_one, session_many : float
        Of a bare session of onnxruntime, in process.
    """

    constant_cpu: float
    one: float
    one_cpu: float
    session_one: float
    many: float
    session_many: float


class LogShare(NamedTuple):
    """Of the requests per second without a prediction log, the share that is left with one."""

    few: float
    more: float


def measure(
    one: Contender, environment: Path, questions: Questions, *, seconds: int, ways: Sequence[Way]
) -> Round:
    """Measure a contender once.

    Parameters
    ----------
    seconds : int
        The length of each load.
    ways : sequence of Way
        Those in which many records are sent.

    Raises
    ------
    NotStarted, WrongAnswer
        It is out of the comparison then.
    """
    single = Question([questions.record], [questions.probability])
    many = Question(list(questions.records), questions.probabilities)
    with running(one, environment, single) as started:
        _load(started, one.one, single, connections=MORE, seconds=max(1, seconds // 3))
        few = _load(started, one.one, single, connections=FEW, seconds=seconds)
        more = _load(started, one.one, single, connections=MORE, seconds=seconds)
        bulk = {
            way.title: _load(started, way, many, connections=BULK, seconds=max(1, seconds // 2))
            for way in ways
        }
        return Round(
            cold_start=started.cold_start_seconds,
            memory=processes.memory_mb(started.pids()),
            few=few,
            more=more,
            bulk={title: load.rate * len(questions.records) for title, load in bulk.items()},
            bulk_failures=sum(load.failures for load in bulk.values()),
        )


def measure_log(
    unlogged: Contender, logged: Contender, environment: Path, questions: Questions, *, seconds: int
) -> LogShare:
    """Measure this service without and with its prediction log, whose drain runs meanwhile."""
    single = Question([questions.record], [questions.probability])
    rates: list[list[float]] = []
    for one in (unlogged, logged):
        with TemporaryDirectory(dir=BENCH) as folder:
            one = replace(one, variables={**one.variables, "PREDICTION_FOLDER": folder})
            with running(one, environment, single) as started:
                _load(started, one.one, single, connections=MORE, seconds=1)
                rates.append(
                    [_load(started, one.one, single, connections=n, seconds=seconds).rate
                     for n in (FEW, MORE)]
                )  # fmt: skip
    return LogShare(*(logged / unlogged for unlogged, logged in zip(*rates, strict=True)))


def measure_floor(
    constant: Contender, ours: Path, theirs: Path, questions: Questions, *, seconds: int
) -> Floor:
    """Measure what cannot be saved, in this service's environment and one with onnxruntime."""
    single = Question([questions.record], [questions.probability])
    with running(constant, ours, single) as started:
        load = _load(started, constant.one, single, connections=MORE, seconds=seconds)
    service = _in_process("service", ours, seconds / 4)
    session = _in_process("session", theirs, seconds / 4)
    return Floor(
        constant_cpu=load.cpu,
        one=service["one"]["seconds"] * 1e6,
        one_cpu=service["one"]["cpu_seconds"] * 1e6,
        session_one=session["one"]["seconds"] * 1e6,
        many=service["many"],
        session_many=session["many"],
    )


def _in_process(what: str, environment: Path, seconds: float) -> dict[str, Any]:
    command = [str(environment / "bin/python"), "-m", "benchmarks.floor", what, str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return dict(json.loads(done.stdout))


def _load(
    started: Running, way: Way, question: Question, *, connections: int, seconds: int
) -> Window:
    """Load a contender; one request in the middle, and one on each side, is checked."""
    script = BENCH / "running" / "wrk.lua"
    script.parent.mkdir(parents=True, exist_ok=True)
    wrk.write_script(script, way.write(question.records), way.headers())
    started.check(way, question)
    processes.settle(started.pids())
    with ThreadPoolExecutor(1) as pool:
        before = processes.cpu_seconds(started.pids())
        sample = pool.submit(_check_later, started, way, question, seconds / 2)
        report = wrk.run(started.url(way), script, connections=connections, seconds=seconds)
        spent = processes.cpu_seconds(started.pids()) - before
        sample.result()
    started.check(way, question)
    if not report.requests:
        raise ValueError(f"{way.path}: no answer in {seconds} s of load")
    return Window(
        rate=report.rate,
        p50=report.p50,
        p99=report.p99,
        cpu=spent / (report.requests + 1) * 1e6,
        failures=report.failures,
    )


def _check_later(started: Running, way: Way, question: Question, delay: float) -> None:
    time.sleep(delay)
    started.check(way, question)
