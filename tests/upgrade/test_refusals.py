"""What `make upgrade` refuses: it changes nothing, and a sentence says what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.inputs import first_daily
from tests.upgrade.releases import Repository, assert_refused, to_second


@pytest.mark.parametrize(
    "change",
    first_daily(
        ("engine/predict.py", "def answer():\n    return 7\n"),
        ("engine/ours.py", "OURS = True\n"),
        ("persistence/store.py", None),
    ),
    ids=["changed", "added", "deleted"],
)
def test_engine_when_it_was_changed_is_refused_and_the_remedy_works(
    change: tuple[str, str | None], project: Repository, template: Repository
) -> None:
    path, text = change
    project.write({path: text})
    project.commit("Change the machine")
    before = project.files()

    done = to_second(project, template)

    assert_refused(done, f"  {path}\n", "git apply --3way")
    assert before == project.files()
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("  git ")]
    for line in lines[:3]:
        named = line.replace("git ", "git -c user.name=A -c user.email=a@b ", 1)
        assert project.run("sh", "-c", named).returncode == 0, line
    assert to_second(project, template).returncode == 0
    if path == "engine/ours.py":
        assert project.run("sh", "-c", lines[3]).returncode == 0
        assert text == project.read(path)


def test_engine_when_a_file_in_it_is_not_committed_is_refused(
    project: Repository, template: Repository
) -> None:
    project.write({"engine/ours.py": "OURS = True\n"})

    assert_refused(to_second(project, template), "?? engine/ours.py")


@pytest.mark.parametrize("is_staged", [False, True], ids=["changed", "staged"])
def test_project_when_something_is_not_committed_is_refused(
    is_staged: bool,  # noqa: FBT001
    project: Repository,
    template: Repository,
) -> None:
    project.write({"models/credit.py": "precious\n"})
    if is_staged:
        project.git("add", "-A")
    before = project.files()

    assert_refused(to_second(project, template), "models/credit.py", "git stash")
    assert before == project.files()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["tests/test_new.py", "secret.txt"], ids=["untracked", "ignored"])
def test_file_when_it_stands_where_the_release_has_one_is_not_overwritten(
    path: str, project: Repository, template: Repository
) -> None:
    if path == "secret.txt":
        template.git("checkout", "-q", "v0.2.0")
        template.write({path: "of the release\n"})
        template.git("add", "-f", path)
        template.git("commit", "-q", "-m", "Ship it")
        template.git("tag", "-f", "v0.2.0")
    project.write({path: "precious\n"})

    assert_refused(to_second(project, template), f"  {path}\n")
    assert "precious\n" == project.read(path)


@pytest.mark.parametrize(
    "source",
    first_daily(
        'ext::sh -c "touch pwned"',
        "",
        "--upload-pack=touch pwned",
        "-u touch pwned",
        "fd::3",
        "https::http://127.0.0.1:9/x",
        "http://127.0.0.1:9/x",
        "git://127.0.0.1:9/x",
        "ftp://127.0.0.1:9/x",
    ),
)
def test_source_when_it_is_hostile_is_refused(source: str, project: Repository) -> None:
    before = project.files()

    done = project.upgrade(f"from={source}", "version=0.2.0")

    is_option = source[:1] in ("", "-")
    phrase = "is not an address" if is_option else "runs a program or is not encrypted"
    assert_refused(done, phrase)
    assert before == project.files()


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", ["'; touch pwned; '", '"; touch pwned; "', "`touch pwned`", "$$(touch pwned)", "x'y"]
)
def test_argument_when_it_holds_shell_words_runs_nothing(
    source: str, project: Repository, template: Repository
) -> None:
    before = project.files()

    for name in ("from", "version", "contract"):
        given = [] if name == "from" else [f"from={template.folder}"]
        assert_refused(project.upgrade(*given, f"{name}={source}"))

    assert before == project.files()


def test_remote_when_it_is_configured_to_run_a_program_is_refused(project: Repository) -> None:
    project.git("remote", "add", "upstream", "ext::sh -c touch% pwned")
    project.git("config", "protocol.ext.allow", "always")

    assert_refused(project.upgrade("from=upstream"), "not allowed")
    assert not (project.folder / "pwned").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nothing", "plain", "empty"])
def test_source_when_it_has_no_releases_is_a_sentence(
    kind: str, project: Repository, tmp_path: Path
) -> None:
    if kind == "plain":
        (tmp_path / kind).mkdir()
    if kind == "empty":
        Repository(tmp_path / kind)

    done = project.upgrade(f"from={tmp_path / kind}")

    assert_refused(done, str(tmp_path / kind), "give")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "phrase"),
    [
        ("9.9.9", "choose one of 0.1.0, 0.2.0, 0.3.0"),
        ("--force", "choose one of"),
        ("vague", "choose one of"),
        ("0.1.0", "0.1.0 already"),
    ],
)
def test_version_when_it_is_unknown_is_a_sentence(
    version: str, phrase: str, project: Repository, template: Repository
) -> None:
    done = project.upgrade(f"from={template.folder}", f"version={version}")

    assert phrase in done.stderr + done.stdout
    assert (done.returncode == 0) == (version == "0.1.0")


@pytest.mark.slow
def test_version_when_it_is_older_is_refused(project: Repository, template: Repository) -> None:
    to_second(project, template)

    done = project.upgrade(f"from={template.folder}", "version=0.1.0")

    assert_refused(done, "older than 0.2.0")


@pytest.mark.slow
def test_release_when_the_source_lacks_the_projects_own_is_refused(
    project: Repository, template: Repository
) -> None:
    template.git("tag", "-d", "v0.1.0")

    assert_refused(to_second(project, template), "release 0.1.0", "has no tag v0.1.0")


@pytest.mark.slow
def test_release_when_its_tag_names_another_is_refused(
    project: Repository, template: Repository
) -> None:
    template.git("tag", "-f", "v0.2.0", "v0.3.0")

    assert_refused(to_second(project, template), "the tag v0.2.0", "holds release 0.3.0")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "release 0.1\n", "release 0.1.0; rm\ncontract 1\n"])
def test_version_file_when_it_cannot_be_read_is_a_sentence(
    text: str, project: Repository, template: Repository
) -> None:
    project.write({"engine/VERSION": text})
    project.commit("Break it")

    assert_refused(to_second(project, template), "engine/VERSION of HEAD")


@pytest.mark.slow
def test_folder_when_it_is_no_repository_of_its_own_is_a_sentence(
    project: Repository, template: Repository
) -> None:
    shutil.rmtree(project.folder / ".git")
    assert_refused(to_second(project, template), "not a git repository", "git init")

    project.git("init", "-q")
    assert_refused(to_second(project, template), "nothing is committed")

    shutil.rmtree(project.folder / ".git")
    subprocess.run(["git", "init", "-q", project.folder.parent], check=True)
    assert_refused(to_second(project, template), "is part of the repository")


@pytest.mark.slow
def test_project_when_a_merge_is_under_way_is_refused(
    project: Repository, template: Repository
) -> None:
    project.git("update-ref", "MERGE_HEAD", "HEAD")

    assert_refused(to_second(project, template), "finish it first")
