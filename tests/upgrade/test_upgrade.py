"""`make upgrade`: a newer engine comes in, and what a user wrote stays."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.inputs import first_daily
from tests.upgrade.releases import (
    BIN,
    CARD,
    CLASH,
    FIRST,
    ROOT,
    SECOND,
    SETTINGS,
    Repository,
    assert_refused,
    break_second,
    to_second,
)


@pytest.mark.parametrize("kind", first_daily("folder", "relative", "address", "bundle", "remote"))
def test_release_when_it_comes_from(kind: str, project: Repository, template: Repository) -> None:
    template.git("bundle", "create", "-q", "../all.bundle", "--all")
    project.git("remote", "add", "upstream", str(template.folder))
    source = {
        "folder": str(template.folder),
        "relative": "../template",
        "address": template.folder.as_uri(),
        "bundle": str(template.folder.parent / "all.bundle"),
        "remote": "upstream",
    }[kind]

    done = project.upgrade(f"from={source}", "version=v0.2.0")

    assert done.returncode == 0, done.stderr
    assert "Upgrade to 0.2.0\n" == project.git("log", "-1", "--format=%s")
    assert project.is_clean()
    assert [] == project.git("tag").split()


def test_upgrade_when_done_replaces_two_folders_and_merges_the_rest(
    project: Repository, template: Repository
) -> None:
    before = project.files()

    done = to_second(project, template)

    assert done.returncode == 0, done.stderr
    after = project.files()
    expected = {path: content.encode() for path, content in FIRST.items()}
    expected |= {path: content.encode() for path, content in SECOND.items() if content is not None}
    expected = {path: text for path, text in expected.items() if SECOND.get(path, "") is not None}
    replaced = {path: text for path, text in expected.items() if path.startswith(("eng", "pers"))}
    assert replaced == {
        path: content for path, (_, content) in after.items() if path.startswith(("eng", "pers"))
    }
    merged = SETTINGS.replace("8000", "8080").replace("green", "blue")
    assert merged == project.read("settings.py")
    for path in ("tests/test_new.py", "Pipfile.lock", "requirements.txt", "CHANGELOG.md"):
        assert SECOND[path] == project.read(path)
    assert "tests/test_it.py" not in after
    for path in before:
        if path.startswith(("models/", "data/", "artifacts/")) or path in (
            "README.md",
            "notes.txt",
        ):
            assert before[path] == after[path], path
    assert "models/sample.py" not in after
    assert not [path for path in after if path.startswith("deploy/")]
    assert "stays deleted: deploy/alerts.yml" in done.stdout
    assert "make test" in done.stdout


def test_upgrade_when_done_has_run_the_checks(project: Repository, template: Repository) -> None:
    done = to_second(project, template)

    assert f"{CARD} 42" in done.stdout
    assert [
        "setup ",
        "-m pip check",
        "-m gunicorn --check-config app:app",
        "test_model.py --all",
    ] == (project.read(".venv/ran").splitlines())


def test_upgrade_when_the_newest_is_here_changes_nothing(
    project: Repository, template: Repository
) -> None:
    first = project.upgrade(f"from={template.folder}", "contract=3")
    before = project.git("rev-parse", "HEAD")

    again = project.upgrade(f"from={template.folder}")

    assert first.returncode == again.returncode == 0
    assert "0.3.0 already" in again.stdout
    assert before == project.git("rev-parse", "HEAD")


@pytest.mark.slow
def test_upgrade_when_only_looked_at_changes_nothing(
    project: Repository, template: Repository
) -> None:
    before = project.files(), project.git("rev-parse", "HEAD")

    done = to_second(project, template, "look=1")

    assert done.returncode == 0
    assert "engine/api/new.py" in done.stdout
    assert "models/credit.py" not in done.stdout
    assert before == (project.files(), project.git("rev-parse", "HEAD"))
    assert not (project.folder / ".venv/ran").exists()


@pytest.mark.slow
def test_upgrade_when_the_clone_has_the_history_of_the_template(
    template: Repository, tmp_path: Path
) -> None:
    clone = Repository(tmp_path / "clone")
    clone.git("pull", "-q", str(template.folder), "v0.1.0")
    clone.write(CLASH)
    clone.commit("Change the port")

    done = to_second(clone, template, "checks=no")

    assert_refused(done, "settings.py")
    assert clone.read("engine/VERSION") == SECOND["engine/VERSION"]


@pytest.mark.slow
def test_release_when_it_is_higher_in_number_is_newer(
    project: Repository, template: Repository
) -> None:
    template.git("checkout", "-q", "v0.2.0")
    template.write({"engine/VERSION": "release 0.10.0\ncontract 1\n"})
    template.commit("Tenth")
    template.git("tag", "v0.10.0")

    done = project.upgrade(f"from={template.folder}")

    assert done.returncode == 0, done.stderr
    assert "release 0.10.0\ncontract 1\n" == project.read("engine/VERSION")


@pytest.mark.slow
def test_hooks_when_they_would_fail_do_not_run(project: Repository, template: Repository) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction"):
        hook = project.folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\ntouch ran-a-hook\nexit 1\n")
        hook.chmod(0o755)

    assert to_second(project, template).returncode == 0
    assert not (project.folder / "ran-a-hook").exists()


@pytest.mark.slow
def test_author_when_the_user_has_a_name_is_the_user(
    project: Repository, template: Repository
) -> None:
    project.git("config", "user.name", "Ada")
    project.git("config", "user.email", "ada@example.org")

    to_second(project, template)

    assert "Ada ada@example.org\n" == project.git("log", "-1", "--format=%an %ce")


@pytest.mark.slow
def test_file_when_the_user_changed_what_the_release_deletes_stays(
    project: Repository, template: Repository
) -> None:
    project.write({"tests/test_it.py": "def test_ours():\n    pass\n"})
    project.commit("Change the test")

    done = to_second(project, template)

    assert done.returncode == 0, done.stderr
    assert "stays, though 0.2.0 deletes it: tests/test_it.py" in done.stdout
    assert "test_ours" in project.read("tests/test_it.py")


@pytest.mark.slow
def test_file_when_the_release_moves_what_the_user_wrote_like_it_is_left_alone(
    project: Repository, template: Repository
) -> None:
    """A model that looks like a deleted file is not taken for that file under another name."""
    project.git("mv", "tests/test_it.py", "models/moved.py")
    project.commit("Move it")
    break_second(template, {"tests/test_it.py": "def test_it():\n    pass  # of the release\n"})

    assert to_second(project, template).returncode == 0
    assert FIRST["tests/test_it.py"] == project.read("models/moved.py")


@pytest.mark.parametrize("agreed", first_daily("", "contract=2"))
def test_contract_when_raised_is_refused_with_what_has_to_change(
    agreed: str, project: Repository, template: Repository
) -> None:
    before = project.files()

    done = project.upgrade(f"from={template.folder}", agreed)

    assert_refused(done, "contract 3", "Rename FIELDS.", "Name a target.", "contract=3")
    assert "The first." not in done.stderr
    assert "End." not in done.stderr
    assert before == project.files()


@pytest.mark.slow
def test_contract_when_agreed_to_is_merged(project: Repository, template: Repository) -> None:
    done = project.upgrade(f"from={template.folder}", "contract=3")

    assert done.returncode == 0, done.stderr
    assert "release 0.3.0\ncontract 3\n" == project.read("engine/VERSION")


def test_parts_of_the_upgrade_need_no_package() -> None:
    own = {name.removesuffix(".py") for name in BIN}
    text = "".join((ROOT / "bin" / name).read_text() for name in BIN)

    imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))

    assert imported - own <= sys.stdlib_module_names


@pytest.mark.slow
def test_changelog_when_it_is_the_users_own_stays(
    project: Repository, template: Repository
) -> None:
    project.write({"CHANGELOG.md": "## Ours\n"})
    project.commit("Begin a changelog of our own")

    assert to_second(project, template).returncode == 0
    assert "## Ours\n" == project.read("CHANGELOG.md")


@pytest.mark.slow
def test_file_when_the_user_deleted_it_stays_deleted(
    project: Repository, template: Repository
) -> None:
    break_second(template, {"docs/how-to/upgrade.md": "# Upgrade, rewritten\n"})
    project.write({"docs/how-to/upgrade.md": None, "docs/ours.md": "# Ours\n"})
    project.commit("Write pages of our own")

    done = to_second(project, template)

    assert done.returncode == 0, done.stderr
    assert "stays deleted: docs/how-to/upgrade.md" in done.stdout
    assert not (project.folder / "docs/how-to/upgrade.md").exists()


@pytest.mark.slow
def test_folder_when_the_release_renames_it_keeps_the_users_files(
    project: Repository, template: Repository
) -> None:
    page = FIRST["docs/how-to/upgrade.md"]
    break_second(template, {"docs/how-to/upgrade.md": None, "docs/guides/upgrade.md": page})
    project.write({"docs/how-to/ours.md": "# Ours\n"})
    project.commit("Write a page")

    done = to_second(project, template)

    assert done.returncode == 0, done.stderr
    assert "# Ours\n" == project.read("docs/how-to/ours.md")
    assert page == project.read("docs/guides/upgrade.md")
