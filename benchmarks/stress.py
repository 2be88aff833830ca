"""The stress test: 50,000 requests in 45 seconds, every answer read and compared.

    python -m benchmarks.stress                  print a table; exit 1 unless all are right
    python -m benchmarks.stress --model delay    on its real data, as its original is asked
    python -m benchmarks.stress --write          and put it into docs/reference/stress.md

Two generators ask in turn: Locust's users, each of whom waits for an answer
before it asks again, and an open loop, which waits for nothing.
"""

import argparse
import json
import math
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import questions
from benchmarks.environments import BENCH, ROOT, make
from benchmarks.floor import answerer
from benchmarks.load import Load, Question, run
from benchmarks.stress_page import machine, table, write_figures
from benchmarks.stress_server import Server, serving
from benchmarks.ways import OURS_ONE
from models import find

LOCUST = ("locust==2.47.0",)
PAGE = ROOT / "docs/reference/stress.md"
DELAY = "flights-scl/flights_scl_2017.csv.gz"

REQUESTS, SECONDS, USERS = 50_000, 45.0, 500
PATIENCE_SECONDS = 10.0

#: After these Locust stops, done or not.
LOCUST_SECONDS = 60

Generator = Callable[[int, list[Question], argparse.Namespace], "Result"]
Started = Callable[[], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Result:
    """What one generator saw.

    Attributes
    ----------
    failed : dict of str to int
        Wrong answers and missing ones, by reason.
    latencies : list of float
        The median, that within which 99 % came, and the longest; in seconds.
    rate : float
        Answers per second.
    seconds : float
        From the first request to the last answer.
    """

    generator: str
    asked: int
    correct: int
    failed: dict[str, int]
    latencies: list[float]
    rate: float
    seconds: float
    generator_cpu: float
    server_cpu: float = 0.0


def main(arguments: list[str] | None = None) -> int:
    """Run both generators; give the exit status."""
    options = _parser().parse_args(arguments)
    started, asked = prepare_delay(options.data) if options.model else prepare()
    results = [] if options.open_loop else [measure(run_locust, started, asked, options)]
    results.append(measure(run_open_loop, started, asked, options))
    text = write_table(results)
    print(text)
    if options.write:
        target = f"stress model={options.model}" if options.model else "stress"
        write_figures(PAGE, target, f"{machine()}\n\n{text}")
    return 0 if all(one.correct == one.asked for one in results) else 1


def prepare() -> tuple[Started, list[Question]]:
    """Return what starts a service of the sample's model, and questions from its table."""
    asked = ask_about(questions.prepare(), partial(answerer(), OURS_ONE))
    return partial(serving, questions.STORE, questions.MODEL), asked


def prepare_delay(data: Path) -> tuple[Started, list[Question]]:
    """Return a service of delays that asks for a key, and flights sent and answered as once.

    Without the real flights the sample's are taken.
    """
    key, data = secrets.token_urlsafe(32), data if data.exists() else find("delay").sample
    print(f"training delay on {data.name}", flush=True)
    store, sample = questions.prepare_model("delay", data)
    asked = [
        replace(
            one, path="/inference/delay", key=key,
            expected={"prediction": [*one.expected["prediction"]["probabilities"].values()]},
        )
        for one in ask_about(sample, partial(answerer(store, "delay"), OURS_ONE))
    ]  # fmt: skip
    return partial(serving, store, "delay", open_access=False, api_key=key), asked


def measure(
    generator: Generator, started: Started, asked: list[Question], options: argparse.Namespace
) -> Result:
    """Start the service, let a generator ask it, and add what that cost the service."""
    with started() as server:
        before = server.cpu_seconds()
        result = generator(server.port, asked, options)
        return replace(result, server_cpu=server.cpu_seconds() - before)


def ask_about(sample: questions.Questions, answer: Callable[[bytes], bytes]) -> list[Question]:
    """Make questions of the sample's rows, each with the answer that it must get.

    Parameters
    ----------
    answer : callable
        (body) -> the answer that this very code gives without HTTP. The
        fitted pipeline's own has to agree with it.
    """
    found, probabilities = [], []
    for record in sample.records:
        body = json.dumps(record).encode()
        prediction = json.loads(answer(body))["prediction"]
        found.append(Question(body, {"prediction": prediction}))
        probabilities.append(prediction["probabilities"]["true"])
    assert questions.is_right(probabilities, sample.probabilities)
    return found


def run_open_loop(port: int, asked: list[Question], options: argparse.Namespace) -> Result:
    """Send at an even pace, whatever the answers do."""
    report = run(
        Load(
            port=port, questions=asked, requests=options.requests,
            seconds=options.seconds, connections=options.users,
            patience_seconds=PATIENCE_SECONDS,
        )
    )  # fmt: skip
    for oddity in report.oddities:
        print(oddity, file=sys.stderr)
    return Result(
        generator="open loop",
        asked=report.asked,
        correct=report.correct,
        failed=dict(report.failed | Counter(wrong=report.wrong)),
        latencies=[report.latency(share) for share in (0.5, 0.99, 1)],
        rate=report.rate,
        seconds=report.seconds,
        generator_cpu=report.cpu_seconds,
    )


def run_locust(port: int, asked: list[Question], options: argparse.Namespace) -> Result:
    """Let Locust's users ask, in one process."""
    folder = make("locust", LOCUST)
    plan, report = BENCH / "locust-plan.json", BENCH / "locust-report.json"
    report.unlink(missing_ok=True)
    written = {
        "requests": options.requests,
        "seconds": options.seconds,
        "users": options.users,
        "patience_seconds": PATIENCE_SECONDS,
        "report": str(report),
        "key": asked[0].key,
        "questions": [
            {"path": one.path, "body": one.body.decode(), "content_type": one.content_type}
            | {"expected": one.expected}
            for one in asked
        ],
    }
    plan.write_text(json.dumps(written))
    command = [
        folder / "bin/python", "-m", "locust", "--locustfile", ROOT / "benchmarks/stress_locust.py",
        "--headless", "--only-summary", "--users", options.users, "--spawn-rate", options.users,
        "--run-time", f"{LOCUST_SECONDS}s", "--stop-timeout", "0", "--exit-code-on-error", "0",
        "--host", f"http://127.0.0.1:{port}",
        "--html", BENCH / f"stress-{options.model or questions.MODEL}.html",
    ]  # fmt: skip
    with (BENCH / "logs" / "locust.log").open("wb") as out:
        subprocess.run(  # noqa: S603
            [str(word) for word in command], cwd=BENCH, stdout=out, stderr=out,
            env=os.environ | {"STRESS_PLAN": str(plan)}, timeout=2 * LOCUST_SECONDS, check=True,
        )  # fmt: skip
    return read_locust(json.loads(report.read_text()), options.requests)


def read_locust(report: dict[str, Any], requests: int) -> Result:
    """Read what Locust's users reported; what they did not get to has failed."""
    outcomes = report["outcomes"]
    counts = Counter(outcome for _, _, outcome in outcomes)
    counts["not asked in time"] = requests - len(outcomes)
    latencies = sorted(taken for _, taken, _ in outcomes) or [math.nan]
    first = min((ended - taken for ended, taken, _ in outcomes), default=math.nan)
    seconds = max((ended for ended, _, _ in outcomes), default=math.nan) - first
    return Result(
        generator="Locust",
        asked=requests,
        correct=counts.pop("correct", 0),
        failed=dict(+counts),
        latencies=[latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.99, 1)],
        rate=len(outcomes) / seconds,
        seconds=seconds,
        generator_cpu=report["cpu_seconds"],
    )


def write_table(results: list[Result]) -> str:
    """Write the results as a Markdown table, and below it why requests failed."""
    head = ("generator", "requests", "correct", "failed", "p50 ms", "p99 ms", "max ms",
            "per s", "s", "CPU s, service", "CPU s, generator")  # fmt: skip
    rows = [
        (
            one.generator,
            *(f"{count:,}" for count in (one.asked, one.correct, one.asked - one.correct)),
            *(f"{1e3 * seconds:.1f}" for seconds in one.latencies),
            f"{one.rate:,.0f}",
            *(f"{seconds:.1f}" for seconds in (one.seconds, one.server_cpu, one.generator_cpu)),
        )
        for one in results
    ]
    reasons = [
        f"- {one.generator}: {count:,} failed: {reason}"
        for one in results
        for reason, count in one.failed.items()
    ]
    return "\n".join([table(head, rows), *([""] if reasons else []), *reasons])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Ask the service 50,000 times in 45 seconds.")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--users", type=int, default=USERS, help="users, and connections")
    parser.add_argument("--model", choices=("delay",), help="which is asked as its original was")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data" / DELAY)
    parser.add_argument("--open-loop", action="store_true", help="without Locust")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
