"""AWS: Terraform's own checks, everything made and removed on moto's server, and the archive.

The provider comes from where Terraform finds it, or from TF_CLI_ARGS_init=-plugin-dir=FOLDER.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from time import monotonic
from typing import Any

import boto3

from tests.deploy.events import rest_gateway
from tests.deploy.lambda_emulator import function
from tests.deploy.rehearsals import Absent, Proof
from tests.support.project import copy_project
from tests.support.s3 import s3_server, variables
from tests.whole.test_boosters import RECORDS, trained

#: Each bucket in the path, as moto's address is a number.
_PROVIDER = 'provider "aws" {\n  s3_use_path_style           = true\n}\n'


def rehearse() -> list[Proof]:
    """Check the files, make and remove all of it, and run the archive."""
    if shutil.which("terraform") is None:
        raise Absent("terraform is not here: https://developer.hashicorp.com/terraform/install")
    with tempfile.TemporaryDirectory() as name:
        project = copy_project(Path(name) / "project")
        archive = _archive(project)
        return [archive, *_checks(project), *_deployments(project)]


def _archive(project: Path) -> Proof:
    """Build the archive with a version of XGBoost, unpack it, and ask it."""
    begun = monotonic()
    store = trained(project)
    file = project / "deploy/aws/service.zip"
    built = _run(project, "deploy/aws/build_zip.sh", PYTHON=sys.executable,
                 MODEL_STORE=str(store.root))  # fmt: skip
    size = float(built.rpartition(": ")[2].split()[0])
    folder = project.parent / "unpacked"
    with zipfile.ZipFile(file) as content:
        content.extractall(folder)
    assert not [*folder.glob("xgboost*")], "the package is not needed"
    settings = {"MODEL_STORE": "artifacts", "DEFAULT_MODEL": "single"}
    command = (sys.executable, "-E", "-S", "lambda_handler.py")  # nothing but what is inside
    with function(settings, command=command, folder=folder) as running:
        first = monotonic()
        answers = [_predict(running, record) for record in RECORDS[:1]]
        seconds = running.cold_start + monotonic() - first
        answers += [_predict(running, record) for record in RECORDS[1:]]
    proof = (f"archive with a version of XGBoost: {file.stat().st_size / 1e6:.0f} MB, "
             f"first answer in {seconds:.1f} s")  # fmt: skip
    return Proof("AWS Lambda", proof, monotonic() - begun, size_mb=size,
                 requests=len(answers), lost=sum(answer is None for answer in answers))  # fmt: skip


def _predict(running: Any, record: dict[str, Any]) -> Any:
    event = rest_gateway("POST", "/v0/predict", json.dumps(record).encode(),
                         **{"content-type": "application/json"})  # fmt: skip
    answer = running.invoke(event)
    return json.loads(answer["body"])["prediction"] if answer["statusCode"] == 200 else None


def _checks(project: Path) -> list[Proof]:
    """Let Terraform check the files and plan each way to run, with a provider that asks nobody."""
    begun = monotonic()
    folder = project / "deploy/aws"
    _run(project, sys.executable, "-m", "zipfile", "-c", "deploy/aws/lake.zip",
         *map(str, (folder / "lambda").glob("*.py")))  # fmt: skip
    try:
        _run(folder, "terraform", "init", "-backend=false", "-input=false")
    except subprocess.CalledProcessError as error:
        raise Absent(
            "Terraform does not get the provider aws: set TF_CLI_ARGS_init=-plugin-dir=FOLDER"
        ) from error
    _run(folder, "terraform", "validate")
    said = _run(folder, "terraform", "test", "-no-color")
    passed = re.search(r"(\d+) passed, 0 failed", said)
    assert passed, said
    proof = f"validate, and {passed[1]} plans with a mock provider"
    return [Proof("AWS", proof, monotonic() - begun)]


def _deployments(project: Path) -> list[Proof]:
    """Make everything for each way to run, by `make deploy_infra`, and remove it again."""
    folder = project / "deploy/aws"
    (folder / "provider_override.tf").write_text(_PROVIDER)
    proofs = []
    with s3_server() as port:
        given = {**variables(port), "AWS_EC2_METADATA_DISABLED": "true"}
        for run_on in ("container", "function"):
            begun = monotonic()
            _write_variables(folder / "dev.tfvars", given, run_on)
            made = _deploy(project, given)
            removed = _deploy(project, given, "-destroy")
            assert made == removed > 50, (made, removed)
            proof = f"{run_on} and lake: {made} resources made and removed on moto's server"
            proofs.append(Proof("AWS", proof, monotonic() - begun))
    return proofs


def _write_variables(file: Path, given: dict[str, str], run_on: str) -> None:
    """Write the variables of a deployment; the network is the one that moto has."""
    secret, address = given["AWS_SECRET_ACCESS_KEY"], given["AWS_ENDPOINT_URL"]
    client = boto3.client("ec2", endpoint_url=address, region_name=given["AWS_REGION"],
                          aws_access_key_id="test", aws_secret_access_key=secret)  # fmt: skip
    subnets = client.describe_subnets()["Subnets"][:2]
    network = {"vpc": subnets[0]["VpcId"], "subnets": [subnet["SubnetId"] for subnet in subnets]}
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/pronto-dev:1"
    chosen = {
        "email": "you@example.com", "run_on": run_on, "network": network,
        "image": image if run_on == "container" else "",
        "secrets": {"DATABASE_URL": "arn:aws:secretsmanager:us-east-1:123456789012:secret:log"},
        "lake_source": "https://api.example.com/beers/random",
        "budget_usd": 0,  # moto does not know who is told of a budget
    }  # fmt: skip
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in chosen.items()))


def _deploy(project: Path, given: dict[str, str], *words: str) -> int:
    """Return how many resources were made or removed."""
    arguments = " ".join(["-auto-approve", "-no-color", *words])
    said = _run(project, "make", "-s", "deploy_infra", f"args={arguments}", **given)
    return sum(map(int, re.findall(r"(\d+) (?:added|changed|destroyed)", said)))


def _run(folder: Path, *command: str, **given: str) -> str:
    """Return what a command prints; show it and raise CalledProcessError if it fails."""
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", **given}
    settings = environment.get("TF_CLI_CONFIG_FILE", "")
    if settings and not Path(settings).exists():
        del environment["TF_CLI_CONFIG_FILE"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    done.check_returncode()
    return done.stdout
