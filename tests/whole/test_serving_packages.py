"""A host that only serves: the packages of requirements-serve.txt, and no other."""

import json
import re
import subprocess
import venv
from importlib import metadata
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.project import ROOT
from tests.support.serving import DEADLINE, environment, free_port, running
from tests.test_layers import HEAVY

pytestmark = pytest.mark.slow

#: The packages that serve, by the names they are imported by.
NEEDED = {"flask", "gunicorn", "httptools", "msgspec", "numpy", "obstore",
          "onnxruntime", "prometheus_client"}  # fmt: skip


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that finds the serving packages, as links to those of this one."""
    folder = tmp_path_factory.mktemp("serving")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    pins = (ROOT / "requirements-serve.txt").read_text()
    for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE):
        package = metadata.distribution(name)
        for part in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            (site / part).symlink_to(Path(str(package.locate_file(part))))
    return str(folder / "bin/python")


def test_environment_when_searched_has_what_serves_and_nothing_that_trains(python: str) -> None:
    find = (
        "import importlib.util, json, sys; "
        "print(json.dumps([one for one in sys.argv[1:] if importlib.util.find_spec(one)]))"
    )

    done = subprocess.run(
        [python, "-c", find, *NEEDED, *(HEAVY - NEEDED)], capture_output=True, check=True
    )

    assert NEEDED == set(json.loads(done.stdout))


def test_exported_version_when_nothing_else_is_installed_is_served(
    python: str, toy_store: ModelStore, toy_client: FlaskClient, tmp_path: Path
) -> None:
    expected = toy_client.post("/v0/predict", json=EXAMPLES["parcel"]).get_json()["prediction"]

    with running(
        tmp_path, command=(python, "-m", "gunicorn", "app:app"), until="/readyz",
        model_store=toy_store.root, default_model="parcel",
    ) as server:  # fmt: skip
        status, one = server.ask("/v0/predict", EXAMPLES["parcel"])
        _, several = server.ask("/v0/predict", [EXAMPLES["parcel"]] * 2)
        others = {path: server.ask(path)[0] for path in ("/v0/model_info", "/openapi.json")}
        said = server.log.read_text()

    assert (200, expected) == (status, one["prediction"])
    assert [expected] * 2 == several["predictions"]
    assert {200} == set(others.values())
    assert "Traceback" not in said


@pytest.mark.parametrize("default", ["coin", "parcel"])
def test_native_version_when_nothing_else_is_installed_is_refused_in_a_sentence(
    python: str, toy_store: ModelStore, tmp_path: Path, default: str
) -> None:
    with running(
        tmp_path, command=(python, "-m", "gunicorn", "app:app"),
        model_store=toy_store.root, default_model=default,
    ) as server:  # fmt: skip
        is_ready = 200 == server.ask("/readyz")[0]
        status, problem = server.ask("/v0/models/coin/predict", EXAMPLES["coin"])
        said = server.log.read_text()

    assert ("coin" != default) == is_ready
    assert (503, "Service Unavailable") == (status, problem["title"])
    assert "Traceback" not in said
    assert re.search("of coin is native, and [a-z]+ is not installed: pip install", said)
    assert "pip install -r requirements.txt" in said


def test_start_when_a_version_is_absent_and_nothing_can_train_says_what_is_missing(
    python: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [python, "-m", "gunicorn", "app:app"], cwd=ROOT, capture_output=True, text=True,
        env=environment(model_store=tmp_path, host="127.0.0.1", port=free_port()),
        timeout=DEADLINE, check=False,
    )  # fmt: skip

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "is not installed: pip install -r requirements.txt" in done.stderr
