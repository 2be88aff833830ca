"""A host that only serves: the packages of requirements-serve.txt and its extras, no others."""

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
from tests.support.plain_versions import RENT, plain_store
from tests.support.project import ROOT
from tests.support.runtimes import BEST
from tests.support.serving import DEADLINE, environment, free_port, running
from tests.test_layers import HEAVY

pytestmark = pytest.mark.slow

#: What each file brings, by the names that are imported.
NEEDED = {
    "requirements-serve.txt": {"flask", "gunicorn", "httptools", "msgspec", "numpy",
                               "prometheus_client"},
    "requirements-serve-onnx.txt": {"numpy", "onnxruntime"},
    "requirements-serve-bucket.txt": {"obstore"},
    "requirements-serve-log.txt": {"psycopg", "sqlalchemy"},
}  # fmt: skip


def interpreter(folder: Path, *requirements: str) -> str:
    """Make an interpreter that finds the packages of these files, as links to those of this one."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    pins = "".join((ROOT / file).read_text() for file in requirements)
    for name in set(re.findall(r"^([\w.-]+)(?:\[\w+\])?==", pins, re.MULTILINE)):
        package = metadata.distribution(name)
        for part in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            (site / part).symlink_to(Path(str(package.locate_file(part))))
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that finds what every service needs."""
    return interpreter(tmp_path_factory.mktemp("serving"), "requirements-serve.txt")


@pytest.fixture(scope="module")
def fullest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that finds what any service needs."""
    return interpreter(tmp_path_factory.mktemp("fullest"), *NEEDED)


@pytest.fixture
def plain(toy_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A store in which a version in ONNX is promoted."""
    return plain_store(tmp_path / "plain", toy_store)


@pytest.mark.parametrize(
    ("name", "files"), [("python", ["requirements-serve.txt"]), ("fullest", [*NEEDED])]
)
def test_environment_when_searched_has_what_serves_and_nothing_that_trains(
    request: pytest.FixtureRequest, name: str, files: list[str]
) -> None:
    find = (
        "import importlib.util, json, sys; "
        "print(json.dumps([one for one in sys.argv[1:] if importlib.util.find_spec(one)]))"
    )
    sought = HEAVY.union(*NEEDED.values())

    done = subprocess.run(
        [request.getfixturevalue(name), "-c", find, *sought], capture_output=True, check=True
    )

    assert set().union(*(NEEDED[file] for file in files)) == set(json.loads(done.stdout))


def test_version_of_the_best_runtime_when_it_has_its_packages_is_served(
    request: pytest.FixtureRequest,
    toy_store: ModelStore, toy_client: FlaskClient, tmp_path: Path,
) -> None:  # fmt: skip
    python = request.getfixturevalue("python" if BEST == "exact" else "fullest")
    expected = toy_client.post("/v0/predict", json=EXAMPLES["parcel"]).get_json()["prediction"]

    with running(
        tmp_path, command=(python, "app.py", "serve"), until="/readyz",
        model_store=toy_store.root, default_model="parcel",
    ) as server:  # fmt: skip
        status, one = server.ask("/v0/predict", EXAMPLES["parcel"])
        _, several = server.ask("/v0/predict", [EXAMPLES["parcel"]] * 2)
        others = {path: server.ask(path)[0] for path in ("/v0/model_info", "/openapi.json")}
        status_of_native, problem = server.ask("/v0/models/coin/predict", EXAMPLES["coin"])
        said = server.log.read_text()

    assert (200, expected) == (status, one["prediction"])
    assert [expected] * 2 == several["predictions"]
    assert {200} == set(others.values())
    assert (503, "Service Unavailable") == (status_of_native, problem["title"])
    assert "Traceback" not in said
    assert re.search("of coin is native, and [a-z]+ is not installed: pip install", said)
    assert "pip install -r requirements.txt" in said


def test_default_version_when_its_runtime_is_not_installed_is_refused_in_a_sentence(
    python: str, plain: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, command=(python, "app.py", "serve"),
        model_store=plain.root, default_model="rent",
    ) as server:  # fmt: skip
        statuses = {path: server.ask(path)[0] for path in ("/readyz", "/health", "/livez")}
        status, problem = server.ask("/v0/predict", RENT)
        said = server.log.read_text()

    assert {"/readyz": 503, "/health": 200, "/livez": 200} == statuses
    assert (503, "Service Unavailable") == (status, problem["title"])
    assert "Traceback" not in said
    assert (
        f"version {plain.promoted('rent')} of rent is onnx, and onnxruntime is not installed: "
        "pip install -r requirements-serve-onnx.txt"
    ) in said


def test_version_in_onnx_when_onnxruntime_is_installed_is_served(
    fullest: str, plain: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, command=(fullest, "app.py", "serve"), until="/readyz",
        model_store=plain.root, default_model="rent",
    ) as server:  # fmt: skip
        _, answer = server.ask("/v0/predict", RENT)

    assert {"value": RENT["area"]} == answer["prediction"]


@pytest.mark.parametrize(
    "command",
    [["app.py"], ["app.py", "serve"], ["-m", "gunicorn", "app:app"],
     ["-m", "flask", "models", "list"], ["build_model.py"], ["test_model.py"]],
)  # fmt: skip
def test_command_when_the_store_is_a_bucket_and_nothing_reads_it_says_what_is_missing(
    python: str, command: list[str]
) -> None:
    done = subprocess.run(
        [python, *command], cwd=ROOT, capture_output=True, text=True,
        env=environment(model_store="s3://models/here"), timeout=DEADLINE, check=False,
    )  # fmt: skip

    assert (2 if "flask" in command else 1) == done.returncode
    assert done.stderr.endswith(
        "MODEL_STORE is 's3://models/here': give a folder, or install obstore: "
        "pip install -r requirements-serve-bucket.txt\n"
    )
    assert 1 == done.stderr.count("\n")


def test_commands_when_only_what_serves_is_installed_do_what_they_can(
    python: str, plain: ModelStore
) -> None:
    given = environment(model_store=plain.root)

    listed, checked, predicted = (
        subprocess.run([python, *command], cwd=ROOT, capture_output=True, text=True, env=given,
                       timeout=DEADLINE, check=False)
        for command in (["-m", "flask", "models", "list"], ["test_model.py", "--all"],
                        ["test_model.py"])
    )  # fmt: skip

    assert (0, 4) == (listed.returncode, listed.stdout.count("\n"))
    assert 3 == checked.stdout.count(
        "is onnx, and onnxruntime is not installed: pip install -r requirements-serve-onnx.txt"
    )
    assert "is not installed: pip install -r requirements.txt" in predicted.stdout
    assert not any("Traceback" in done.stderr for done in (listed, checked, predicted))


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
