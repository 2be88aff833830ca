"""`make remove`: what goes, what stays, and how git brings it back."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT

SHARED = 'sample = "data/shared.csv"\nnames = "data/shared.csv.txt"\n'
FILES = {
    "models/churn.py": SHARED
    + 'note = "made by data/make_churn.py, from data/churn.csv."\nmore = "data/añada.csv"\n',
    "models/wine.py": SHARED,
    "tests/models/test_churn.py": "",
    "tests/models/test_wine.py": "",
    "data/churn.csv": "a,b\n",
    "data/churn.csv.bak": "",
    "data/make_churn.py": "",
    "data/shared.csv": "a,b\n",
    "data/añada.csv": "a,b\n",
    "data/churn": "",
    "artifacts/churn/promoted": "",
    ".gitignore": "artifacts/\n__pycache__/\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("bin/remove.py", "settings.py", "models/__init__.py", "persistence", "engine"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=lambda *_: ["static"])
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    author = ["-c", "user.name=Tester", "-c", "user.email=tester@example"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "All"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "data/own.csv").write_text("")
    return tmp_path


def remove(project: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "bin/remove.py", *words], cwd=project, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def left(project: Path) -> set[str]:
    return {name for name in FILES if (project / name).is_file()}


def test_remove_when_nobody_can_be_asked_removes_nothing(project: Path) -> None:
    status, said = remove(project, "churn")

    assert (1, set(FILES)) == (status, left(project))
    assert "add yes=yes" in said


def test_remove_takes_what_only_this_model_uses_and_git_brings_it_back(project: Path) -> None:
    status, said = remove(project, "churn", "--yes")

    gone = {"models/churn.py", "tests/models/test_churn.py", "data/churn.csv", "data/make_churn.py",
            "data/añada.csv"}  # fmt: skip
    assert (0, gone) == (status, set(FILES) - left(project))
    assert "make run now serves wine" in said
    (command,) = (
        line.partition("back: ")[2] for line in said.splitlines() if "git restore" in line
    )
    subprocess.run(command, cwd=project, shell=True, check=True)  # noqa: S602
    assert set(FILES) == left(project)


def test_remove_when_told_takes_versions_and_warns_of_what_git_does_not_know(project: Path) -> None:
    (project / "models/churn.py").write_text("edited = True\n")
    (project / "models/wine.py").unlink()
    (project / "tests/models/test_churn.py").write_text("edited = True\n")
    (project / "artifacts/churn").rename(project / "kept")
    (project / "artifacts/churn").symlink_to(project / "kept")

    status, said = remove(project, "churn", "--yes", "--versions")

    assert (0, "") == (status, said[: said.index("To be")])
    for file in ("models/churn.py", "tests/models/test_churn.py"):
        assert f"{file} as it is now is not committed" in said
    assert not (project / "artifacts/churn").is_symlink()
    assert (project / "kept/promoted").is_file()  # a link goes, not what it leads to
    assert "make new name=churn" in said


def test_remove_when_a_file_cannot_be_read_says_so(project: Path) -> None:
    (project / "models/lost.py").symlink_to("nowhere.py")

    status, said = remove(project, "churn", "--yes")

    assert (1, 1) == (status, len(said.splitlines()))
    assert said.startswith("remove: ") and "lost.py" in said


def test_remove_when_there_is_no_such_model_names_those_that_are(project: Path) -> None:
    assert (1, "remove: there is no model 'beer': models/ has churn, wine") == (
        remove(project, "beer")[0], remove(project, "beer")[1][:57]
    )  # fmt: skip
