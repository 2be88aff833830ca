"""`make deploy_model`: what Heroku is pushed, and what is said without a place."""

import os
import subprocess
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.plain_versions import plain_store
from tests.support.project import ROOT, copy_project


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def deploy(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    who = {f"GIT_{role}_{what}": "ada@example.org" for role in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")}  # fmt: skip
    return subprocess.run(["bin/deploy_model", *words], cwd=project, capture_output=True,
                          text=True, env={**os.environ, **who}, timeout=300)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, toy_store: ModelStore) -> Path:
    """A committed project with a store of its own, whose newer version has a name."""
    project = copy_project(tmp_path / "project")
    (project / ".venv").symlink_to(ROOT / ".venv")
    git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Begin")
    store = plain_store(project / "artifacts", toy_store, (1, 2))
    store.give_name("rent", store.versions("rent")[1], "v2")
    return project


@pytest.mark.slow
def test_version_when_deployed_to_heroku_is_pushed_on_top_of_what_is_committed(
    project: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "heroku.git")
    git(project, "remote", "add", "heroku", str(tmp_path / "heroku.git"))
    (project / "app.py").write_text((ROOT / "app.py").read_text() + "# not committed\n")
    before = git(project, "rev-parse", "HEAD"), git(project, "status", "--porcelain")

    done = [deploy(project, "rent", "v2", "heroku") for _ in range(2)]

    assert [0, 0] == [one.returncode for one in done], done[1].stderr
    assert before == (git(project, "rev-parse", "HEAD"), git(project, "status", "--porcelain"))
    git(tmp_path, "clone", "--quiet", "--branch", "main", "heroku.git", "dyno")
    pushed = ModelStore(tmp_path / "dyno/artifacts")
    named = ModelStore(project / "artifacts").versions("rent")[1]
    assert (named, [named]) == (pushed.promoted("rent"), pushed.versions("rent"))
    assert (ROOT / "app.py").read_text() == (tmp_path / "dyno/app.py").read_text()
    assert before[0] == git(tmp_path / "dyno", "rev-parse", "HEAD^")


def test_place_when_absent_or_wrong_is_asked_for_and_nothing_is_deployed(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to(ROOT / "bin")

    nowhere = deploy(tmp_path, "rent", "v2", "")
    no_remote = deploy(tmp_path, "rent", "v2", "heroku")

    assert (2, "") == (nowhere.returncode, nowhere.stdout)
    for page in ("deploy-to-heroku", "keep-versions-in-a-bucket", "run-in-production"):
        assert f"docs/how-to/{page}.md" in nowhere.stderr
        assert (ROOT / f"docs/how-to/{page}.md").exists()
    assert (1, "") == (no_remote.returncode, no_remote.stdout)
    assert "heroku create" in no_remote.stderr
    for place in ("Heroku", "s3:/bucket/models", "models"):
        typed = deploy(tmp_path, "rent", "v2", place)
        assert (2, True) == (typed.returncode, f"'{place}' is no place: give " in typed.stderr)
