"""What `make deploy_infra` has Terraform do, and what it says is lacking."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT

#: In the place of Terraform: writes down the words that it is called with.
NOTES = '#!/bin/sh\necho "$@" >>"$NOTES"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that the command needs, and programs with a terraform among them."""
    for name in ("bin/deploy_infra", "makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "deploy/aws/lambda", tmp_path / "deploy/aws/lambda")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "make", "dirname", "grep"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    (programs / "terraform").write_text(NOTES)
    (programs / "terraform").chmod(0o755)
    return tmp_path


def run(project: Path, *words: str, **environment: str) -> tuple[int, str, list[str]]:
    """Return the exit code, what was said, and what Terraform was called with."""
    notes = project / "notes"
    done = subprocess.run(
        ["make", "-s", "deploy_infra", *words], cwd=project, capture_output=True, text=True,
        env={"PATH": str(project / "programs"), "NOTES": str(notes), **environment},
    )  # fmt: skip
    called = notes.read_text().splitlines() if notes.exists() else []
    return done.returncode, done.stderr, called


def test_stage_when_deployed_has_its_own_state_and_variables(project: Path) -> None:
    (project / "deploy/aws/prd.tfvars").write_text('email = "you@example.com"\n')

    code, said, called = run(project, "stage=prd", "args=-destroy -auto-approve", AWS_PROFILE="me")

    assert (0, "") == (code, said)
    assert [
        "init -input=false", "workspace select -or-create prd",
        "apply -var stage=prd -var-file=prd.tfvars -destroy -auto-approve",
    ] == called  # fmt: skip
    assert (project / "deploy/aws/lake.zip").stat().st_size > 1000
    assert 0o600 == (project / "notes").stat().st_mode & 0o777  # as the state, which has a key


def test_stage_when_none_is_given_is_dev(project: Path) -> None:
    code, _, called = run(project, AWS_PROFILE="me", TF_VAR_email="you@example.com")

    assert (0, "apply -var stage=dev") == (code, called[-1])


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("terraform", "terraform is not installed: get 1.5 or newer from "),
        ("AWS_PROFILE", "no credentials of AWS: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "),
        ("TF_VAR_email", 'nobody is told of alarms: write email = "you@example.com" into '),
        ("stage", "'test' is not a stage: give stage=dev or stage=prd"),
    ],
)
def test_deployment_when_something_is_lacking_names_it(
    lacking: str, said: str, project: Path
) -> None:
    given = {"AWS_PROFILE": "me", "TF_VAR_email": "you@example.com"}
    given.pop(lacking, None)
    if lacking == "terraform":
        (project / "programs/terraform").unlink()

    code, shown, called = run(project, *["stage=test"] * (lacking == "stage"), **given)

    assert 2 == code  # make's own, for any failure
    assert f"deploy_infra: {said}" in shown
    assert "Traceback" not in shown and [] == called
