"""Heroku's own buildpack builds what is committed; a dyno of it answers, and ends in time.

`HEROKU_BUILDPACK` names a checkout of heroku/heroku-buildpack-python. Its `bin/detect` and
`bin/compile` run as they are. One thing is put in their place: the archive of Python, which they
download, is made of the Python that runs this. The build happens in one folder and is moved to
`/app`, as on Heroku, so that a path of the build in the slug is a fault here too. `/app` must be
empty, or absent and allowed to be made.

A second build, with the cache of the first and without `.slugignore`, is what Dokku and Scalingo
do, which build with the same buildpack.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.errors import UndefinedTable

from benchmarks.processes import descendants, memory_mb
from tests.deploy.rehearsals import Absent, Proof
from tests.support.postgresql import run_postgresql
from tests.support.project import ROOT
from tests.support.raw_http import connect, read_answer, request
from tests.support.serving import free_port, wait_until

APP = Path("/app")
MOST_SLUG_MB, MOST_BOOT_SECONDS, MOST_STOP_SECONDS = 500, 60, 30
REQUESTS = 500

#: What a build may know of this machine: how the network is reached.
_NETWORK = ("PIP_", "SSL_", "CURL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")

#: Answers the download of Python with an archive of this one, and everything else as curl does.
_CURL = """#!/bin/sh
for word; do case $word in */python-{version}.*.tar.zst) exec cat '{archive}' ;; esac; done
exec '{curl}' "$@"
"""


def rehearse() -> list[Proof]:
    """Build, run and stop a dyno twice: as Heroku does, and as Dokku and Scalingo do."""
    buildpack = _buildpack()
    _make_app()
    try:
        with tempfile.TemporaryDirectory(prefix="heroku-") as folder:
            work = Path(folder)
            config = _config_vars(work / "env")
            _imitate_curl(work)
            return [
                _one(work, buildpack, config, platform="Heroku", slugignore=True),
                _one(work, buildpack, config, platform="Dokku, Scalingo", slugignore=False),
            ]
    finally:
        _empty_app()
        with suppress(OSError):  # it was made for us, and stays
            APP.rmdir()


def _one(
    work: Path, buildpack: Path, config: dict[str, str], *, platform: str, slugignore: bool
) -> Proof:
    began = time.monotonic()
    build = work / f"build_{secrets.token_hex(4)}"
    _check_out(build, slugignore=slugignore)
    _compile(work, buildpack, build)
    slug_mb = _become_slug(build)
    built = time.monotonic() - began
    with run_postgresql() as database:
        own = {**config, "DATABASE_URL": database.address}
        with _dyno(work, own) as (dyno, port):
            lost, memory = _ask(port, config["API_KEY"], dyno, database.address)
        logged = _logged(database.address)
    assert logged == REQUESTS + 1 - lost, logged
    return Proof(
        platform,
        f"built in {built:.0f} s, asked with a key, SIGTERM; all logged",
        seconds=time.monotonic() - began,
        size_mb=slug_mb,
        memory_mb=memory,
        requests=REQUESTS + 1,
        lost=lost,
    )


def _buildpack() -> Path:
    if not (named := os.environ.get("HEROKU_BUILDPACK")):
        raise Absent(
            "HEROKU_BUILDPACK is not set: git clone "
            "https://github.com/heroku/heroku-buildpack-python, and set it to that folder"
        )
    folder, wanted = Path(named).resolve(), (ROOT / ".python-version").read_text().strip()
    if not (folder / "bin/compile").is_file():
        raise RuntimeError(f"HEROKU_BUILDPACK is {named!r}, not a checkout of the buildpack")
    if wanted != f"{sys.version_info[0]}.{sys.version_info[1]}" or sys.base_prefix == "/usr":
        raise RuntimeError(
            f"this is Python {sys.version.split()[0]} of {sys.base_prefix}: run with a Python "
            f"{wanted} in a folder of its own, as pyenv makes it"
        )
    return folder


def _make_app() -> None:
    try:
        APP.mkdir(exist_ok=True)
        is_ours = os.access(APP, os.W_OK) and not any(APP.iterdir())
    except OSError:
        is_ours = False
    if not is_ours:
        raise RuntimeError('/app is not an empty folder of yours: sudo install -d -o "$USER" /app')


def _empty_app() -> None:
    for path in APP.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _config_vars(folder: Path) -> dict[str, str]:
    """Write what app.json sets into a folder, as the buildpack reads it; generate its secrets."""
    folder.mkdir()
    named = json.loads((ROOT / "app.json").read_text())["env"].items()
    config = {name: of["value"] for name, of in named if "value" in of}
    config |= {name: secrets.token_hex(32) for name, of in named if of.get("generator") == "secret"}
    for name, value in config.items():
        (folder / name).write_text(value)
    return config


def _imitate_curl(work: Path) -> None:
    """Put an archive of this Python, and what serves it, into a folder."""
    tree, archive = work / "python", work / "python.tar.zst"
    left = shutil.ignore_patterns(
        "site-packages", "test", "idlelib", "config-*", "__pycache__", "*.a", "share"
    )
    shutil.copytree(sys.base_prefix, tree, symlinks=True, ignore=left)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for script in (tree / "bin").iterdir():
        if not script.name.startswith("python"):
            script.unlink()
    (tree / "bin/python").unlink(missing_ok=True)
    (tree / "bin/python").symlink_to(f"python{version}")
    if shutil.which("strip"):  # as Heroku's is
        subprocess.run(["strip", "--strip-unneeded", tree / f"bin/python{version}"], check=False)
    subprocess.run(["tar", "--zstd", "-cf", archive, "-C", tree, "."], check=True)
    shutil.rmtree(tree)
    (work / "shim").mkdir()
    text = _CURL.format(version=version, archive=archive, curl=shutil.which("curl"))
    (work / "shim/curl").write_text(text)
    (work / "shim/curl").chmod(0o755)


def _check_out(build: Path, *, slugignore: bool) -> None:
    """Write what is committed into a folder, without what .slugignore names."""
    build.mkdir()
    git = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-xf", "-", "-C", build], check=True, input=git.stdout)
    for line in (build / ".slugignore").read_text().splitlines():
        if slugignore and line.startswith("/"):
            subprocess.run(["rm", "-rf", build / line.strip("/")], check=True)


def _compile(work: Path, buildpack: Path, build: Path) -> None:
    """Run the buildpack's own two programs, as Heroku's build does."""
    environment = {name: of for name, of in os.environ.items() if name.startswith(_NETWORK)} | {
        "HOME": str(APP),
        "PATH": f"{work / 'shim'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "STACK": json.loads((ROOT / "app.json").read_text())["stack"],
    }
    cache = work / "cache"
    cache.mkdir(exist_ok=True)
    for name, folders in (("detect", [build]), ("compile", [build, cache, work / "env"])):
        done = subprocess.run(
            [buildpack / "bin" / name, *folders],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"bin/{name}:\n{(done.stdout + done.stderr)[-5000:]}"


def _become_slug(build: Path) -> float:
    """Move what was built to /app, and give the size of its archive in MB."""
    with tempfile.NamedTemporaryFile() as slug:
        subprocess.run(["tar", "-czf", slug.name, "-C", build, "."], check=True)
        size = Path(slug.name).stat().st_size / 1e6
    assert size < MOST_SLUG_MB
    _empty_app()
    for path in build.iterdir():
        shutil.move(path, APP)
    return size


@contextmanager
def _dyno(work: Path, config: dict[str, str]) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """Start what the Procfile calls web, with nothing but a port and the config vars."""
    procfile = dict(line.split(": ", 1) for line in (APP / "Procfile").read_text().splitlines())
    port, log = free_port(), work / "dyno.log"
    own = {"HOME": str(APP), "DYNO": "web.1", "PORT": str(port), "PATH": "/usr/bin:/bin"}
    command = f'for f in .profile.d/*.sh; do . "$f"; done; exec {procfile["web"]}'
    with log.open("wb") as out:
        dyno = subprocess.Popen(
            ["bash", "-c", command], cwd=APP, env=config | own, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip

    def is_bound() -> bool:
        assert dyno.poll() is None, log.read_text()
        with suppress(OSError), connect(port) as link:
            link.sendall(request(method=b"GET", path=b"/readyz"))
            return read_answer(link).status == 200
        return False

    try:
        wait_until(is_bound, "200 from /readyz", seconds=MOST_BOOT_SECONDS)
        yield dyno, port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(dyno.pid, signal.SIGKILL)
        dyno.wait()


def _logged(database: str) -> int:
    with psycopg.connect(database) as connection, suppress(UndefinedTable):
        [logged] = connection.execute("SELECT count(*) FROM prediction_log").fetchone() or [0]
        return int(logged)
    return 0


def _ask(port: int, key: str, dyno: "subprocess.Popen[bytes]", database: str) -> tuple[int, float]:
    """Send requests, and SIGTERM amid the last; give how many were lost, and the memory in MB."""
    [card] = [json.loads(path.read_text()) for path in APP.glob("artifacts/*/2*/card.json")]
    body = json.dumps(card["example"]["record"])
    fields = [(b"x-api-key", key.encode())]
    with connect(port) as link:
        link.sendall(request(body))
        assert read_answer(link).status == 401  # without a key
        statuses = []
        for number in range(REQUESTS):
            if number == REQUESTS // 2:  # what stores predictions has its memory from then on
                wait_until(lambda: _logged(database) > 0, "the first rows of the log")
            link.sendall(request(body, fields=fields))
            statuses.append(read_answer(link).status)
        processes = [dyno.pid, *descendants(dyno.pid)]
        memory = memory_mb(processes)
        last = request(body, fields=[*fields, (b"Expect", b"100-continue")])
        link.sendall(last[: -len(body)])
        assert link.recv(100).startswith(b"HTTP/1.1 100")  # so the service waits for the body
        for process in processes:
            os.kill(process, signal.SIGTERM)
        link.sendall(last[-len(body) :])
        statuses.append(read_answer(link).status)
    dyno.wait(MOST_STOP_SECONDS)
    return len([status for status in statuses if status != 200]), memory
