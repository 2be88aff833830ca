"""Starting the service: what a person reads when it works, and when it cannot."""

import shlex
import shutil
import signal
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.inputs import first_daily
from tests.support.pages import table
from tests.support.project import ROOT
from tests.support.serving import APP, DEADLINE, GUNICORN, environment, running, wait_until


def run(*command: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True,
        timeout=DEADLINE, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_app_when_imported_loads_the_packages_of_its_budget_and_no_other() -> None:
    budget = set(table(ROOT / "docs/explanation/start-and-size.md", "Import"))

    done = run(sys.executable, "-c", "import app, sys; print(*sys.modules)")

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    installed = {name for name in metadata.packages_distributions() if not name.startswith("_")}
    # msgspec takes this one where it is there; it is not in a serving environment
    assert budget == loaded & installed - {"typing_extensions"}


@pytest.mark.parametrize("command", first_daily(GUNICORN, APP))
def test_start_when_settings_are_wrong_names_each_in_a_sentence(command: tuple[str, ...]) -> None:
    done = run(*command, port="many", threads="0", train_if_absent="perhaps")

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    for name, value in (("PORT", "many"), ("THREADS", "0"), ("TRAIN_IF_ABSENT", "perhaps")):
        assert f"{name} is '{value}': give " in done.stderr


def test_start_when_nothing_is_stored_says_how_to_train(tmp_path: Path) -> None:
    done = run(*APP, model_store=tmp_path / "nothing", default_model="rent")

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "python build_model.py rent" in done.stderr


@pytest.mark.slow
def test_start_when_there_is_no_such_model_says_so(tmp_path: Path) -> None:
    done = run(*GUNICORN, model_store=tmp_path, default_model="nothing", host="127.0.0.1")

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "there is no model 'nothing'" in done.stderr


@pytest.mark.slow
def test_start_when_the_promoted_version_is_gone_says_so(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    shutil.copytree(toy_store.root / "rent", tmp_path / "rent")
    shutil.rmtree(tmp_path / "rent" / toy_store.promoted("rent"))

    done = run(*APP, model_store=tmp_path, default_model="rent")

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "has no version" in done.stderr


@pytest.mark.slow
def test_start_when_its_argument_is_misspelt_does_not_serve() -> None:
    done = run(*APP, "sevre")

    assert (1, "") == (done.returncode, done.stdout)
    assert "app: unknown argument 'sevre': give `serve`, or none\n" == done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("port", first_daily(70_000, None))
def test_start_when_the_port_cannot_be_had_names_the_remedy(
    toy_store: ModelStore, port: int | None
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        busy = other.getsockname()[1]

        done = run(
            *APP, model_store=toy_store.root, default_model="rent", host="127.0.0.1",
            port=port or busy,
        )  # fmt: skip

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert f"cannot listen on 127.0.0.1:{port or busy}" in done.stderr
    assert "PORT=8001" in done.stderr


def test_start_when_all_is_well_prints_an_example_that_works(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, command=APP, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as server:
        said = server.log.read_text()
        example = said[said.index("curl ") :].replace("\\\n", " ").partition("\n")[0]
        words = shlex.split(example)
        header, body = words[words.index("-H") + 1], words[words.index("-d") + 1]

        status, answer = server.ask(
            "/v0/predict", body, **{header.partition(":")[0]: header.partition(": ")[2]}
        )

        assert ["curl", "-s", f"http://127.0.0.1:{server.port}/v0/predict"] == words[:3]
        assert f"Documentation: http://127.0.0.1:{server.port}/docs\n" in said
        assert (200, "small") == (status, answer["prediction"]["value"])


#: Every worker says whether it looks for garbage.
SAYS = """
import gc
_post_worker_init = post_worker_init
def post_worker_init(worker):
    _post_worker_init(worker)
    print("collects:", gc.isenabled(), flush=True)
"""


@pytest.mark.slow
def test_worker_when_it_starts_or_follows_a_reload_looks_for_garbage(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, config=SAYS, until="/readyz", model_store=toy_store.root, default_model="parcel",
        web_concurrency=1,
    ) as server:  # fmt: skip
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log.read_text().count("collects:") == 2, "a second worker")
        said = server.log.read_text()

    assert 2 == said.count("collects: True")
