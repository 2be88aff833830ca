"""A template and a project of their own for each test."""

import shutil
from pathlib import Path

import pytest

from tests.upgrade.releases import Repository, make_project, make_template


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a template and a project once; the tests get copies."""
    folder = tmp_path_factory.mktemp("upgrade")
    make_project(folder / "a project", make_template(folder / "template"))
    return folder


@pytest.fixture
def template(made: Path, tmp_path: Path) -> Repository:
    shutil.copytree(made / "template", tmp_path / "template")
    return Repository(tmp_path / "template")


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Repository:
    shutil.copytree(made / "a project", tmp_path / "a project")
    return Repository(tmp_path / "a project")
