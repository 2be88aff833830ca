"""Compose with Airflow: a DAG trains a version in its container, and the service takes it."""

import os
import re
import signal
from contextlib import suppress
from functools import partial
from time import monotonic

from tests.deploy.rehearsals import RECORD, Proof
from tests.deploy.rehearsals.compose import Stack, runs_anew
from tests.deploy.rehearsals.compose_load import Client, ask
from tests.deploy.rehearsals.podman import image_name, podman, size_mb
from tests.support.serving import free_port, wait_until

_RUN = "deploy/airflow/run"


def rehearse() -> list[Proof]:
    """Train by a DAG under load, promote what it trained, and kill Airflow."""
    image = image_name("airflow")
    stack = Stack(image_name(), AIRFLOW_IMAGE=image, AIRFLOW_PORT=str(free_port()))
    pieces = ("nginx", "web-1", "web-2", "database", "redis", "airflow")
    begin = monotonic()
    try:
        stack.compose("--profile", "airflow", "up", "-d", *pieces)
        stack.wait_ready()
        with Client(stack.port, [stack.key], repeats=False).asking() as client:
            _train(stack, client)
            _kill(stack)
        assert not client.lost, client.lost[:3]
        return [
            Proof("compose", "Airflow trains a version, which then answers; Airflow killed",
                  monotonic() - begin, size_mb(image), requests=client.count, lost=0)
        ]  # fmt: skip
    finally:
        with suppress(RuntimeError):
            stack.compose("--profile", "airflow", "down", "-v", "-t", "3")


def _train(stack: Stack, client: Client) -> None:
    """Run the DAG that trains credit; its version is promoted, and the service takes it."""
    name = stack.container("airflow")
    before = podman("exec", name, "ls", "artifacts/credit").split()
    podman("exec", name, _RUN, "dags", "test", "training_credit")
    after = podman("exec", name, "ls", "artifacts/credit").split()
    (version,) = {file for file in after if re.fullmatch(r"\d+T\d+Z-\w+", file)} - {*before}
    path = f"/v0/models/credit/versions/{version}/predict"
    client.right.append(
        ask(stack.port, RECORD, path, **{"x-api-key": stack.key})[1]["prediction"]["probability"]
    )
    podman("exec", name, "flask", "models", "promote", "credit", version)
    for service in ("web-1", "web-2"):
        wait_until(partial(stack.serves, service, version), f"{service} has {version}")


def _kill(stack: Stack) -> None:
    """Kill Airflow; it comes back by itself, with the run that it has done."""
    port = int(stack.environment["AIRFLOW_PORT"])
    name = stack.container("airflow")
    wait_until(partial(_answers, port), "Airflow's pages", seconds=300)
    process = podman("inspect", "--format={{.State.Pid}}", name)
    os.kill(int(process), signal.SIGKILL)
    wait_until(partial(runs_anew, name, process), "Airflow runs again")
    wait_until(partial(_answers, port), "Airflow's pages again", seconds=300)
    runs = podman("exec", name, _RUN, "dags", "list-runs", "training_credit")
    assert "success" in runs, runs


def _answers(port: int) -> bool:
    with suppress(OSError, ValueError):
        return ask(port, path="/api/v2/version")[0] == 200
    return False
