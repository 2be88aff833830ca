"""The image: built, and run in each role, with few rights and little memory."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.deploy.rehearsals import PROBABILITY, RECORD, Proof
from tests.deploy.rehearsals.podman import (
    base_image,
    container,
    image_name,
    memory_mb,
    podman,
    published_port,
    size_mb,
)
from tests.support.raw_http import Answer, connect, read_answer, request
from tests.support.serving import wait_until
from tests.support.steady_load import Question, steady_load

_KEY = "a-key-of-the-rehearsal-of-43-characters-----"


def rehearse() -> list[Proof]:
    """Build, and run every role."""
    figures = _timed(built)
    proofs = [Proof("image", "built: our layers above the base", **figures)]
    roles: dict[str, Callable[[], dict[str, Any]]] = {
        "web, 256 MB, read only: SIGTERM under load": web,
        "train into a volume, then web serves that version": train,
        "worker answers what web was sent to answer later": worker,
    }
    proofs += [Proof("image", proof, **_timed(role)) for proof, role in roles.items()]
    proofs.append(Proof("SageMaker", "`IMAGE serve`, /ping, /invocations", **_timed(sagemaker)))
    proofs.append(Proof("Vertex AI", "port, routes and store of AIP_…", **_timed(vertex)))
    return proofs


def _timed(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    begin = time.monotonic()
    figures = run()
    return {"seconds": time.monotonic() - begin, **figures}


def built() -> dict[str, Any]:
    """Build the image; its bill of materials names what is installed in it."""
    image = image_name()
    inside = partial(podman, "run", "--rm", "--network=none", image, "python", "-c")
    listed = inside(
        "from importlib.metadata import distributions\n"
        "print(*{d.metadata['Name'].lower().replace('_', '-') + '@' + d.version"
        " for d in distributions()})"
    )
    bill = json.loads(inside("print(open('sbom.json').read())"))
    named = {one["purl"].removeprefix("pkg:pypi/") for one in bill["components"]}
    assert set(listed.split()) == named
    return {"size_mb": size_mb(image) - size_mb(base_image())}


def web() -> dict[str, Any]:
    """Load a service and stop it: every request that was let in gets its answer."""
    with _serving(f"--env=API_KEY={_KEY}") as (name, port):
        assert _ask(port, "/v0/predict", RECORD).status == 401
        podman("healthcheck", "run", name)
        question = Question(_request("/v0/predict", RECORD, key=_KEY), _is_right)
        with steady_load(port, [question], after=2000) as load:
            memory = memory_mb(name)
            podman("stop", "--time=35", name)
        assert _ended_well(name)
        sent = load.counts["answered"] + len(load.lost)
    return {"memory_mb": memory, "requests": sent, "lost": len(load.lost)}


def train() -> dict[str, Any]:
    """Train into a volume; the service that mounts it answers by that version."""
    with _volume() as volume:
        mount = f"--volume={volume}:/app/artifacts"
        trained = podman(
            "run", "--rm", "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--network=none",
            "--security-opt=no-new-privileges", "--memory=1g", mount, image_name("train"),
            "train", "credit", "--version=rehearsed",
        )  # fmt: skip
        with _serving(f"--env=API_KEY={_KEY}", mount) as (name, port):
            answer = _ask(port, "/v0/predict", RECORD, key=_KEY)
            assert _is_right(answer)
            assert answer.json()["model"]["version"] in trained, (answer, trained)
            return {"memory_mb": memory_mb(name), "requests": 1, "lost": 0}


def worker() -> dict[str, Any]:
    """Send jobs to a service that answers none; the worker beside it answers all."""
    count = 20
    with _volume() as volume:
        options = (f"--volume={volume}:/app/predictions", "--env=PREDICTION_LOG=async")
        web = _serving(f"--env=API_KEY={_KEY}", "--env=JOBS_IN_WEB=false", *options)
        ready = (f"--env=API_KEY={_KEY}", *options)
        with web as (_, port), container(image_name(), "worker", options=ready) as name:
            ask = partial(_ask, port, key=_KEY)
            taken = [ask("/v0/predict", RECORD, later=True) for _ in range(count)]
            jobs = [(one.field(b"Location") or b"").decode() for one in taken]
            wait_until(
                lambda: all(ask(job).json()["status"] == "done" for job in jobs), "all jobs done"
            )
            assert all(_is_right(ask(f"{job}/result")) for job in jobs)
            memory = memory_mb(name)
            podman("stop", "--time=35", name)
            assert _ended_well(name)
    return {"memory_mb": memory, "requests": count, "lost": 0}


def sagemaker() -> dict[str, Any]:
    """Start as SageMaker does, with the model's archive unpacked under /opt/ml/model."""
    cells = ",".join(str(value) for value in RECORD.values())
    kinds = [(b"Content-Type", b"text/csv"), (b"Accept", b"text/csv")]
    row = request(cells, path=b"/invocations", fields=kinds)
    with _unpacked_versions() as folder:
        options = (
            f"--volume={folder}:/opt/ml/model:ro", "--env=MODEL_STORE=/opt/ml/model",
            "--env=OPEN_ACCESS=true",
        )  # fmt: skip
        with _serving(*options, ready="/ping", command=("serve",)) as (name, port):
            answer = _send(port, row)
            assert (answer.status, answer.body) == (200, b"true\n"), answer
            return {"memory_mb": memory_mb(name), "requests": 2, "lost": 0}


