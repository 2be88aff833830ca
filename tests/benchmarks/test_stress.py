"""The stress test and the growth measurement: what they make of what they saw."""

import json
import math
from pathlib import Path

import pytest

import models
from benchmarks.growth_answer import Bodies, measure
from benchmarks.growth_models import Shape
from benchmarks.growth_plot import draw
from benchmarks.growth_section import Line, Section
from benchmarks.load import Load, Question
from benchmarks.stress import Result, main, read_locust, write_table
from benchmarks.stress_page import table, write_figures
from engine.schema import Flag
from engine.schema.record_schema import Schema
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES

SIZES = (1, 10, 100, 1_000)


def test_locust_report_when_read_counts_what_was_not_asked_as_failed() -> None:
    outcomes = [[10.0, 1.0, "correct"], [12.0, 2.0, "correct"], [13.0, 0.5, "status 503"]]

    result = read_locust({"outcomes": outcomes, "cpu_seconds": 0.5}, requests=5)

    assert (5, 2) == (result.asked, result.correct)
    assert {"status 503": 1, "not asked in time": 2} == result.failed
    assert [1.0, 1.0, 2.0] == result.latencies
    assert (4.0, 0.75) == (result.seconds, result.rate)


def test_request_when_a_key_is_asked_for_has_it() -> None:
    question = Question(b"{}", {}, "/inference/delay", key="k1")

    written = Load(port=1, questions=[question], requests=1, seconds=1).write(question)

    assert written.startswith(b"POST /inference/delay HTTP/1.1\r\n")
    assert b"\r\nx-api-key: k1\r\n" in written
    assert written.endswith(b"\r\n\r\n{}")


def test_locust_report_when_empty_is_all_failed() -> None:
    result = read_locust({"outcomes": [], "cpu_seconds": 0.5}, requests=5)

    assert (0, {"not asked in time": 5}) == (result.correct, result.failed)
    assert math.isnan(result.rate)


def test_result_when_written_is_a_row_and_the_reasons() -> None:
    result = Result("open loop", 5000, 4998, {"status 503": 2}, [0.001, 0.02, 0.3], 1111, 4.5, 0.4)

    lines = write_table([result]).splitlines()

    assert (
        "| open loop | 5,000 | 4,998 | 2 | 1.0 | 20.0 | 300.0 | 1,111 | 4.5 | 0.0 | 0.4 |" in lines
    )
    assert "- open loop: 2 failed: status 503" == lines[-1]


def test_table_when_a_column_holds_figures_sets_them_to_the_right() -> None:
    assert ["| --- | --: |"] == table(["what", "size"], [["a", "1"]]).splitlines()[1:2]


def test_figures_when_written_replace_the_old_ones_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    mark = "<!-- figures: written by `make stress`, edit nothing here -->"
    page.write_text(f"# Title\n\n{mark}\n\nold\n\n<!-- end -->\n\nProse.\n")

    write_figures(page, "stress", "new")

    assert f"# Title\n\n{mark}\n\nnew\n\n<!-- end -->\n\nProse.\n" == page.read_text()
    with pytest.raises(ValueError, match=r"page\.md has no place"):
        write_figures(page, "growth", "new")


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_line_when_it_grows_tells_how_fast_at_the_end(exponent: float) -> None:
    line = Line("x", {size: 5 + size**exponent * 1e3 for size in SIZES}, must=1)

    assert exponent == pytest.approx(line.exponent(), abs=0.01)
    assert (exponent > 1) == line.is_too_fast()


def test_section_when_written_shows_what_was_refused_and_what_grows_too_fast(
    tmp_path: Path,
) -> None:
    costs = {1: 2e-6, 10: 20e-6, 100: 200e-6, 1_000: None}
    lines = [Line("good", dict.fromkeys(costs, 1e-4), 0), Line("bad", costs, 0)]
    section = Section("Rows", "rows", "request", lines, {"memory, MB": {1: "90"}})

    text = section.write()
    draw([section], tmp_path / "plot.png")

    assert "| rows | good, µs | bad, µs | memory, MB |" in text
    assert "| 1 | 100 | 2.00 | 90 |" in text
    assert "| 1,000 | 100 | refused |  |" in text
    assert "- good: exponent 0.00, must be 0\n" in text
    assert "- bad: exponent 1.00, must be 0; **faster than it must**" in text
    assert b"\x89PNG" == (tmp_path / "plot.png").read_bytes()[:4]


def test_shape_when_it_makes_records_makes_valid_ones() -> None:
    shape = Shape(numbers=3, words=4)
    schema = Schema(shape.fields(), Flag(name="is_large", example=True))

    columns = schema.columns(shape.records(50))

    assert {"x0", "x1", "x2", "word"} == set(columns)
    assert set(shape.vocabulary()) == set(columns["word"])


@pytest.mark.slow
def test_flights_when_sent_as_to_their_original_are_all_answered_as_the_pipeline_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "delay" not in models.names():
        pytest.skip("models/ has no delay")

    code = main(["--model=delay", f"--data={tmp_path / 'none'}", "--open-loop", "--users=5",
                 "--requests=50", "--seconds=1"])  # fmt: skip

    assert 0 == code
    assert "| open loop | 50 | 50 | 0 |" in capsys.readouterr().out


@pytest.mark.slow
def test_measure_when_an_answer_has_another_status_gives_no_figure(toy_store: ModelStore) -> None:
    good, bad = EXAMPLES["parcel"], EXAMPLES["parcel"] | {"weight": -1}
    kinds = [
        Bodies([json.dumps(good)]),
        Bodies([json.dumps(good), json.dumps(bad)]),
        Bodies([json.dumps(bad)], status=422),
    ]

    cost = measure(toy_store.root, ["parcel"], kinds)

    assert [True, False, True] == [bool(one) for one in cost.seconds]
    assert cost.memory_mb > 10
