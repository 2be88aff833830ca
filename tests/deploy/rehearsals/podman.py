"""Runs podman for the rehearsals, and makes the images that they run.

Where Docker Hub cannot be reached, debootstrap makes an image that stands in for its own.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.rehearsals import Absent
from tests.support.project import ROOT

#: What a pull or a stand-in is called here, so that other images of this machine stay as they are.
_PREFIX = "localhost/rehearsal-"

#: What `docker.io/library/python:3.11-slim` has and the project's image needs.
_PYTHON = ("ca-certificates", "python3-venv", "python3-pip", "python-is-python3")

_ENVIRONMENT = {
    "CONTAINERS_CONF": str(Path(__file__).with_name("containers.conf")),
    **os.environ,
    "DOCKER": "podman",
}


def podman(*arguments: str, seconds: float = 600) -> str:
    """Run podman and return what it prints, without the last line's end.

    Raises
    ------
    Absent
        It is not installed.
    RuntimeError
        It fails: with what it says of that.
    """
    for program in ("podman", "runc"):
        if not shutil.which(program):
            raise Absent(f"{program} is not here: install podman, runc, netavark and iptables")
    return _run("podman", *arguments, seconds=seconds)


def debian_image(name: str, *packages: str) -> str:
    """Make an image of Debian with these packages, unless it is here; return its full name."""
    image = f"{_PREFIX}{name}"
    if _exists(image):
        return image
    if not shutil.which("debootstrap"):
        raise Absent("debootstrap is not here: install it, or make Docker Hub reachable")
    sources = _run("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)")
    codename, mirror = sources.splitlines()[0].split()
    folder = Path(_run("mktemp", "-d"))
    try:
        # It mounts this machine's /proc in the folder. In namespaces of its own nobody else sees
        # that, so that the folder can be removed even when debootstrap was killed.
        _run(
            "unshare", "--mount", "--pid", "--fork", "--kill-child",
            "debootstrap", "--variant=minbase", f"--include={','.join(packages)}",
            codename, str(folder / "root"), mirror,
        )  # fmt: skip
        shutil.rmtree(folder / "root/var/cache/apt")
        _run("tar", "-c", "-f", str(folder / "root.tar"), "-C", str(folder / "root"), ".")
        podman("import", str(folder / "root.tar"), image)
    finally:
        shutil.rmtree(folder)
    return image


def base_image() -> str:
    """Return the image of Python that is built upon: Docker Hub's, else a stand-in."""
    image = "docker.io/library/python:3.11-slim"
    if not _exists(f"{_PREFIX}python"):
        try:
            podman("pull", "--quiet", image)
        except RuntimeError:
            return debian_image("python", *_PYTHON)
        podman("tag", image, f"{_PREFIX}python")
    return f"{_PREFIX}python"


def image_name(target: str = "", *options: str, tag: str = "image") -> str:
    """Build the project's image, or one of its targets, as its script does; return its name.

    What has not changed since the last time comes from podman's cache.
    """
    image = f"{_PREFIX}{target or tag}"
    chosen = [f"--target={target}"] if target else []
    _run(
        str(ROOT / "deploy/docker/build_image.sh"), image, f"--build-arg=BASE={base_image()}",
        *chosen, *_packages_index(), *options,
    )  # fmt: skip
    return image


def size_mb(image: str) -> float:
    """Return the size of all layers of an image, unpacked, in MB."""
    return int(podman("image", "inspect", "--format={{.Size}}", image)) / 1e6


@contextmanager
def container(image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a container as a careful platform does, and remove it with its volumes afterwards."""
    name = podman("run", "--detach", *CAREFUL, *options, image, *command)
    try:
        yield name
    finally:
        podman("rm", "--force", "--time=0", "--volumes", name)


#: Nothing can be written but /tmp, nothing is allowed, and 256 MB are all there is.
CAREFUL = (
    "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges",
    "--memory=256m", "--memory-swap=256m",
)  # fmt: skip


def published_port(name: str, port: int = 8080) -> int:
    """Return the port of this machine at which a container's is published."""
    return int(podman("port", name, str(port)).rpartition(":")[2])


def memory_mb(name: str) -> float:
    """Return the memory of all processes of a container in MB; what they share counts once."""
    processes = podman("top", name, "hpid").split()[1:]
    return sum(map(int, _run("ps", "-o", "pss=", "-p", ",".join(processes)).split())) / 1000


def _packages_index() -> Iterator[str]:
    """Yield the options with which pip in a build reaches this machine's index of packages."""
    if Path("/etc/pip.conf").exists():
        yield "--secret=id=pip,src=/etc/pip.conf"
    if Path("/etc/ssl/certs").exists():
        yield "--volume=/etc/ssl/certs:/etc/ssl/certs:ro"


def _exists(image: str) -> bool:
    found = podman("images", "--quiet", "--filter", f"reference={image}")
    return bool(found)


def _run(*command: str, seconds: float = 1800) -> str:
    run = subprocess.run(
        command, env=_ENVIRONMENT, capture_output=True, text=True, timeout=seconds, check=False
    )
    if run.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {run.stderr[-2000:]}")
    return run.stdout.rstrip("\n")
