"""The check of model files, as a person runs it: in a copy of the project, over their own files."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import test_model
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT, copy_project
from tests.support.serving import environment
from tests.support.toys import loan


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with two sound models and three that are not."""
    project = copy_project(tmp_path_factory.mktemp("copy") / "project")
    for name in ("loan", "rent"):
        shutil.copy(ROOT / f"tests/support/toys/{name}.py", project / "models")
    (project / "models/torn.py").write_text("def load_data(path:\n")
    (project / "models/lost.py").write_text('"""Lost."""\n\nimport no_such_package\n')
    (project / "models/odd.py").write_text('"""Odd."""\n\nTHRESHOLD = 1 / 0\n')
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
        "models/torn.py, line 1: SyntaxError: '(' was never closed (torn.py, line 1)",
    ] == wrong
    assert "3 of 5 models need a change, see WRONG above" == done.stdout.splitlines()[-1]


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

    is_sound, text = test_model.check_stored("rent")
    with (tmp_path / "rent" / version / "model.onnx").open("ab") as file:
        file.write(b"x")
    is_damaged_sound, damage = test_model.check_stored("rent")

    assert is_sound
    assert text.startswith(f"version {version} answers its example: ")
    assert not is_damaged_sound
    assert "differs from the digest" in damage
