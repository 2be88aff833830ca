"""The image's files ask for what a careful platform demands; a rehearsal builds and runs it."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from tests.support.project import ROOT, list_files

FOLDER = ROOT / "deploy/docker"
TEXT = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", (FOLDER / "Dockerfile").read_text()))
#: Each instruction, and what follows it.
LINES = [line.partition(" ")[::2] for line in TEXT.splitlines() if line]
LAST_STAGE = LINES[max(at for at, (word, _) in enumerate(LINES) if word == "FROM") :]
SCRIPTS = ("engine", "build_image.sh", "run_docker.sh", "start")


def only(word: str) -> str:
    """Give what the last stage says with an instruction that stands there once."""
    (rest,) = [rest for instruction, rest in LAST_STAGE if instruction == word]
    return rest


def is_sent(path: str) -> bool:
    """Tell whether a file is sent to the build, as .dockerignore has it: its last match counts."""
    found = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if line and line[0] != "#" and re.fullmatch(f"{pattern}(/.*)?", path):
            found = line[0] == "!"
    return found


def test_base_has_a_version_and_all_stages_stand_on_it() -> None:
    stages = {"${BASE}"}
    for base, _, name in [rest.partition(" AS ") for word, rest in LINES if word == "FROM"]:
        assert base in stages
        stages.add(name)

    assert LINES[0][0] == "ARG"
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+-slim", LINES[0][1])


def test_last_stage_runs_nothing_and_has_a_user_without_rights() -> None:
    assert {"FROM", "ARG", "LABEL", "ENV", "WORKDIR", "COPY", "USER", "EXPOSE", "HEALTHCHECK",
            "ENTRYPOINT", "CMD"} == {word for word, _ in LAST_STAGE}  # fmt: skip
    assert all(rest.startswith("--from=") for word, rest in LAST_STAGE if word == "COPY")
    assert re.fullmatch(r"([1-9]\d{3,}):\1", only("USER"))
    assert int(only("EXPOSE")) > 1024  # a smaller one needs a right


def test_images_write_only_where_their_user_may() -> None:
    """Copies of a bucket's versions and keys too, of a file system that may be read only."""
    caches = [
        word for name, rest in LINES if name == "ENV" for word in rest.split() if "CACHE=/" in word
    ]

    assert ["MODEL_CACHE=/tmp/models"] * 2 == caches
    assert caches[0] in only("ENV").split()


def test_programs_are_started_without_a_shell_and_are_sent_to_the_build() -> None:
    health = only("HEALTHCHECK").partition("CMD ")[2]
    named = [json.loads(text) for text in (only("ENTRYPOINT"), only("CMD"), health)]

    files = [word for words in named for word in words if "/" in word]
    assert files == ["deploy/docker/start", "deploy/docker/is_alive.py"]
    assert all(is_sent(file) for file in files)


def test_what_is_copied_from_the_project_is_there_and_sent() -> None:
    copies = [rest.split()[:-1] for word, rest in LINES if word == "COPY" and "--from" not in rest]
    patterns = {source for sources in copies for source in sources} - {"."}
    used = set(re.findall(r"deploy/docker/\w+\.py|requirements[\w-]*\.txt", TEXT))

    assert patterns
    for pattern in [*patterns, *used]:
        found = [*ROOT.glob(pattern)]
        assert found and all(is_sent(str(path.relative_to(ROOT))) for path in found), pattern


def test_bytecode_is_made_of_what_gunicorn_imports_and_of_no_more() -> None:
    listed = (FOLDER / "list_imported.py").read_text()
    gunicorn = (ROOT / "gunicorn.conf.py").read_text()
    (worker,) = re.findall(r'worker_class = "(\S+)\.\w+"', gunicorn)
    own = re.findall(r"(?m)^from (gunicorn\.\S+) import", gunicorn)

    assert own
    for module in (worker, "engine.worker.hooks", "engine.monitoring.drain", *own):
        assert f'"{module}"' in listed
    assert "PIP_COMPILE=0" in TEXT  # pip reads PIP_NO_COMPILE=1 as the wish to compile


