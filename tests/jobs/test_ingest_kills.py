"""Ingestion is killed at any moment, again and again: nothing is lost, nothing is there twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import pytest

from tests.support.beer_api import BeerApi, beer_api, make_beers
from tests.support.lakes import ALES, Lakeside
from tests.support.project import ROOT
from tests.support.serving import environment

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("INGEST_KILLS", "8"))

#: Loads the code once, and runs the command in a process of its own for each line.
RUNNER = """
import json, os, select, signal, sys
from jobs.ingest import main
for line in sys.stdin:
    seconds, arguments = json.loads(line)
    if not (pid := os.fork()):
        os.dup2(2, 1)
        os._exit(main(arguments))
    if seconds is not None and not select.select([os.pidfd_open(pid)], [], [], seconds)[0]:
        os.kill(pid, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Runner:
    """Runs ingestion in processes that can be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, *arguments: str, kill_after: float | None = None) -> int:
        """Return the exit code; kill the process after so many seconds, if it still runs."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([kill_after, arguments]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def runner(side: Lakeside) -> Iterator[Runner]:
    """Start a runner for a lake."""
    command = [sys.executable, "-c", RUNNER]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(lake=side.lake), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield Runner(process)


def change(api: BeerApi, generator: random.Random) -> None:
    """Change some beers, spoil some, and add one."""
    for place in generator.sample(range(len(api.beers)), 12):
        abv = generator.choice([generator.random(), generator.random(), "strong"])
        api.beers[place] = {**api.beers[place], "abv": abv}
    api.beers.append({**api.beers[0], "id": len(api.beers) + 1})


def test_ingestion_when_killed_at_any_moment_loses_and_doubles_nothing(
    lakeside: Lakeside, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = random.Random(KILLS)  # noqa: S311
    with beer_api(make_beers(60), has_tags=False) as api, runner(lakeside) as killable:
        described = ALES.format(port=api.port).replace("per_page = 20", "per_page = 5")
        lakeside.sources.write_text(described)
        command = ("ales", "--sources", str(lakeside.sources))
        begun = time.monotonic()
        assert 0 == killable.run(*command)
        whole, killed = time.monotonic() - begun, 0
        while killed < KILLS:
            change(api, generator)
            begun = time.monotonic()
            code = killable.run(*command, kill_after=generator.uniform(0, whole))
            assert code in (0, -signal.SIGKILL)
            killed += code != 0
            whole = whole if code else time.monotonic() - begun

        assert 0 == killable.run(*command)  # goes on where the last one was cut
        assert 0 == killable.run(*command)  # and looks at all once more

    raw, cleaned, rejected = lakeside.raw(), lakeside.cleaned(), lakeside.rejected()
    newest = {beer["id"]: beer for beer in raw}
    lost = [beer for beer in api.beers if newest.get(beer["id"]) != beer]
    by_id = sorted(raw, key=lambda beer: beer["id"])  # stable: in the order in which they came
    doubled = sum(
        len(revisions) - len([*groupby(revisions)])
        for revisions in ([*same] for _, same in groupby(by_id, lambda beer: beer["id"]))
    )
    assert [] == lost
    assert 0 == doubled
    places = [(row["_object"], row["_line"]) for row in cleaned]
    places += [(line["object"], line["line"]) for line in rejected]
    assert len(raw) == len(places) == len({*places})
    assert sorted(map(str, [beer for beer in raw if beer["abv"] == "strong"])) == sorted(
        str(line["record"]) for line in rejected
    )
    with capsys.disabled():
        print(
            f"\n{killed} kills within {whole:.1f} s: {len(raw)} revisions of {len(newest)} records "
            f"({len(rejected)} rejected), 0 lost, 0 double"
        )
