"""The five models run through every step; the tables hold what came of it."""

from pathlib import Path
from typing import Any

import pytest

import models
from benchmarks import systems
from benchmarks.systems import SYSTEMS, Done, main, report, take

LIKE = {"prediction": [0.859, 0.141]}


def test_answer_when_like_the_originals_is_shown_without_what_is_added() -> None:
    answer = {"prediction": [0.812345, 0.187655], "model": {"name": "delay"}}

    assert {"prediction": [0.8123, 0.1877]} == take(answer, LIKE)


@pytest.mark.parametrize("answer", [{}, {"prediction": [1.0]}, {"prediction": [1, 0]}, [0.8, 0.2]])
def test_answer_when_unlike_the_originals_is_none(answer: Any) -> None:
    with pytest.raises((KeyError, ValueError)):
        take(answer, LIKE)


def test_report_tells_rows_reasons_scores_and_the_verdict() -> None:
    score = {"value": 31.234, "low": 27.0, "high": 36.5, "baseline": 37.94}
    card = {
        "score": "rmse", "scores": {"rmse": score},
        "data": {"rows": 300, "set_aside": {"rows": 25, "reasons": {"ph: out of range": 1}}},
    }  # fmt: skip
    beers = next(each for each in SYSTEMS if each.name == "beers")

    text = report([Done(beers, card, 200, "[68]", "9,000", "promoted: it is better", "success")])

    told = beers.original["rmse"]
    assert f"| beers | 325 | 25 | rmse | 31.2 | 27 to 36.5 | 37.9 | {told} |" in text
    assert "| beers | `/inference/beers` | 200 | `[68]` | 9,000 | promoted | success |" in text
    assert "- beers, rejected: 1 ph: out of range" in text


def test_model_that_is_none_of_the_five_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "milk,beer"])

    assert "--only is 'milk,beer': give credit,beers," in capsys.readouterr().err


def test_dag_that_fails_is_a_step_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("jobs", ".setup/airflow", "deploy/airflow"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "jobs/sources.toml").write_text('[milk]\nkind = "files"\n')
    run = tmp_path / "deploy/airflow/run"
    run.write_text("#!/bin/sh\nexit 1\n")
    run.chmod(0o755)
    monkeypatch.setattr(systems, "ROOT", tmp_path)

    with pytest.raises(systems.StepFailed, match="dags test training_milk ends with 1"):
        systems.dag_state("milk", {}, tmp_path)


@pytest.mark.slow
def test_model_when_run_through_all_steps_answers_as_its_original(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "milk" not in models.names():
        pytest.skip("models/ has no milk")

    code = main(["--samples", "--only", "milk", "--rows", "2000"])

    printed = capsys.readouterr()
    assert (0, "milk: done with milk_sample.csv\n") == (code, printed.err)
    assert "| milk | 240 | 0 | mae |" in printed.out
    assert "- milk, trained again: the champion stays: not to be promoted" in printed.out
