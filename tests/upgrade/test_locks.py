"""The lock of a user and that of a release become one."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.upgrade.releases import (
    FIRST,
    ROOT,
    Repository,
    assert_refused,
    break_second,
    lock,
    to_second,
)


def merge(base: str, ours: str, theirs: str) -> tuple[str, list[str]]:
    """Call the function of bin/, which is not a package."""
    found: tuple[str, list[str]] = runpy.run_path(str(ROOT / "bin/merge_lock.py"))["merge_lock"](
        base, ours, theirs
    )
    return found


def lock_both(project: Repository, default: dict[str, str]) -> None:
    """Let the user have a lock of their own, and a pipenv that only says what it did."""
    project.write(
        {
            "Pipfile.lock": lock(meta="c", default=default),
            "Pipfile": FIRST["Pipfile"] + 'polars = "*"\n',
            "requirements.txt": "".join(f"{name}=={pin}\n" for name, pin in default.items()),
        }
    )
    project.commit("Add a package")
    python = ".setup/pipenv/bin/python"
    project.write({python: '#!/bin/sh\necho "pipenv $*" >>.venv/ran\n'})
    (project.folder / python).chmod(0o755)


def test_lock_when_both_changed_it_is_merged_by_packages(
    project: Repository, template: Repository
) -> None:
    lock_both(project, {"numpy": "1.0", "flask": "3.1", "polars": "5.0"})

    done = to_second(project, template)

    assert done.returncode == 0, done.stderr
    found = json.loads(project.read("Pipfile.lock"))["default"]
    assert {"numpy": "==2.0", "flask": "==3.1", "polars": "==5.0"} == {
        name: entry["version"] for name, entry in found.items()
    }
    ran = project.read(".venv/ran").splitlines()
    assert ["setup pipenv", "pipenv bin/lock.py --export"] == ran[:2]
    assert "here and" not in done.stdout


@pytest.mark.slow
def test_lock_when_both_changed_one_package_names_it_and_takes_the_releases(
    project: Repository, template: Repository
) -> None:
    lock_both(project, {"numpy": "1.5", "flask": "3.0"})

    done = to_second(project, template)

    assert done.returncode == 0, done.stderr
    assert "Pipfile.lock: numpy is 1.5 here and 2.0 in the release" in done.stdout
    assert '"==2.0"' in project.read("Pipfile.lock")


@pytest.mark.slow
def test_lock_when_only_the_user_changed_it_stays(
    project: Repository, template: Repository
) -> None:
    break_second(template, {"Pipfile.lock": lock(), "requirements.txt": FIRST["requirements.txt"]})
    lock_both(project, {"numpy": "1.5", "flask": "3.0"})
    before = {name: project.read(name) for name in ("Pipfile", "Pipfile.lock", "requirements.txt")}

    assert to_second(project, template).returncode == 0
    assert before == {name: project.read(name) for name in before}
    assert "pipenv" not in project.read(".venv/ran")


def test_lock_when_it_cannot_be_read_is_a_sentence(
    project: Repository, template: Repository
) -> None:
    project.write({"Pipfile.lock": "{<<<<"})
    project.commit("Break it")

    assert_refused(to_second(project, template), "Pipfile.lock cannot be read", "make lock")


def test_locks_when_merged_take_what_one_side_did() -> None:
    base = lock(default={"a": "1", "b": "1", "c": "1", "d": "1", "e": "1"})
    ours = lock(default={"a": "2", "b": "1", "d": "1", "e": "2", "f": "1"})
    theirs = lock(meta="t", default={"a": "1", "b": "2", "c": "1", "e": "2", "g": "1"})

    text, conflicts = merge(base, ours, theirs)

    assert [] == conflicts
    assert lock(meta="t", default={"a": "2", "b": "2", "e": "2", "f": "1", "g": "1"}) == text


def test_locks_when_both_removed_or_changed_a_package_name_it() -> None:
    base = lock(default={"a": "1", "b": "1"})
    ours = lock(default={"b": "2"})
    theirs = lock(default={"a": "2"})

    text, conflicts = merge(base, ours, theirs)

    assert lock(default={"a": "2"}) == text
    assert ["a is removed here and 2 in the release", "b is 2 here and removed in the release"] == (
        conflicts
    )


def test_lock_when_merged_is_exported_with_its_own_versions(tmp_path: Path) -> None:
    """The stand-in for pipenv prints what it would be asked for."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "bin/lock.py", tmp_path / "bin")
    (tmp_path / "Pipfile.lock").write_text(lock(meta="old"))
    (tmp_path / "pipenv").mkdir()
    (tmp_path / "pipenv/__init__.py").touch()
    (tmp_path / "pipenv/__main__.py").write_text("import sys\nprint(*sys.argv[1:])\n")
    (tmp_path / "pipenv/project.py").write_text(
        "class Project:\n    class pipfile:\n        calculate_hash = staticmethod(lambda: 'new')\n"
    )
    command = [sys.executable, "bin/lock.py", "--export"]
    given = {**os.environ, "PYTHONPATH": str(tmp_path)}

    subprocess.run(command, cwd=tmp_path, env=given, check=True)

    assert lock(meta="new") == (tmp_path / "Pipfile.lock").read_text()
    assert "requirements --hash" in (tmp_path / "requirements.txt").read_text()
    assert "--dev-only" in (tmp_path / "requirements-dev.txt").read_text()
