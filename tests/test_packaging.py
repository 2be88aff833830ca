"""The files that install and deploy the project say the same thing everywhere."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from settings import Settings
from tests.support.project import ROOT

LOCK = json.loads((ROOT / "Pipfile.lock").read_text())
REQUIREMENTS = {
    "requirements.txt": "default",
    "requirements-serve.txt": "serve",
    "requirements-serve-onnx.txt": "serve-onnx",
    "requirements-serve-bucket.txt": "serve-bucket",
    "requirements-serve-log.txt": "serve-log",
    "requirements-redis.txt": "redis",
    "requirements-lambda.txt": "lambda",
    "requirements-jobs.txt": "jobs",
    "requirements-compiler.txt": "compiler",
    "requirements-dev.txt": "develop",
}
SERVING = [section for section in REQUIREMENTS.values() if section.startswith("serve")]

#: Written so that no index's name stands in this file.
ADDRESS = re.compile(r"https?:|^\s*(-i|-f|--index|--extra|--find|--trusted)", re.MULTILINE)


def read(name: str) -> str:
    return (ROOT / name).read_text()


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pipfile() -> dict[str, dict[str, str]]:
    return tomllib.loads(read("Pipfile"))


def required(file: str) -> dict[str, tuple[str, set[str]]]:
    """Read a requirements file: name to pinned version and hashes."""
    found = {}
    for line in read(file).splitlines():
        if line and not line.startswith("#"):
            pin = re.match(r"([A-Za-z0-9._-]+)(?:\[[a-z0-9,]+\])?(==[^;\s]+)", line)
            assert pin, f"{file}: {line[:60]!r} pins no version"
            found[normalise(pin[1])] = (pin[2], set(re.findall(r"--hash=(sha256:\S+)", line)))
    return found


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=given, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("file", "section"), REQUIREMENTS.items())
def test_requirements_are_what_the_lock_says(file: str, section: str) -> None:
    locked = {
        normalise(name): (entry["version"], set(entry["hashes"]))
        for name, entry in LOCK[section].items()
    }

    assert locked == required(file)
    assert all(hashes for _, hashes in required(file).values())


@pytest.mark.parametrize(
    ("section", "locked"),
    [
        ("packages", "default"),
        ("dev-packages", "develop"),
        ("compiler", "compiler"),
        *zip(SERVING, SERVING, strict=True),
    ],
)
def test_every_package_of_the_pipfile_is_locked(section: str, locked: str) -> None:
    asked = {normalise(name) for name in pipfile()[section]}

    assert asked <= {normalise(name) for name in LOCK[locked]}


def test_versions_that_both_requirements_files_name_are_equal() -> None:
    whole, developed = required("requirements.txt"), required("requirements-dev.txt")

    assert {name: whole[name] for name in whole.keys() & developed.keys()} == {
        name: developed[name] for name in whole.keys() & developed.keys()
    }


@pytest.mark.parametrize("section", SERVING)
def test_serving_packages_when_compared_are_lines_of_requirements_txt(section: str) -> None:
    """Same versions, same digests: a version that was trained here is served there."""
    assert set(read(f"requirements-{section}.txt").splitlines()) <= set(
        read("requirements.txt").splitlines()
    )


@pytest.mark.parametrize("section", SERVING)
def test_serving_packages_when_asked_for_leave_the_range_to_packages(section: str) -> None:
    asked = pipfile()

    assert asked[section].keys() <= asked["packages"].keys()
    versions = [one["version"] if isinstance(one, dict) else one for one in asked[section].values()]
    assert {"*"} == set(versions)


def extras(entry: Any) -> list[str]:
    return list(entry.get("extras", ())) if isinstance(entry, dict) else []


@pytest.mark.parametrize("section", SERVING)
def test_serving_packages_when_followed_are_complete_and_no_more(section: str) -> None:
    named = required(f"requirements-{section}.txt").keys()
    asked = {normalise(name): entry for name, entry in pipfile()[section].items()}
    version = read(".python-version").strip()
    locked_for = {"python_version": version, "python_full_version": f"{version}.0"}

    needed = {
        normalise(one.name)
        for name in named
        for extra in ("", *extras(asked.get(name)))
        for one in map(Requirement, metadata.requires(name) or [])
        if one.marker is None or one.marker.evaluate({"extra": extra} | locked_for)
    }

    assert asked.keys() | needed == named


def test_the_lock_leaves_the_index_to_the_user() -> None:
    entries = [entry for section in REQUIREMENTS.values() for entry in LOCK[section].values()]

    assert LOCK["_meta"]["sources"] == []
    assert "source" not in pipfile()
    assert not [entry for entry in entries if "index" in entry]


@pytest.mark.parametrize("file", ["Pipfile", "Pipfile.lock", *REQUIREMENTS])
def test_no_address_stands_in(file: str) -> None:
    assert not ADDRESS.findall(read(file))


def test_the_python_version_is_the_same_everywhere() -> None:
    tools = tomllib.loads(read("pyproject.toml"))["tool"]
    version = read(".python-version").strip()

    assert re.fullmatch(r"3\.\d+", version)
    assert version == tools["mypy"]["python_version"]
    assert "py" + version.replace(".", "") == tools["ruff"]["target-version"]
    assert f"OLDEST={version}\n" in read("bin/setup")
    assert "requires" not in pipfile()


def test_slugignore_names_both_pipfiles_and_negates_nothing() -> None:
    lines = read(".slugignore").splitlines()

    assert {"/Pipfile", "/Pipfile.lock"} <= set(lines)
    assert not [line for line in lines if line.startswith("!")]


@pytest.mark.parametrize("name", ["tests", "data", "models", "requirements.txt", "Procfile"])
def test_slugignore_keeps(name: str, tmp_path: Path) -> None:
    """Heroku CI runs the tests in what .slugignore leaves."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".git/info").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".slugignore", tmp_path / ".git/info/exclude")

    ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=tmp_path, check=False)

    assert ignored.returncode == 1


