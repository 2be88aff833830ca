"""What an upgrade checks before it commits, in stand-ins and in this project itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.upgrade.releases import ROOT, WRONG, Repository, assert_refused, break_second, to_second


def test_stored_version_when_it_answers_differently_stops_the_upgrade(
    project: Repository, template: Repository
) -> None:
    break_second(template, WRONG)
    before = project.files(), project.git("rev-parse", "HEAD")

    done = to_second(project, template)

    assert_refused(done, "test_model.py --all failed", "continue=1", "undo=1")
    assert before[1] == project.git("rev-parse", "HEAD")
    assert_refused(to_second(project, template), "under way already", "undo=1")
    assert project.upgrade("undo=1").returncode == 0
    assert before == (project.files(), project.git("rev-parse", "HEAD"))


@pytest.mark.slow
def test_check_when_it_failed_can_be_passed_or_left_out(
    project: Repository, template: Repository
) -> None:
    break_second(template, {"app.py": "import nothing_of_the_kind\n"})

    assert_refused(to_second(project, template), "--check-config app:app failed")
    assert_refused(project.upgrade("continue=1"), "--check-config app:app failed")
    project.write({"app.py": "import settings  # mended\n", "models/churn.py": "NEW = 1\n"})
    done = project.upgrade("continue=1")

    assert done.returncode == 0, done.stderr
    assert project.is_clean()
    assert "NEW = 1\n" == project.git("show", "HEAD:models/churn.py")


@pytest.mark.slow
def test_check_when_left_out_lets_the_upgrade_through(
    project: Repository, template: Repository
) -> None:
    break_second(template, WRONG)

    assert to_second(project, template, "checks=no").returncode == 0
    assert project.is_clean()


def copy_project(folder: Path) -> None:
    """Copy this project as it is, without what it makes."""
    left_out = (".git", ".venv", ".setup", ".bench", "artifacts", "__pycache__", ".*_cache",
                ".hypothesis", ".model-cache", "predictions", ".env")  # fmt: skip
    shutil.copytree(
        ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*left_out), dirs_exist_ok=True
    )
    setup = folder / "bin/setup"  # the packages are here already
    setup.write_text(f'#!/bin/sh\n[ "$1" != python ] || echo "Python 3: {sys.executable}"\n')


@pytest.mark.slow
def test_version_when_stored_by_the_release_before_answers_after_the_upgrade(
    credit_store: ModelStore, tmp_path: Path
) -> None:
    """The real project, with a real stored version, a model of the user's and a new setting."""
    template = Repository(tmp_path / "template")
    copy_project(template.folder)
    template.commit("This release")
    here = (ROOT / "engine/VERSION").read_text()
    template.git("tag", f"v{here.split()[1]}")
    template.write({"engine/VERSION": re.sub(r"\d+\.\d+\.\d+", "99.0.0", here)})
    template.write({"engine/added.py": "", "models/credit.py": "raise SystemExit\n"})
    template.write({"gunicorn.conf.py": template.read("gunicorn.conf.py") + "\n# newer\n"})
    template.commit("The next")
    template.git("tag", "v99.0.0")
    project = Repository(tmp_path / "project")
    template.git("checkout", "-q", "HEAD^")
    shutil.copytree(template.folder, project.folder, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns(".git"))  # fmt: skip
    project.write({"models/credit.py": project.read("models/credit.py") + "\n# ours\n"})
    project.commit("Start")
    project.write({".git/info/exclude": "/.venv\n"})
    (project.folder / ".venv").symlink_to(sys.prefix)
    shutil.copytree(credit_store.root, project.folder / "artifacts")
    before = project.files()
    (version,) = credit_store.versions("credit")

    done = project.upgrade(f"from={template.folder}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"credit {version}: answers as recorded" in done.stdout
    after = project.files()
    kept = [path for path in before if path.startswith(("artifacts/", "models/"))]
    assert {path: before[path] for path in kept} == {path: after[path] for path in kept}
    assert project.read("gunicorn.conf.py").endswith("# newer\n")
    assert project.upgrade("undo=1").returncode == 0
    assert before == project.files()


@pytest.mark.slow
def test_stored_versions_when_one_is_damaged_are_not_all_good(
    credit_store: ModelStore, tmp_path: Path
) -> None:
    store = tmp_path / "artifacts"
    shutil.copytree(credit_store.root, store)
    command = [sys.executable, "test_model.py", "--all"]
    given = {**os.environ, "MODEL_STORE": str(store)}

    good = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    card = next(store.glob("credit/*/card.json"))
    card.write_text(card.read_text().replace('"value"', '"valeu"', 1))
    bad = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)

    assert (0, 1) == (good.returncode, bad.returncode)
    assert "Traceback" not in bad.stderr
    assert "answers as recorded" not in bad.stdout


def test_release_of_this_project_is_named_and_its_contract_explained() -> None:
    found = re.fullmatch(r"release (\d+\.\d+\.\d+)\ncontract (\d+)\n",
                         (ROOT / "engine/VERSION").read_text())  # fmt: skip
    assert found
    headers = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    page = (ROOT / "docs/how-to/upgrade.md").read_text()
    sections = re.findall(r"^### Contract (\d+)$", page, re.MULTILINE)

    assert found[1] == next(one for one in headers if one != "Unreleased")
    assert [str(number) for number in range(1, int(found[2]) + 1)] == sections
