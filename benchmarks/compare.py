"""This service beside others: same model, same record, same machine, in turn.

    python -m benchmarks.compare            all of them; writes docs/reference/benchmark.md
    python -m benchmarks.compare --quick    this service, FastAPI + ONNX and the floor; prints
    python -m benchmarks.compare --here     this service and the floor, nothing installed; prints

Linux only, since the figures of a server's processes come from /proc.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

from benchmarks import environments, processes, wrk
from benchmarks.contender import Contender
from benchmarks.environments import NotInstalled
from benchmarks.machine import describe, main_versions
from benchmarks.measuring import Floor, LogShare, Round, measure, measure_floor, measure_log
from benchmarks.page import Conditions, Entry, page, tables
from benchmarks.plot import draw
from benchmarks.questions import Questions, prepare
from benchmarks.roster import CONSTANT, CONTENDERS, LOGGED, OURS, QUICK, UNLOGGED
from benchmarks.running import NotStarted, WrongAnswer
from benchmarks.running import prepare as prepare_contender
from benchmarks.summary import best_way, compare, lowest, middle, summarise

PAGE = environments.ROOT / "docs/reference/benchmark.md"

#: Every figure of the last comparison, round by round.
RAW = environments.BENCH / "results.json"

#: What takes one contender out of the comparison and leaves the others in.
FAILURES = (
    NotStarted, WrongAnswer, OSError, HTTPException, ValueError, subprocess.CalledProcessError,
)  # fmt: skip


@dataclass
class Outcome:
    """What became of a contender.

    Attributes
    ----------
    rounds : list of Round
    reason : str
        Why it is out of the comparison; empty when it is not.
    size : float
        MB of its environment.
    versions : dict of str to str
        Of what its environment holds.
    """

    contender: Contender
    environment: Path | None = None
    rounds: list[Round] = field(default_factory=list)
    reason: str = ""
    size: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status, 1 when this service could not be measured."""
    options = _parser().parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (3 if options.quick else 5)
    try:
        wrk.find_wrk()
    except wrk.WrkAbsent as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    processes.adopt_orphans()
    questions = prepare()
    outcomes = _outcomes(options)
    log = Outcome(LOGGED, Path(sys.prefix)) if options.here else _install(LOGGED)
    floors, shares = _run_rounds(
        outcomes, log.environment, questions, options.rounds, options.seconds
    )
    RAW.write_text(json.dumps({one.contender.name: [*map(asdict, one.rounds)] for one in outcomes}))
    entries = _entries(outcomes)
    floor = lowest(floors) if floors else None
    share = middle(shares) if shares else None
    if options.quick or options.here or options.only or outcomes[0].reason:
        print(f"\n{tables(entries, floor, share)}")
    else:
        conditions = Conditions(
            describe(), datetime.now(UTC).date().isoformat(), wrk.version(),
            options.rounds, options.seconds,
        )  # fmt: skip
        PAGE.write_text(page(entries, floor, share, conditions))
        draw(entries, PAGE.with_suffix(".svg"))
        print(f"wrote {PAGE.relative_to(environments.ROOT)} and its plot")
    return 1 if outcomes[0].reason else 0


def _outcomes(options: argparse.Namespace) -> list[Outcome]:
    if options.here:
        return [Outcome(OURS, Path(sys.prefix))]
    chosen: tuple[Contender, ...] = QUICK if options.quick else CONTENDERS
    if options.only:
        chosen = tuple(one for one in CONTENDERS if one.name in {OURS.name, *options.only})
    return [_install(one) for one in chosen]


def _install(one: Contender) -> Outcome:
    outcome = Outcome(one)
    try:
        outcome.environment = environments.make(one.environment, one.requirements)
        prepare_contender(one, outcome.environment)
    except (NotInstalled, NotStarted) as error:
        outcome.reason = str(error)
        print(f"{one.name}: {error}", file=sys.stderr)
    else:
        outcome.size = environments.size_mb(outcome.environment)
        outcome.versions = environments.versions(outcome.environment)
    return outcome


def _run_rounds(
    outcomes: list[Outcome], logged: Path | None, questions: Questions, rounds: int, seconds: int
) -> tuple[list[Floor], list[LogShare]]:
    floors, shares = [], []
    for number in range(rounds):
        turn = number % len(outcomes)
        for outcome in [*outcomes[turn:], *outcomes[:turn]]:
            if not outcome.reason:
                print(f"round {number + 1} of {rounds}: {outcome.contender.title}", flush=True)
                _run_round(outcome, questions, seconds)
        ours = outcomes[0]
        if ours.environment and not ours.reason:
            try:
                theirs = _with_onnxruntime(outcomes) or ours.environment
                floors.append(
                    measure_floor(CONSTANT, ours.environment, theirs, questions, seconds=seconds)
                )
            except FAILURES as error:
                reason = getattr(error, "stderr", "") or error
                print(f"the floor could not be measured: {reason}", file=sys.stderr)
        if logged:
            try:
                shares.append(measure_log(UNLOGGED, LOGGED, logged, questions, seconds=seconds))
            except FAILURES as error:
                print(f"the prediction log could not be measured: {error}", file=sys.stderr)
    return floors, shares


def _with_onnxruntime(outcomes: Sequence[Outcome]) -> Path | None:
    """Give an environment that has onnxruntime, which this service's own needs no longer."""
    return next((one.environment for one in outcomes if "onnxruntime" in one.versions), None)


def _run_round(outcome: Outcome, questions: Questions, seconds: int) -> None:
    assert outcome.environment
    ways = outcome.contender.many
    if outcome.rounds:
        best = best_way(outcome.rounds[0])
        ways = tuple(way for way in ways if way.title == best)
    try:
        found = measure(
            outcome.contender, outcome.environment, questions, seconds=seconds, ways=ways
        )
    except FAILURES as error:
        outcome.reason = f"{type(error).__name__}: {error}"
        print(f"{outcome.contender.name}: {outcome.reason}", file=sys.stderr)
    else:
        outcome.rounds.append(found)


def _entries(outcomes: Sequence[Outcome]) -> list[Entry]:
    ours, *_ = outcomes
    entries = []
    for one in outcomes:
        is_in = bool(one.rounds) and not one.reason
        is_beside = is_in and one is not ours and not ours.reason
        entries.append(
            Entry(
                title=one.contender.title,
                figures=summarise(one.rounds) if is_in else None,
                ratios=compare(ours.rounds, one.rounds) if is_beside else None,
                reason=one.reason,
                size=one.size,
                versions=main_versions(one.contender.requirements, one.versions),
            )
        )
    return entries


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare this service with others.")
    parser.add_argument("--quick", action="store_true", help="two servers and the floor; print")
    parser.add_argument("--rounds", type=_positive, help="rounds over all (5; quick: 3)")
    parser.add_argument("--seconds", type=_positive, help="length of each load (5; quick: 3)")
    parser.add_argument(
        "--here", action="store_true", help="this service alone, in this environment; print"
    )
    names = [one.name for one in CONTENDERS if one is not OURS]
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME",
        help=f"these beside this service; print: {', '.join(names)}",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    sys.exit(main())
