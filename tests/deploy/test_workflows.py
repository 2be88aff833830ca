"""The workflows are valid, pinned and safe, and run what a developer can run."""

import os
import re
from collections.abc import Iterator
from typing import Any

import check_jsonschema
import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

import noxfile
from tests.support.project import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))

#: What a runner needs before it can run a command of ours, and what deploys.
PROGRAMS = {"apt-get", "curl", "docker", "echo", "git", "sudo"}


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in read(name)["jobs"].values():
        yield from job["steps"]


def run_lines(name: str) -> list[str]:
    return [line for step in steps(name) for line in step.get("run", "").splitlines()]


def test_workflows_when_checked_by_their_schema_are_valid() -> None:
    workflows = ["vendor.github-workflows", *map(str, FOLDER.glob("*.yml"))]
    updates = ["vendor.dependabot", str(ROOT / ".github/dependabot.yml")]

    for one in (workflows, updates):
        done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", *one])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", FILES)
def test_action_when_used_is_named_by_its_commit(name: str) -> None:
    used = re.findall(r"uses: (.*)", (FOLDER / name).read_text())

    assert used
    for action in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v[\d.]+", action), action


@pytest.mark.parametrize("name", FILES)
def test_workflow_when_it_runs_may_only_read(name: str) -> None:
    workflow = read(name)
    # YAML reads the word on as true.
    assert "pull_request_target" not in workflow[True]
    assert {"contents": "read"} == workflow["permissions"]
    jobs = {job: of["permissions"] for job, of in workflow["jobs"].items() if "permissions" in of}
    assert jobs in ({}, {"publish": {"contents": "read", "packages": "write"}})
    checkouts = [step["with"] for step in steps(name) if "checkout@" in step.get("uses", "")]
    assert {False} == {one["persist-credentials"] for one in checkouts}


@pytest.mark.parametrize("name", FILES)
def test_command_when_it_runs_has_no_word_of_a_stranger(name: str) -> None:
    """A name of a branch or a title may hold a command, so none is written into one."""
    assert run_lines(name)
    assert [] == [line for line in run_lines(name) if "${{" in line]


@pytest.mark.parametrize("name", FILES)
def test_secret_when_used_is_given_to_its_command_alone(name: str) -> None:
    """No action sees it, and nothing that installs packages or builds."""
    text = (FOLDER / name).read_text()
    given = [str(step["env"]) for step in steps(name) if "run" in step and "env" in step]

    places = re.compile(r"secrets\.|github\.token")
    assert len(places.findall(text)) == len(places.findall(" ".join(given)))


@pytest.mark.parametrize("name", FILES)
def test_command_when_it_runs_is_one_that_a_developer_has(name: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "makefile").read_text(), re.MULTILINE))

    for line in run_lines(name):
        program, *words = line.split()
        if program == "make":
            assert words[0] in targets, line
        elif program == ".venv/bin/nox":
            assert words[0] == "-s", line
            assert all(callable(getattr(noxfile, word, None)) for word in words[1:]), line
        elif "/" in program:
            assert os.access(ROOT / program, os.X_OK), line
        else:
            assert program in PROGRAMS, line


@pytest.mark.parametrize("name", ["publish", "deploy"])
def test_deployment_when_made_follows_every_check(name: str) -> None:
    jobs = read("checks.yml")["jobs"]

    assert {"publish", "deploy"} == jobs.keys() - set(jobs[name]["needs"])
    assert jobs[name]["if"].startswith("github.event_name == 'push' && ")


def test_deployment_when_of_main_goes_to_production() -> None:
    environment = read("checks.yml")["jobs"]["deploy"]["environment"]

    assert "${{ github.ref_name == 'main' && 'production' || 'development' }}" == environment


def test_pythons_when_tested_are_those_of_nox_and_setup() -> None:
    oldest = (ROOT / ".python-version").read_text().strip()
    tested = read("checks.yml")["jobs"]["pythons"]["strategy"]["matrix"]["python"]
    chosen = re.findall(r"python(3\.\d+)\b", (ROOT / "bin/setup").read_text().split("for name")[1])

    assert noxfile.PYTHONS == [oldest, *tested]
    assert noxfile.PYTHONS == chosen
