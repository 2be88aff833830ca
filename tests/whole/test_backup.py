"""The backup of a service with a folder and SQLite, by the commands of its page."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.deploy.rehearsals.backup import lose_everything, one_machine, project_with_commands
from tests.support.models import EXAMPLES


@pytest.mark.slow
def test_service_when_all_is_destroyed_is_as_before_once_the_backup_is_restored(
    two_parcels: ModelStore, tmp_path: Path
) -> None:
    if not shutil.which("sqlite3"):
        pytest.skip("there is no sqlite3: install the Debian package sqlite3")
    project = project_with_commands(tmp_path)
    shutil.copytree(two_parcels.root, project / "artifacts")
    with ExitStack() as exits:
        place = one_machine(project, exits)
        place.settings["default_model"] = "parcel"

        seen = lose_everything(project, place, EXAMPLES["parcel"])

    assert 0 == seen.lost
    assert seen.requests > 60