def test_secrets_and_what_no_role_needs_stay_outside() -> None:
    sent = {file.partition("/")[0] for file in list_files() if is_sent(file)}

    assert not sent & {"tests", "docs", "benchmarks", "bin", "makefile"}
    made = (".env", ".git/config", ".venv/bin/python", "artifacts/credit/card.json",
            "predictions/log.sqlite3", "engine/x/__pycache__/a.pyc", "engine/a.so")  # fmt: skip
    assert [] == [path for path in made if is_sent(path)]
    names = [rest for word, rest in LINES if word in ("ARG", "ENV", "LABEL")]
    assert not re.search(r"(?i)key|token|password|secret|credential", " ".join(names))
    assert "ADD" not in dict(LINES)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_may_be_run_and_reads_as_posix(script: str) -> None:
    assert os.access(FOLDER / script, os.X_OK)
    subprocess.run(["/bin/sh", "-n", FOLDER / script], check=True)


def program(folder: Path, name: str, text: str = 'echo "$0" "$@" key=$API_KEY$OPEN_ACCESS') -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def run(
    script: str, *arguments: str, path: Path, **given: str
) -> "subprocess.CompletedProcess[str]":
    """Run a script where all programs but the shell's own are those of a folder."""
    for needed in ("dirname", "sed", "git", "date"):
        program(path, needed, given.pop(needed, f'exec /usr/bin/{needed} "$@"'))
    return subprocess.run(
        [FOLDER / script, *arguments], env={"PATH": str(path), **given}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_engine_is_docker_where_it_answers_else_podman(tmp_path: Path) -> None:
    neither = run("run_docker.sh", path=tmp_path)
    program(tmp_path, "podman", "exit 0")
    program(tmp_path, "docker", "exit 1")  # installed, and its engine does not run

    assert "podman\n" == run("engine", path=tmp_path).stdout
    assert "/no/podman works here" in run("engine", path=tmp_path, DOCKER="/no/podman").stderr
    assert (neither.returncode, neither.stdout) == (1, "")
    assert neither.stderr == (
        "deploy/docker: neither docker nor podman works here: install podman, or start Docker\n"
    )


def test_image_when_run_has_no_rights_and_its_key_is_no_argument(tmp_path: Path) -> None:
    program(tmp_path, "docker")

    closed = run("run_docker.sh", "mine", path=tmp_path, API_KEY="hush", PORT="8090").stdout
    opened = run("run_docker.sh", path=tmp_path).stdout

    assert closed == (
        f"{tmp_path}/docker run --rm --read-only --tmpfs /tmp --cap-drop all "
        "--security-opt no-new-privileges --memory 256m -v pronto-predictions:/app/predictions "
        "-p 127.0.0.1:8090:8080 -e API_KEY -e OPEN_ACCESS mine key=hush\n"
    )
    assert opened.endswith("-p 127.0.0.1:8080:8080 -e API_KEY -e OPEN_ACCESS pronto key=true\n")


def test_image_when_built_has_the_times_of_the_commit(tmp_path: Path) -> None:
    program(tmp_path, "podman")

    words = run("build_image.sh", "mine", "--no-cache", path=tmp_path, MODEL="").stdout.split()

    assert ["build", "-f", "deploy/docker/Dockerfile", "-t", "mine"] == words[1:6]
    (epoch,) = [word.partition("--timestamp=")[2] for word in words if "--timestamp=" in word]
    assert int(epoch) > 1_700_000_000
    assert {"--build-arg=MODEL=", "--no-cache", "--format=docker"} < {*words}


def test_image_when_built_without_a_name_has_one_and_the_default_model(tmp_path: Path) -> None:
    program(tmp_path, "podman")

    words = run("build_image.sh", "--target", "train", path=tmp_path).stdout.split()
    own = run("build_image.sh", path=tmp_path, MODEL="my model").stdout

    assert words[4:6] == ["-t", "pronto"] and words[-4:-1] == ["--target", "train", "."]
    assert "MODEL=" not in " ".join(words)
    assert "--build-arg=MODEL=my model" in own  # and the build refuses it by name


def test_image_when_built_from_other_files_than_the_commit_says_so(tmp_path: Path) -> None:
    program(tmp_path, "podman")
    git = 'case $1 in rev-parse) echo abc ;; log) echo 1 ;; status) echo "$STATUS" ;; esac'
    built = partial(run, "build_image.sh", path=tmp_path, git=git)

    assert "REVISION=abc" in built(STATUS="").stdout.split()
    assert "REVISION=abc+" in built(STATUS="?? models/churn.py").stdout.split()


def test_model_that_is_trained_into_the_image_is_its_default() -> None:
    trained = next(rest for word, rest in LINES if word == "RUN" and "build_model.py" in rest)

    assert '${MODEL:+"${MODEL}"}' in trained  # absent: that of the service, whatever it is called
    assert "DEFAULT_MODEL=${MODEL}" in only("ENV").split()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), "app.py serve"),
        (("serve",), "app.py serve"),
        (("train", "credit", "--promote=if-better"), "build_model.py credit --promote=if-better"),
        (("worker",), "-m flask work"),
        (("python", "test_model.py"), "test_model.py"),
    ],
)
def test_role_starts_what_everything_else_starts(
    given: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    program(tmp_path, "python", 'echo "$@"')

    assert f"{expected}\n" == run("start", *given, path=tmp_path).stdout


@pytest.mark.parametrize(
    ("word", "code", "remedy"),
    [
        ("sevre", 127, "'sevre' is neither a role"),
        ("train", 1, "pronto-train --target train"),
        ("function", 1, "elsewhere give serve"),
    ],
)
def test_role_when_refused_says_why(word: str, code: int, remedy: str, tmp_path: Path) -> None:
    program(tmp_path, "python", "exit 1")  # scikit-learn is not there

    ended = run("start", word, path=tmp_path)

    assert ended.returncode == code
    assert ended.stderr.startswith("start: ") and remedy in ended.stderr


def test_health_check_when_nothing_answers_fails_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "livez").write_text("alive")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        check = partial(
            subprocess.run, [sys.executable, FOLDER / "is_alive.py"], check=False,
            capture_output=True, text=True, env={"AIP_HTTP_PORT": str(server.server_port)},
        )  # fmt: skip
        answered = check()
        server.shutdown()
    refused = check()

    assert (0, "") == (answered.returncode, answered.stderr)
    assert 1 == refused.returncode
    assert "Connection refused" in refused.stderr and "Traceback" not in refused.stderr


