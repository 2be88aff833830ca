"""An upgrade that stops, is killed or is not wanted can go on or be undone."""

import os
import re
import signal
import subprocess
import time

import pytest

from tests.support.inputs import first_daily
from tests.upgrade.releases import (
    CLASH,
    RESOLVED,
    Repository,
    assert_refused,
    break_second,
    to_second,
)


def test_conflict_when_found_is_marked_and_nothing_is_committed(
    project: Repository, template: Repository
) -> None:
    project.write(CLASH)
    project.commit("Change the port")
    head = project.git("rev-parse", "HEAD")

    done = to_second(project, template)

    assert_refused(done, "  settings.py\n", "make upgrade continue=1", "make upgrade undo=1")
    assert "models" not in done.stderr
    assert re.search(r"^<<<<<<< HEAD\n.*9000.*\n=======\n.*8080", project.read("settings.py"), re.M)
    assert head == project.git("rev-parse", "HEAD")
    assert not (project.folder / ".venv/ran").exists()


def test_conflict_when_resolved_is_checked_and_committed(
    project: Repository, template: Repository
) -> None:
    project.write(CLASH)
    project.commit("Change the port")
    to_second(project, template)

    assert_refused(project.upgrade("continue=1"), "  settings.py\n")
    project.git("add", "settings.py")  # with its marks
    assert_refused(project.upgrade("continue=1"), "  settings.py\n")
    project.write({"settings.py": RESOLVED})
    done = project.upgrade("continue=1")

    assert done.returncode == 0, done.stderr
    assert RESOLVED == project.git("show", "HEAD:settings.py")
    assert project.is_clean()
    assert "test_model.py --all" in project.read(".venv/ran")


@pytest.mark.slow
def test_conflict_when_resolved_and_committed_by_hand_can_go_on_and_be_undone(
    project: Repository, template: Repository
) -> None:
    project.write(CLASH)
    project.commit("Change the port")
    before = project.files()
    to_second(project, template)
    project.write({"settings.py": RESOLVED})
    project.commit("Resolve it")

    done = project.upgrade("continue=1")
    undone = project.upgrade("undo=1")

    assert done.returncode == undone.returncode == 0, done.stderr + undone.stderr
    assert before == project.files()


@pytest.mark.slow
def test_conflict_when_undone_leaves_every_byte_as_it_was(
    project: Repository, template: Repository
) -> None:
    project.write(CLASH)
    project.commit("Change the port")
    before = project.files(), project.git("rev-parse", "HEAD")
    to_second(project, template)
    project.write({"models/credit.py": "FIELDS = ['written meanwhile']\n"})

    done = project.upgrade("undo=1")

    assert done.returncode == 0, done.stderr
    assert before == (project.files(), project.git("rev-parse", "HEAD"))
    assert project.is_clean()
    kept = project.git("show", "refs/worktree/upgrade/undone:models/credit.py")
    assert "written meanwhile" in kept


@pytest.mark.parametrize(
    "comes_later", first_daily(False, True), ids=["at once", "after more commits"]
)
def test_upgrade_when_undone_leaves_every_byte_as_it_was(
    comes_later: bool,  # noqa: FBT001
    project: Repository,
    template: Repository,
) -> None:
    before = project.files()
    assert to_second(project, template).returncode == 0
    if comes_later:
        project.write({"notes.txt": "later\n"})
        project.commit("Write more")

    done = project.upgrade("undo=1")

    assert done.returncode == 0, done.stderr
    project.write({"notes.txt": "ours\n"})
    assert before == project.files()
    assert to_second(project, template, "checks=no").returncode == 0 or comes_later


@pytest.mark.slow
def test_undo_when_later_commits_changed_the_same_lines_changes_nothing(
    project: Repository, template: Repository
) -> None:
    to_second(project, template)
    project.write({"settings.py": RESOLVED})
    project.commit("Change the port")
    before = project.files()

    done = project.upgrade("undo=1")

    assert_refused(done, "git revert")
    assert before == project.files()
    assert project.is_clean()


@pytest.mark.slow
def test_undo_when_something_is_not_committed_changes_nothing(
    project: Repository, template: Repository
) -> None:
    to_second(project, template)
    project.write({"notes.txt": "precious\n"})

    assert_refused(project.upgrade("undo=1"), "not committed")
    assert "precious\n" == project.read("notes.txt")


@pytest.mark.slow
def test_undo_when_another_branch_is_checked_out_changes_nothing(
    project: Repository, template: Repository
) -> None:
    to_second(project, template)
    project.git("checkout", "-q", "-b", "other", "HEAD^")
    before = project.files()

    assert_refused(project.upgrade("undo=1"), "is not on this branch")
    assert before == project.files()


@pytest.mark.parametrize("request_", ["undo=1", "continue=1"])
def test_request_when_no_upgrade_is_under_way_is_refused(
    request_: str, project: Repository
) -> None:
    assert_refused(project.upgrade(request_), "no upgrade")


@pytest.mark.slow
@pytest.mark.parametrize("request_", ["undo=1", "continue=1"])
def test_request_when_another_commit_is_checked_out_is_refused(
    request_: str, project: Repository, template: Repository
) -> None:
    project.write(CLASH)
    project.commit("Change the port")
    to_second(project, template)
    project.git("reset", "-q", "--hard", "HEAD^")

    assert_refused(project.upgrade(request_), "no longer checked out", "git update-ref -d")


@pytest.mark.slow
@pytest.mark.parametrize("request_", ["undo=1", "continue=1"])
def test_upgrade_when_killed_can_go_on_or_be_undone(
    request_: str, project: Repository, template: Repository
) -> None:
    break_second(
        template,
        {
            "test_model.py": "import time\nopen('.venv/here', 'w')\n"
            "time.sleep(0 if __import__('os').path.exists('.venv/go') else 60)\n"
        },
    )
    before = project.files()
    command = ["make", "upgrade", f"from={template.folder}", "version=0.2.0"]
    running = subprocess.Popen(
        command, cwd=project.folder, env=project.environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (project.folder / ".venv/here").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    project.write({".venv/go": ""})

    assert_refused(to_second(project, template), "under way already")
    done = project.upgrade(request_)

    assert done.returncode == 0, done.stderr
    assert (before == project.files()) == (request_ == "undo=1")
    assert project.is_clean()


@pytest.mark.slow
def test_upgrade_when_killed_while_files_are_written_is_undone_whole(
    project: Repository, template: Repository
) -> None:
    project.write(CLASH)
    project.commit("Change the port")
    before = project.files()
    to_second(project, template)
    half = {"engine/predict.py": "def ans", "engine/api/new.py": "NE", "settings.py": None}
    project.git("read-tree", "HEAD")  # the index is written last
    project.write(half)

    done = project.upgrade("undo=1")

    assert done.returncode == 0, done.stderr
    assert before == project.files()
    assert project.is_clean()
