"""The check of model files, as a person runs it: in a copy of the project, over their own files."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import test_model
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT, copy_project
from tests.support.runtimes import RUN_FILE
from tests.support.serving import environment
from tests.support.toys import loan


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with two sound models and five that are not."""
    project = copy_project(tmp_path_factory.mktemp("copy") / "project")
    for name in ("loan", "rent"):
        shutil.copy(ROOT / f"tests/support/toys/{name}.py", project / "models")
    (project / "models/torn.py").write_text("def load_data(path:\n")
    (project / "models/lost.py").write_text('"""Lost."""\n\nimport no_such_package\n')
    (project / "models/odd.py").write_text('"""Odd."""\n\nTHRESHOLD = 1 / 0\n')
    (project / "models/typo.py").write_text("from engine.schem import Number\n")
    loan_file = (project / "models/loan.py").read_text()
    vague = loan_file.replace("maximum=100", "maximum=8").replace("example=30", "example=3")
    vague = vague.replace('score="roc_auc"', 'score="auc"')
    (project / "models/vague.py").write_text(vague)
    loan.write_table(project / "data/mine.csv")
    return project


def check(project: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "test_model.py", *names], cwd=project, capture_output=True, text=True,
        env=environment(model_store=project / "artifacts"), check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_models_when_all_are_checked_say_what_is_wrong_in_a_line_each(project: Path) -> None:
    done = check(project)

    assert (1, "") == (done.returncode, done.stderr)
    remedy = "add it to Pipfile, run make lock, then make deps"
    wrong = [line[9:] for line in done.stdout.splitlines() if line.startswith("  WRONG  ")]
    assert [
        f"models/lost.py, line 3: no_such_package is not installed: {remedy}",
        "models/odd.py, line 3: ZeroDivisionError: division by zero",
        "models/torn.py, line 1: SyntaxError: '(' was never closed",
        "models/typo.py, line 1: there is no module engine.schem: correct its name in the import",
        "models/vague.py: field 'age': the example is 3: give a whole number from 18 to 8 (years)",
        "models/vague.py: field 'age': minimum 18 is above maximum 8: exchange them",
        "models/vague.py: score is 'auc': give one of roc_auc, log_loss, brier, accuracy",
    ] == wrong
    assert 2 == done.stdout.count("no version is stored yet")
    assert "5 of 7 models need a change, see WRONG above" == done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_model_when_it_is_sound_passes(project: Path) -> None:
    done = check(project, "loan")

    assert (0, "") == (done.returncode, done.stderr)
    lines = done.stdout.splitlines()
    assert ["loan:", "  ok     models/loan.py predicts approved from 4 fields"] == lines[:2]
    assert "  ok     no version is stored yet: make model name=loan" == lines[-1]
    assert 9 == len(lines)
    assert all(line.startswith("  ok     ") for line in lines[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", "../rent"])
def test_model_when_there_is_no_such_file_names_those_there_are(project: Path, name: str) -> None:
    done = check(project, name)

    assert (1, "") == (done.returncode, done.stderr)
    assert f"  WRONG  there is no model {name!r}: models/ has loan, lost, odd, rent" in done.stdout


def test_stored_version_when_it_answers_says_so_and_when_damaged_what_differs(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(toy_store.root / "rent", tmp_path / "rent")
    version = toy_store.promoted("rent")
    monkeypatch.setenv("MODEL_STORE", str(tmp_path))

    stored = test_model.check_stored("rent")
    with (tmp_path / "rent" / version / RUN_FILE).open("ab") as file:
        file.write(b"x")
    damaged = test_model.check_stored("rent")

    assert stored and stored[0]
    assert stored[1].startswith(f"version {version} answers its example: ")
    assert damaged and not damaged[0]
    assert "differs from the digest" in damaged[1]


def test_name_of_no_model_says_nothing_of_a_version(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_STORE", str(tmp_path))

    assert not test_model.check("nothing")

    first, second = capsys.readouterr().out.splitlines()
    assert "nothing:" == first
    assert second.startswith("  WRONG  there is no model 'nothing': models/ has ")
