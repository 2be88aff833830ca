"""The comparison with other servers: what it makes of what it saw, and one short run."""

import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import processes, wrk
from benchmarks.contender import Contender
from benchmarks.machine import main_versions
from benchmarks.measuring import Floor, LogShare, Round, Window
from benchmarks.page import Conditions, Entry, figure, page, scrub, table, tables
from benchmarks.plot import draw
from benchmarks.questions import is_right
from benchmarks.roster import CONTENDERS, OURS, QUICK
from benchmarks.summary import compare, lowest, summarise
from benchmarks.ways import OURS_MANY, Way, write_csv, write_lines
from tests.support.project import ROOT

REPORT = """\
Running 2s test @ http://127.0.0.1:40000/raw
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   478.62ms  328.86ms   1.14s    75.86%
    Req/Sec    27.00      9.00    40.00     70.00%
  Latency Distribution
     50%  461.00us
     75%    1.02ms
     90%    2.00ms
     99%    1.14s 
  1234 requests in 2.00s, 0.94MB read
Requests/sec:    616.83
Transfer/sec:    481.00KB
"""  # noqa: W291 - wrk pads seconds

RECORDS = [
    {"age": 30, "home": "rent", "records": False},
    {"age": 41, "home": "own, ", "records": True},
]

FLOOR = Floor(
    constant_cpu=20.0, one=80.0, one_cpu=79.0, session_one=50.0, many=60_000.0,
    session_many=70_000.0,
)  # fmt: skip


def one_round(rate: float, **chosen: Any) -> Round:
    window = Window(rate=rate, p50=1.0, p99=2_000 / rate, cpu=1e6 / rate, failures=0)
    found = Round(cold_start=1.0, memory=100.0, few=window, more=window, bulk={"CSV": rate * 10})
    return replace(found, **chosen)


def entries() -> list[Entry]:
    ours, theirs = [one_round(1_000)], [one_round(50)]
    versions = [f"package-{number} {number}.0" for number in range(30)]
    return [
        Entry("this service", summarise(ours), size=150.0, versions=versions),
        Entry("another", summarise(theirs), compare(ours, theirs), size=400.0),
        Entry("a third", reason="NotInstalled: pip: nothing at /srv/index for it"),
    ]


def test_report_when_parsed_gives_milliseconds() -> None:
    found = wrk.parse(REPORT)

    assert wrk.Report(requests=1234, rate=616.83, p50=0.461, p99=1140.0, failures=0) == found


def test_report_when_it_holds_failures_adds_them_up() -> None:
    more = (
        "  Socket errors: connect 0, read 3, write 0, timeout 4\n  Non-2xx or 3xx responses: 10\n"
    )

    found = wrk.parse(REPORT.replace("Requests/sec", f"{more}Requests/sec"))

    assert 17 == found.failures


@pytest.mark.parametrize("text", ["", "unable to connect", REPORT.replace("99%", "98%")])
def test_report_when_something_is_missing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wrk"):
        wrk.parse(text)


def test_script_when_written_posts_the_very_bytes(tmp_path: Path) -> None:
    wrk.write_script(tmp_path / "ask.lua", b'"]]\x00', {"Content-Type": "text/csv"})

    assert b'"]]\x00' == (tmp_path / "ask.body").read_bytes()
    assert 'wrk.headers["Content-Type"] = "text/csv"' in (tmp_path / "ask.lua").read_text()


def test_rounds_when_summed_up_give_medians_and_all_failures() -> None:
    window = replace(one_round(5).few, failures=2)
    rounds = [one_round(10), one_round(40, bulk_failures=3), one_round(20, few=window)]

    found = summarise(rounds)

    assert (10, 20, 200, 5) == (found.few.rate, found.more.rate, found.bulk, found.failures)


def test_ratios_when_the_machine_slows_down_are_those_within_the_rounds() -> None:
    ours, theirs = [one_round(100), one_round(40), one_round(10)], [one_round(50), one_round(20)]

    found = compare(ours, [*theirs, one_round(5)])

    assert (2, 2, 2, 2, 2) == (found.few, found.more, found.cpu, found.p99, found.bulk)


def test_bulk_when_there_are_several_ways_is_the_fastest_of_the_first_round() -> None:
    first = one_round(1, bulk={"CSV": 10.0, "JSON": 30.0})

    found = summarise([first, one_round(1, bulk={"JSON": 20.0})])

    assert ("JSON", 25.0) == (found.bulk_way, found.bulk)


def test_floor_when_measured_often_is_the_median() -> None:
    assert 80.0 == lowest([FLOOR, replace(FLOOR, one=90.0), replace(FLOOR, one=70.0)]).one


@pytest.mark.parametrize(
    ("value", "shown"), [(12_345.6, "12,346"), (99.95, "100.0"), (12.34, "12.3"), (0.456, "0.46")]
)
def test_figure_when_written_has_three_digits_or_all(value: float, shown: str) -> None:
    assert shown == figure(value)