def test_bill_of_materials_names_what_pip_installs_and_its_digest(tmp_path: Path) -> None:
    wheel = tmp_path / "Odd_Name-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: Odd_Name\nVersion: 1.2\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            archive.writestr(f"Odd_Name-1.2.dist-info/{name}", text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pip = ["-m", "pip", "install", "--quiet", "--dry-run", "--no-index", "--no-deps"]
    report = tmp_path / "report.json"
    subprocess.run([sys.executable, *pip, f"--report={report}", wheel], check=True)

    written = subprocess.check_output(
        [sys.executable, FOLDER / "write_sbom.py", report, report], text=True
    )

    bill = json.loads(written)
    assert ("CycloneDX", "1.6", 1) == (bill["bomFormat"], bill["specVersion"], bill["version"])
    release = (ROOT / "engine/VERSION").read_text().split()[1]
    assert {"name": "pronto", "version": release}.items() < bill["metadata"]["component"].items()
    assert bill["components"] == [{
        "type": "library", "bom-ref": "pkg:pypi/odd-name@1.2", "name": "odd-name",
        "version": "1.2", "purl": "pkg:pypi/odd-name@1.2",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }]  # fmt: skip


def test_bill_of_materials_is_of_all_that_its_image_has() -> None:
    reports: dict[str, list[str]] = {"${BASE}": []}
    stage, bills = "", 0
    for word, rest in LINES:
        if word == "FROM":
            base, _, stage = rest.partition(" AS ")
            reports[stage] = [*reports[base]]
        reports[stage] = reports.get(stage, []) + re.findall(r"--report (\S+)", rest)
        for given in re.findall(r"write_sbom\.py (.+?) > ", rest):
            assert given.split() == reports[stage]
            bills += 1
        if "pip" in rest and "--report" not in rest and "install" in rest:
            assert "sbom.json" in rest.partition("rm -rf")[2]  # it would be incomplete

    assert 2 == bills
