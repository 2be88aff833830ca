"""Who trained a version, and with what code, as its card says."""

import hashlib
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from engine.training.provenance import Origin, traced, trainer


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model file in a repository, all of it committed."""
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "models/rent.py").write_text("FIELDS = 3\n")
    (project / ".gitignore").write_text("scratch*\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"]):
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)
    return project


def load(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a file, as a model file is imported."""
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, f"of_the_test.{path.stem}", module)


def revision(project: Path) -> str:
    return traced("rent", Origin("", "1234abcd"), root=project).code["revision"]


def test_code_that_is_committed_is_named_by_its_commit(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(project / "models/rent.py", monkeypatch)
    (project / "notes.txt").write_text("nothing that runs")

    assert re.fullmatch("[0-9a-f]{40}", revision(project))


def test_code_that_differs_from_the_commit_has_a_plus_sign(project: Path) -> None:
    (project / "models/rent.py").write_text("FIELDS = 4\n")

    assert re.fullmatch(r"[0-9a-f]{40}\+", revision(project))


@pytest.mark.parametrize("path", ["models/new.py", "models/scratch.py", "helper.py"])
def test_code_that_runs_and_is_not_in_the_commit_has_a_plus_sign(
    project: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (project / path).write_text("FIELDS = 3\n")
    before = revision(project)

    load(project / path, monkeypatch)

    assert f"{before}+" == revision(project)


def test_model_file_is_named_by_its_digest_as_it_was_before_the_training(project: Path) -> None:
    origin = traced("rent", Origin(), root=project)
    (project / "models/rent.py").write_text("FIELDS = 4\n")

    assert hashlib.sha256(b"FIELDS = 3\n").hexdigest() == origin.code["model_sha256"]
    assert origin == traced("rent", origin, root=project)
    assert "model_sha256" not in traced("nothing", Origin(), root=project).code


def test_code_without_git_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setenv("LOGNAME", "grace")

    assert ["1234abcd", ""] == [
        traced("rent", Origin(revision=text), root=tmp_path).code["revision"]
        for text in ("1234abcd", "")
    ]
    assert ["grace", "the weekly job"] == [
        trainer(Origin(by), root=tmp_path) for by in ("", "the weekly job")
    ]


def test_trainer_is_who_git_says(project: Path) -> None:
    assert "Ada" == trainer(Origin(), root=project)