def test_table_when_written_sets_numbers_to_the_right() -> None:
    assert "| a | b |\n| --- | ---: |\n| x | 1 |\n" == table(("a", "b"), [("x", "1")])


def test_page_when_written_keeps_to_the_rules_of_the_docs() -> None:
    conditions = Conditions("a machine, 2 cores", "2026-01-02", "4.1.0", rounds=5, seconds=5)

    text = page(entries(), FLOOR, LogShare(0.91, 0.87), conditions)

    assert [] == [line for line in text.splitlines() if len(line) > 120]
    assert not re.search(r"https?://|/srv", text)
    assert "{" not in text
    assert "| another | 20.0 | 20.0 | 20.0 | 20.0 | 20.0 |" in text
    assert "| with the prediction log, of those without | 0.91 | 0.87 |" in text


def test_contender_when_out_of_the_comparison_is_named_with_its_reason() -> None:
    text = tables(entries(), None, None)

    assert "- a third: NotInstalled: pip: nothing at ... for it" in text
    assert "The floor" not in text


def test_reason_when_it_holds_paths_and_lines_loses_them() -> None:
    assert "see ... and ..., a/b" == scrub("see https://example.org/x\nand /usr/lib/x.py, a/b")


def test_plot_when_drawn_names_everybody_measured(tmp_path: Path) -> None:
    draw(entries(), tmp_path / "plot.svg")

    text = (tmp_path / "plot.svg").read_text()
    assert ">this service<" in text
    assert ">another<" in text
    assert "a third" not in text


def test_versions_when_asked_by_name_are_those_installed() -> None:
    installed = {"Flask": "3.1.3", "ray": "2.60.0", "numpy": "2.4.6"}

    assert ["ray 2.60.0"] == main_versions(["ray[serve]==2.60.0"], installed)
    assert ["Flask 3.1.3", "numpy 2.4.6"] == main_versions(["-r requirements.txt"], installed)


@pytest.mark.parametrize(
    ("found", "is_so"), [([0.5, 0.7], True), ([0.5, 0.7001], False), ([0.5], False)]
)
def test_answer_when_compared_is_right_or_not(found: list[float], is_so: bool) -> None:  # noqa: FBT001
    assert is_so == is_right(found, [0.5, 0.7])


def test_records_when_written_as_lines_of_text_keep_their_values() -> None:
    assert RECORDS == [json.loads(line) for line in write_lines(RECORDS).splitlines()]
    assert b'age,home,records\n30,rent,false\n41,"own, ",true\n' == write_csv(RECORDS)


def test_contenders_have_names_of_their_own_and_pins() -> None:
    names = [one.name for one in CONTENDERS]

    assert len(names) == len(set(names))
    assert OURS == CONTENDERS[0] == QUICK[0]
    for one in CONTENDERS:
        assert all("==" in pin or pin.startswith("-r ") for pin in one.requirements)


@pytest.mark.parametrize("one", CONTENDERS, ids=lambda one: one.name)
def test_contender_when_it_names_code_of_ours_finds_it(one: Contender) -> None:
    words = " ".join((*one.command, *one.prepare))

    named = re.findall(r"benchmarks\.contenders\.(\w+)", words)

    assert all((ROOT / f"benchmarks/contenders/{name}.py").is_file() for name in named)
    assert one.many


@pytest.mark.parametrize("way", OURS_MANY, ids=lambda way: way.title)
def test_way_when_it_is_ours_writes_headers_and_a_body(way: Way) -> None:
    assert way.content_type == way.headers()["Content-Type"]
    assert way.write(RECORDS)


def test_processes_when_ended_are_gone_with_their_cpu_time_counted() -> None:
    program = "import sys; sum(range(3_000_000)); print('ready', flush=True); sys.stdin.read()"
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert isinstance(started.stdout, io.BufferedReader)
    started.stdout.readline()

    spent = processes.cpu_seconds([started.pid])
    memory = processes.memory_mb([started.pid])
    processes.end([started.pid])

    assert spent > 0
    assert memory > 1
    assert not Path(f"/proc/{started.pid}").exists()
    started.communicate()


@pytest.mark.slow
@pytest.mark.usefixtures("prepared")
def test_comparison_when_run_here_prints_what_this_service_does() -> None:
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    command = [sys.executable, "-m", "benchmarks.compare", "--here", "--rounds", "1"]

    done = subprocess.run(
        [*command, "--seconds", "1"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert re.search(r"^\| this service \| [\d,.]+ ", done.stdout, re.MULTILINE)
    assert "a bare session, arrays ready" in done.stdout
    assert re.search(r"^\| with the prediction log, of those without \| \d", done.stdout, re.M)
    assert "One answer for all requests costs" in re.sub(r"\s+", " ", done.stdout)
