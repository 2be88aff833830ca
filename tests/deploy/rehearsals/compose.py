"""Compose: all of it started by podman-compose, killed piece by piece, and rolled, under load."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.rehearsals import PROBABILITY, RECORD, Absent, Proof
from tests.deploy.rehearsals.compose_load import Client, ask
from tests.deploy.rehearsals.podman import base_image, image_name, podman, size_mb
from tests.support.project import ROOT
from tests.support.serving import free_port, wait_until

_FOLDER = ROOT / "deploy/docker"
_PROJECT = "rehearsal-compose"
_STAND_INS = Path(__file__).with_name("stand_ins")
_PIECES = ("web-1", "web-2", "worker", "database", "redis", "nginx", "prometheus")

#: The next release: its tables have another step, as one of ours would.
_NEXT = """FROM {image}
USER root
RUN python -c "from pathlib import Path; p = Path('persistence/prediction_tables.py'); \\
t = p.read_text(); \\
step = '    (\\"ALTER TABLE prediction_log ADD COLUMN rehearsed TEXT\\",),\\n'; \\
p.write_text(t.replace('\\n)\\n\\n_TAKEN', '\\n' + step + ')\\n\\n_TAKEN'))" \\
    && rm -f persistence/__pycache__/prediction_tables.*
USER 10001:10001
"""


def rehearse() -> list[Proof]:
    """Start everything, then end and replace its pieces one after another."""
    image = image_name()
    for service in ("nginx", "database", "redis", "prometheus"):
        _have(yaml.safe_load((_FOLDER / "compose.yaml").read_text())["services"][service]["image"])
    stack = Stack(image)
    begin = monotonic()
    try:
        stack.compose("--profile", "monitoring", "up", "-d", *_PIECES)
        stack.wait_ready()
        proofs = [Proof("compose", "up: to the first answer", monotonic() - begin, size_mb(image))]
        with stack.keys() as keys, _next_image(image) as following:
            for what, run in (
                ("each of 7 containers killed, data kept", stack.kill_each),
                ("rolled to another table and back", lambda keys: stack.roll(keys, following)),
                ("canary by header", lambda keys: stack.canary(keys, following)),
            ):
                proofs.append(_timed(what, run, keys))
        return proofs
    finally:
        with suppress(RuntimeError):
            stack.compose("--profile", "monitoring", "--profile", "canary", "down", "-v", "-t", "3")


def _timed(proof: str, run: Callable[[list[str]], tuple[int, int]], keys: list[str]) -> Proof:
    begin = monotonic()
    requests, lost = run(keys)
    return Proof("compose", proof, monotonic() - begin, requests=requests, lost=lost)


class Stack:
    """The containers of `compose.yaml`, under a name and a port of their own."""

    def __init__(self, image: str, **environment: str) -> None:
        self.image, self.port = image, free_port()
        self.key = token_hex(16)
        self.environment = {
            **os.environ, **environment,
            "CONTAINERS_CONF": str(_STAND_INS.with_name("containers.conf")),
            "PORT": str(self.port), "API_KEY": self.key, "POSTGRES_PASSWORD": token_hex(16),
            "CANARY_KEY": "rehearsed", "IMAGE": image, "COMPOSE": f"{_program()} -p {_PROJECT}",
        }  # fmt: skip

    def run(self, *command: str, **environment: str) -> str:
        """Run a command as an operator does, in the folder of the compose file."""
        done = subprocess.run(
            command, cwd=_FOLDER, env={**self.environment, **environment},
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    def compose(self, *words: str, **environment: str) -> str:
        """Run podman-compose."""
        return self.run(*self.environment["COMPOSE"].split(), *words, **environment)

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{_PROJECT}_{service}_1"

    def wait_ready(self) -> None:
        """Wait until a prediction comes, and until all of the service is there."""
        for service in ("web-1", "web-2"):
            wait_until(partial(self._is_ready, service), f"{service} is ready", seconds=300)
        wait_until(lambda: self._answers("/readyz"), "nginx answers")
        wait_until(lambda: self._answers("/v0/predict", RECORD), "the first answer")

    def _answers(self, path: str, body: object = None) -> bool:
        with suppress(OSError, ValueError):
            return ask(self.port, body, path, **{"x-api-key": self.key})[0] == 200
        return False

    def _is_ready(self, service: str) -> bool:
        return self.serves(service, "")

    def serves(self, service: str, version: str) -> bool:
        """Tell whether a container is ready, with a version or with any."""
        ready = "http://127.0.0.1:8080/readyz"
        asks = f"from urllib.request import urlopen; print(urlopen({ready!r}).read())"
        with suppress(RuntimeError):
            return version in podman("exec", self.container(service), "python", "-c", asks)
        return False

    @contextmanager
    def keys(self) -> Iterator[list[str]]:
        """Make a key by the command line, and yield it beside API_KEY."""
        said = self.compose("exec", "-T", "web-1", "flask", "keys", "make", "rehearsal", "--json")
        yield [self.key, yaml.safe_load(said)["key"]]

    def sql(self, query: str) -> list[str]:
        """Ask the database; return the rows."""
        command = ("psql", "-U", "pronto", "-h", "127.0.0.1", "-At", "-c", query)
        password = self.environment["POSTGRES_PASSWORD"]
        name = self.container("database")
        return podman("exec", f"--env=PGPASSWORD={password}", name, *command).splitlines()

    def kill_each(self, keys: list[str]) -> tuple[int, int]:
        """Kill the first process of each container; all that was answered is in the log."""
        jobs = []
        with Client(self.port, keys, repeats=True).asking() as client:
            for piece in _PIECES:
                jobs.append(self._begin_job())
                name = self.container(piece)
                process = podman("inspect", "--format={{.State.Pid}}", name)
                before = client.count
                os.kill(int(process), signal.SIGKILL)
                wait_until(partial(runs_anew, name, process), f"{name} runs again")
                wait_until(partial(_has_asked, client, before + 20), f"answers after {name}")
            for job in jobs:
                path = {"path": job, "x-api-key": self.key}
                wait_until(partial(_has_ended, self.port, path), f"{job} ends", seconds=400)
        assert not client.lost, client.lost[:3]
        print("sent again:", dict(client.again))
        wait_until(lambda: client.answered <= self._logged(), "all answers are in the log")
        done = [ask(self.port, path=f"{job}/result", **{"x-api-key": self.key}) for job in jobs]
        assert all(_is_right(body) for _, body in done), done
        return client.count + len(jobs), len(client.lost)

    def _logged(self) -> set[str]:
        with suppress(RuntimeError):
            return set(self.sql("SELECT request_id FROM prediction_log"))
        return set()

    def _begin_job(self) -> str:
        """Send a request whose answer is to come later, again until it is taken."""
        taken: list[str] = []

        def send() -> bool:
            headers = {"x-api-key": self.key, "Prefer": "respond-async"}
            with suppress(OSError, ValueError):
                status, body = ask(self.port, RECORD, **headers)
                taken.extend([f"/v0/jobs/{body['id']}"] if status == 202 else [])
            return bool(taken)

        wait_until(send, "a job is taken")
        return taken[0]

    def roll(self, keys: list[str], following: str) -> tuple[int, int]:
        """Replace the image and its tables, and go back; nothing is asked twice."""
        first = self.sql("SELECT max(step) FROM prediction_log_steps")
        with Client(self.port, keys, repeats=False).asking() as client:
            for image in (following, self.image):
                self.run("./roll.sh", IMAGE=image)
                for service in ("web-1", "web-2", "worker"):
                    name = podman("inspect", "--format={{.ImageName}}", self.container(service))
                    assert name.startswith(image), (service, name)
                before = client.count
                wait_until(partial(_has_asked, client, before + 50), "answers")
        assert self.sql("SELECT max(step) FROM prediction_log_steps") != first
        assert self.sql("SELECT count(rehearsed) FROM prediction_log") == ["0"]
        print("rolled:", client.lost)
        wait_until(lambda: client.answered <= self._logged(), "all answers are in the log")
        rows = self.sql("SELECT request_id FROM prediction_log")
        assert len(client.answered) == sum(row in client.answered for row in rows), "some twice"
        return client.count, len(client.lost)

    def canary(self, keys: list[str], following: str) -> tuple[int, int]:
        """Answer who sends the header from another image, and nobody else."""
        self.compose(
            "--profile", "canary", "up", "-d", "--no-deps", "canary", CANARY_IMAGE=following
        )
        wait_until(lambda: self._is_ready("canary"), "the canary is ready")
        chosen = {"x-api-key": keys[1], "X-Canary": "rehearsed"}
        answers = [ask(self.port, RECORD, **chosen) for _ in range(20)]
        answers += [ask(self.port, RECORD, **{"x-api-key": keys[1]}) for _ in range(20)]
        assert all(_is_right(body) for _, body in answers), answers
        address = podman(
            "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
            self.container("canary"),
        )  # fmt: skip
        log = podman("logs", "--tail=60", self.container("nginx"))
        assert log.count(f" {address}:8080 200 ") == 20, log
        return len(answers), 0


def _has_asked(client: Client, count: int) -> bool:
    return client.count > count


def _is_right(body: dict[str, Any]) -> bool:
    return bool(abs(body["prediction"]["probability"] - PROBABILITY) < 1e-6)


def _has_ended(port: int, request: dict[str, str]) -> bool:
    with suppress(OSError, ValueError, KeyError):
        return bool(ask(port, **request)[1]["status"] in ("done", "failed"))
    return False


def runs_anew(name: str, process: str) -> bool:
    """Tell whether a container runs with another first process."""
    with suppress(RuntimeError):
        now = podman("inspect", "--format={{.State.Running}} {{.State.Pid}}", name).split()
        return now[0] == "true" and now[1] != process
    return False


def _program() -> str:
    own = ROOT / ".setup/compose/bin/podman-compose"
    found = str(own) if own.exists() else shutil.which("podman-compose")
    if not found:
        make = (
            "python3 -m venv .setup/compose && .setup/compose/bin/pip install podman-compose==1.6.0"
        )
        raise Absent(f"podman-compose is not here: {make}")
    return found


def _have(image: str) -> None:
    """Pull an image, or build what stands in for it from Debian's packages."""
    if podman("images", "--quiet", "--filter", f"reference={image}"):
        return
    try:
        podman("pull", "--quiet", image)
    except RuntimeError:
        target = image.rpartition("/")[2].partition(":")[0]
        podman(
            "build", "--network=host", "--format=docker", f"--build-arg=BASE={base_image()}",
            f"--target={target}", f"--tag={image}", str(_STAND_INS), seconds=1200,
        )  # fmt: skip


@contextmanager
def _next_image(image: str) -> Iterator[str]:
    """Build the next release upon an image; it is removed after the block."""
    name = "localhost/rehearsal-next"
    with TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(_NEXT.format(image=image))
        podman("build", "--format=docker", f"--tag={name}", folder)
    yield name
    podman("rmi", "--force", name)
