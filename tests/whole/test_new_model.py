"""A model that `make new` writes beside a running service is live in it at once."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.project import copy_project
from tests.support.serving import environment, running

#: Pauses between two looks of a person who waits; they are to end within 2 s.
PAUSE, MOST_LOOKS = 0.1, 20


@pytest.mark.slow
def test_new_model_when_a_service_runs_is_live_without_a_restart(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store, project = tmp_path / "store", copy_project(tmp_path / "project")
    shutil.copytree(toy_store.root, store)
    draw = random.Random(0)  # noqa: S311
    rows = [(draw.randint(1, 90), draw.choice(["red", "blue"])) for _ in range(150)]
    lines = [f"{age},{colour},{'yes' if age > 40 else 'no'}" for age, colour in rows]
    (tmp_path / "club.csv").write_text("\n".join(["age,colour,member", *lines]))

    with running(tmp_path, model_store=store, default_model="parcel", until="/readyz") as server:
        assert 404 == server.ask("/models/club")[0]  # which nobody may remember
        command = [sys.executable, "build_model.py", "club", "--from", str(tmp_path / "club.csv")]
        done = subprocess.run(
            [*command, "--target", "member"], cwd=project, env=environment(model_store=store),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        began, looks = time.monotonic(), 0
        record = {"age": 50, "colour": "red"}
        while not (
            server.ask("/v0/models/club/predict", record)[0] == 200
            and "/v0/models/club/predict" in server.ask("/openapi.json")[1]["paths"]
            and server.ask("/models/club")[0] == 200
        ):
            looks += 1
            assert looks < MOST_LOOKS
            time.sleep(PAUSE)
        print(f"live after {time.monotonic() - began:.2f} s")

        # Every worker has it, whichever answers.
        answers = [server.ask("/v0/models/club/predict", record) for _ in range(12)]
        assert {(200, True)} == {(status, body["prediction"]["value"]) for status, body in answers}