@pytest.mark.parametrize("file", ["Procfile", ".python-version", "bin/setup", "bin/pre_compile"])
def test_line_ends_are_those_of_linux(file: str) -> None:
    content = (ROOT / file).read_bytes()

    assert b"\r" not in content
    assert content.endswith(b"\n")


def test_the_procfile_serves_the_web_and_answers_jobs_where_it_is_wanted() -> None:
    assert read("Procfile") == "web: python app.py serve\nworker: python -m flask work\n"
    assert {"web"} == json.loads(read("app.json"))["formation"].keys()


@pytest.mark.parametrize("name", ["setup", "pre_compile", "post_compile"])
def test_scripts_are_executable(name: str) -> None:
    assert os.access(ROOT / "bin" / name, os.X_OK)


@pytest.mark.parametrize("is_test", [False, True], ids=["deploy", "ci"])
def test_pre_compile_leaves_pip_as_the_only_manager(is_test: bool, tmp_path: Path) -> None:  # noqa: FBT001
    names = ["Pipfile", "Pipfile.lock", *REQUIREMENTS]
    for name in names:
        shutil.copy(ROOT / name, tmp_path)
    environment = {**os.environ, "INSTALL_TEST": "1" if is_test else ""}

    for _ in range(2):
        subprocess.run([ROOT / "bin/pre_compile"], cwd=tmp_path, env=environment, check=True)

    test_file = tmp_path / "requirements-test.txt"
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*REQUIREMENTS, *([test_file.name] if is_test else [])}
    assert not is_test or test_file.read_text() == read("requirements-dev.txt")


def test_app_json_names_only_settings_that_exist() -> None:
    app = json.loads(read("app.json"))

    assert set(app["env"]) <= {one.name.upper() for one in fields(Settings)}
    assert "pytest" in app["environments"]["test"]["scripts"]["test"]
    # What checks or reviews a change has no database to pay for.
    assert {"test", "review"} == {
        name for name, of in app["environments"].items() if not of["addons"]
    }
    assert "release" not in read("Procfile")  # Elastic Beanstalk would run it again and again


def test_the_example_environment_has_every_setting_and_sets_none() -> None:
    lines = read(".env.example").splitlines()
    named = [
        line.removeprefix("#").split("=")[0] for line in lines if re.match(r"#?[A-Z_]+=", line)
    ]

    assert sorted(one.name.upper() for one in fields(Settings)) == sorted(named)
    assert not [line for line in lines if line and not line.startswith("#")]


def test_make_help_lists_every_target() -> None:
    rules = set(re.findall(r"^([a-z][\w-]*):(?!=)", read("makefile"), re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.+)$", read("makefile"), re.MULTILINE)[0].split())

    shown = make("help").stdout

    assert rules == phony
    assert rules == set(re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE))
    assert shown == make().stdout


@pytest.mark.parametrize("python", ["/nonexistent/python", "/bin/false"])
def test_a_python_that_cannot_be_run_is_a_sentence(python: str) -> None:
    done = make("deps", f"PYTHON={python}")

    assert done.returncode != 0
    assert f"PYTHON={python} cannot be run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_that_is_too_old_is_a_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *"version_info >="*) ;; *) echo 3.9.2 ;; esac\n')
    old.chmod(0o755)

    done = make("deps", f"PYTHON={old}")

    assert done.returncode != 0
    assert f"PYTHON={old} is Python 3.9.2" in done.stderr


def test_packages_of_a_first_run_hold_nothing_that_only_tests_or_comparisons_need() -> None:
    packages = pipfile()
    needs = dict(re.findall(r"^([a-z][\w-]*): ((?:test-)?deps)\b", read("makefile"), re.MULTILINE))

    first = {"run", "new", "import", "remove", "model", "check", "docs", "docs-check"}
    later = {"airflow", "check-data", "ingest", "query", "score"}
    later |= {"retrain", "serve", "deploy_model", "venv"}
    assert first | later == {name for name, stage in needs.items() if stage == "deps"}
    assert not packages["packages"].keys() & packages["dev-packages"].keys()
    compared = {"shap", "fastapi", "locust", "mlflow", "pytest", "pyarrow"}
    assert not (compared | LOCK["compiler"].keys()) & LOCK["default"].keys()
