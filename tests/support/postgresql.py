"""A PostgreSQL of the tests' own, which asks for a password."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from tests.support.serving import free_port, wait_until

PASSWORD = "p@ss/word"  # noqa: S105


class Postgresql(NamedTuple):
    """A server that runs."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def address(self) -> str:
        """Its address, as Heroku writes it."""
        return self.at(self.port)

    @staticmethod
    def at(port: int) -> str:
        """Return the address where something else leads to it."""
        return f"postgres://ana:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"

    def freeze(self) -> None:
        """Stop the server and all that it serves, so that nothing is answered."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]


@contextmanager
def run_postgresql() -> Iterator[Postgresql]:
    """Run a server; the test is skipped where there is none."""
    programs = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    bin_ = next((each for each in programs if (each / "initdb").exists()), None)
    if bin_ is None:
        pytest.skip("there is no initdb: install the Debian package postgresql")
    port, user = free_port(), "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp())
    (folder / "password").write_text(PASSWORD)
    if user:  # the server refuses to run as root
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    make = ["initdb", "-D", f"{folder}/data", "-U", "ana", "-A", "scram-sha-256", "--no-sync"]
    make += ["--pwfile", f"{folder}/password"]
    run = ["postgres", "-D", f"{folder}/data", "-h", "127.0.0.1", "-p", str(port), "-F"]
    options = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
    subprocess.run([bin_ / make[0], *make[1:]], check=True, **options)  # type: ignore[call-overload]
    process = subprocess.Popen(
        [bin_ / run[0], *run[1:], "-k", str(folder)], stderr=subprocess.DEVNULL, **options
    )  # type: ignore[call-overload]
    try:
        wait_until(lambda: _answers(port), "PostgreSQL")
        yield Postgresql(port, process)
    finally:
        process.send_signal(signal.SIGQUIT)  # at once, whoever is connected
        process.wait()
        shutil.rmtree(folder)


def _answers(port: int) -> bool:
    import psycopg

    place = {"host": "127.0.0.1", "port": port, "user": "ana", "dbname": "postgres"}
    try:
        psycopg.connect(**place, password=PASSWORD).close()  # type: ignore[arg-type]
    except psycopg.OperationalError:
        return False
    return True
