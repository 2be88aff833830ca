"""The files of platforms name commands, files and routes that there are."""

import json
import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.project import ROOT

FOLDER = ROOT / "deploy/platforms"


def read(name: str) -> Any:
    text = (FOLDER / name).read_text()
    if name.endswith(".toml"):
        return tomllib.loads(text)
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def words(value: Any) -> list[tuple[str, str]]:
    """List each key and its word, at every depth."""
    if isinstance(value, list):
        return [pair for item in value for pair in words(item)]
    if not isinstance(value, dict):
        return []
    pairs = [(key, item) for key, item in value.items() if isinstance(item, str)]
    return pairs + [pair for item in value.values() for pair in words(item)]


FILES = sorted(path.name for path in FOLDER.iterdir())
KEYS = {
    "healthCheckPath", "healthcheckPath", "path", "http_path",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_platform_when_it_asks_for_health_asks_a_route(name: str) -> None:
    asked = {word for key, word in words(read(name)) if key in KEYS}

    assert asked and asked <= {"/readyz", "/livez"}


@pytest.mark.parametrize("name", FILES)
def test_platform_when_it_names_a_file_finds_it(name: str) -> None:
    text = (FOLDER / name).read_text()

    for path in re.findall(r"\b(?:bin|deploy)/[\w/.-]+\w", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r'"(\.\./[\w/.-]+)"', text):
        assert (FOLDER / path).exists(), path
    for path in re.findall(r"requirements[\w-]*\.txt", text):
        assert (ROOT / path).exists(), path


def test_scalingo_when_it_makes_an_app_sets_settings_that_exist() -> None:
    app = json.loads((ROOT / "scalingo.json").read_text())

    assert {"API_KEY": "secret"} == {name: one["generator"] for name, one in app["env"].items()}
    assert {"web"} == app["formation"].keys()


@pytest.mark.parametrize("name", ["render.yaml", "railway.json"])
def test_platform_when_it_starts_the_service_says_what_the_procfile_says(name: str) -> None:
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    started = {word for key, word in words(read(name)) if key == "startCommand"}

    assert started == {procfile["web"]}


@pytest.mark.parametrize("name", FILES)
def test_platform_when_committed_holds_no_secret(name: str) -> None:
    assert not re.search(
        r"(?i)(key|password|token)\"?: *\"?[A-Za-z0-9_-]{22,}\b", (FOLDER / name).read_text()
    )


def test_digitalocean_when_its_command_is_typed_gets_the_key() -> None:
    text = (FOLDER / "digitalocean.yaml").read_text()
    (command,) = re.findall(r"#   (sed .*) \| doctl apps create --spec -\n", text)
    made = subprocess.check_output(
        ["/bin/sh", "-c", command], cwd=ROOT, env={"PATH": "/usr/bin:/bin", "API_KEY": "a-B_c9"}
    )

    (key,) = yaml.safe_load(made)["services"][0]["envs"]
    assert key == {"key": "API_KEY", "scope": "RUN_TIME", "type": "SECRET", "value": "a-B_c9"}


def test_kamal_when_a_worker_answers_jobs_shares_them_with_the_web() -> None:
    made = read("kamal.yml")

    assert made["servers"]["worker"]["cmd"] == "worker"
    assert made["env"]["clear"]["JOBS_IN_WEB"] == "false"
    assert [volume.partition(":")[2] for volume in made["volumes"]] == ["/app/predictions"]