def vertex() -> dict[str, Any]:
    """Start with the variables that Vertex AI sets."""
    health, predict = "/v1/endpoints/1/deployedModels/2", "/v1/endpoints/1:predict"
    with _unpacked_versions() as folder:
        options = (
            f"--volume={folder}:/gcs:ro", "--env=AIP_STORAGE_URI=/gcs", "--env=AIP_HTTP_PORT=8080",
            f"--env=AIP_HEALTH_ROUTE={health}", f"--env=AIP_PREDICT_ROUTE={predict}",
            "--env=OPEN_ACCESS=true",
        )  # fmt: skip
        with _serving(*options, ready=health) as (name, port):
            (prediction,) = _ask(port, predict, {"instances": [RECORD]}).json()["predictions"]
            assert abs(prediction["probability"] - PROBABILITY) < 1e-6
            return {"memory_mb": memory_mb(name), "requests": 2, "lost": 0}


@contextmanager
def _serving(
    *options: str, ready: str = "/readyz", command: tuple[str, ...] = ()
) -> Iterator[tuple[str, int]]:
    """Run the image until the end of the block; once it is ready, yield its name and port."""
    options = ("--publish=127.0.0.1::8080", *options)
    with container(image_name(), *command, options=options) as name:
        port = published_port(name)
        wait_until(lambda: _is_ready(port, ready), f"200 from {ready}")
        yield name, port


def _is_ready(port: int, path: str) -> bool:
    try:
        return _ask(port, path).status == 200
    except OSError:
        return False


@contextmanager
def _volume() -> Iterator[str]:
    name = podman("volume", "create")
    try:
        yield name
    finally:
        podman("volume", "rm", name)


@contextmanager
def _unpacked_versions() -> Iterator[Path]:
    """Copy the versions in the image to a folder, as a platform unpacks a model's archive."""
    with TemporaryDirectory() as folder:
        source = podman("create", image_name())
        try:
            podman("cp", f"{source}:/app/artifacts/.", folder)
        finally:
            podman("rm", source)
        Path(folder).chmod(0o755)
        yield Path(folder)


def _request(path: str, body: Any = None, *, key: str = "", later: bool = False) -> bytes:
    fields = [(b"x-api-key", key.encode())] if key else []
    fields += [(b"Prefer", b"respond-async")] if later else []
    method, text = (b"POST", json.dumps(body)) if body else (b"GET", "")
    return request(text, method=method, path=path.encode(), fields=fields)


def _ask(port: int, path: str, body: Any = None, *, key: str = "", later: bool = False) -> Answer:
    return _send(port, _request(path, body, key=key, later=later))


def _send(port: int, sent: bytes) -> Answer:
    with connect(port) as link:
        link.sendall(sent)
        return read_answer(link)


def _is_right(answer: Answer) -> bool:
    if answer.status != 200:
        return False
    prediction = answer.json()["prediction"]
    return prediction["value"] is True and abs(prediction["probability"] - PROBABILITY) < 1e-6


def _ended_well(name: str) -> bool:
    return podman("inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", name) == "0 false"
