"""A contender that runs: started, asked, weighed and stopped."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks import processes
from benchmarks.contender import Contender
from benchmarks.environments import BENCH, ROOT
from benchmarks.questions import FILES, STORE, is_right
from benchmarks.ways import Record, Way
from settings import Settings

#: Seconds after which a contender that has not answered is taken not to start.
START_SECONDS = 120
_ANSWER_SECONDS = 60
_PAUSE_SECONDS = 0.01

#: Whatever library has threads of its own uses one, in every contender.
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class NotStarted(RuntimeError):
    """A contender did not start; the message gives the end of its log."""


class WrongAnswer(RuntimeError):
    """A contender answered something else than the fitted pipeline."""


@dataclass(frozen=True)
class Question:
    """Records and the probabilities that are right for them."""

    records: list[Record]
    probabilities: list[float]


class Running:
    """A started contender.

    Attributes
    ----------
    port : int
        Where it listens on 127.0.0.1.
    cold_start_seconds : float
        From its launch to its first right answer.
    """

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.port = port
        self.cold_start_seconds = 0.0
        self._process = process
        self._log = log

    def pids(self) -> list[int]:
        """List its processes, the one that was launched first."""
        first = self._process.pid
        return [first, *(pid for pid in processes.descendants(os.getpid()) if pid != first)]

    def url(self, way: Way) -> str:
        """Give the address of a way to ask."""
        return f"http://127.0.0.1:{self.port}{way.path}"

    def check(self, way: Way, question: Question) -> None:
        """Ask once over a connection of its own.

        Raises
        ------
        WrongAnswer
            For any answer but the right one.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            body = way.write(question.records)
            connection.request("POST", way.path, body, way.headers())
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise WrongAnswer(f"{way.path} answered {answer.status}: {content[:300]!r}")
        try:
            found = way.probabilities(content)
        except (ValueError, LookupError, TypeError) as error:
            raise WrongAnswer(f"{way.path} answered {content[:300]!r}") from error
        if not is_right(found, question.probabilities):
            raise WrongAnswer(f"{way.path} answered {found[:3]}, not {question.probabilities[:3]}")

    def wait(self, way: Way, question: Question, launched: float) -> None:
        """Ask again and again until the right answer comes.

        Raises
        ------
        NotStarted
            When it has ended, or the time is over.
        """
        reason: Exception | None = None
        while time.monotonic() < launched + START_SECONDS:
            if self._process.poll() is not None:
                raise NotStarted(f"it ended: {self._last_line()}")
            try:
                self.check(way, question)
            except (OSError, http.client.HTTPException, WrongAnswer) as error:
                reason = error
                time.sleep(_PAUSE_SECONDS)
            else:
                self.cold_start_seconds = time.monotonic() - launched
                return
        if isinstance(reason, WrongAnswer):
            raise reason
        raise NotStarted(f"no answer in {START_SECONDS} s ({reason}): {self._last_line()}")

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "nothing was logged"


@contextmanager
def running(one: Contender, environment: Path, question: Question) -> Iterator[Running]:
    """Start a contender, wait for its first right answer, and end it in any case."""
    ports = _free_ports(3)
    log = BENCH / "logs" / f"{one.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = _filled(one.command, environment, ports)
    folder = ROOT if one.is_at_root else working_folder(one)
    with log.open("wb") as out:
        launched = time.monotonic()
        process = subprocess.Popen(  # noqa: S603
            command, cwd=folder, env=_variables(one, environment, ports),
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    started = Running(ports[0], process, log)
    try:
        started.wait(one.one, question, launched)
        yield started
    finally:
        processes.end(started.pids())
        process.poll()  # it is gone; let Popen know


def prepare(one: Contender, environment: Path) -> None:
    """Run what a contender needs before its first start.

    Raises
    ------
    NotStarted
        When that fails.
    """
    if not one.prepare:
        return
    done = subprocess.run(  # noqa: S603
        _filled(one.prepare, environment, [0, 0, 0]), cwd=working_folder(one),
        env=_variables(one, environment, [0, 0, 0]), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NotStarted(f"its preparation failed: {done.stderr.strip().splitlines()[-1:]}")


def working_folder(one: Contender) -> Path:
    """Give the folder in which a contender runs."""
    folder = BENCH / "running" / one.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _filled(command: tuple[str, ...], environment: Path, ports: list[int]) -> list[str]:
    places = {"bin": environment / "bin", "files": FILES, "port": ports[0]}
    return [word.format(**places, port2=ports[1], port3=ports[2]) for word in command]


def _variables(one: Contender, environment: Path, ports: list[int]) -> dict[str, str]:
    ours = {setting.name.upper() for setting in fields(Settings)}
    dropped = {*ours, "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "GUNICORN_CMD_ARGS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    chosen = {name: _filled((text,), environment, ports)[0] for name, text in one.variables.items()}
    if one.is_at_root:
        chosen |= {"HOST": "127.0.0.1", "PORT": str(ports[0]), "MODEL_STORE": str(STORE)}
    return (
        kept
        | _THREADS
        | chosen
        | {
            "PATH": f"{environment / 'bin'}{os.pathsep}{kept['PATH']}",
            "PYTHONPATH": str(ROOT),
            "BENCHMARK_FILES": str(FILES),
        }
    )


def _free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        trials = [opened.enter_context(socket.socket()) for _ in range(count)]
        for trial in trials:
            trial.bind(("127.0.0.1", 0))
        return [int(trial.getsockname()[1]) for trial in trials]
