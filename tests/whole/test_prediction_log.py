"""gunicorn logs predictions, its master starts the drain, and that ends after the service."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import EVERYTHING, PredictionRow
from persistence.prediction_spool import is_drained, spool_files
from tests.support.logged import drained
from tests.support.models import EXAMPLES
from tests.support.serving import running, wait_until

pytestmark = pytest.mark.slow


def test_predictions_when_served_are_stored_and_the_drain_ends(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    folder, ids = tmp_path / "log", []
    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", prediction_log="async",
        prediction_folder=folder,
    ) as server:  # fmt: skip
        connection = server.connect()
        for number in range(300):
            if number == 150:
                os.kill(server.workers()[0], 9)
                connection = server.connect()
            kind = {"Content-Type": "application/json"}
            connection.request("POST", "/v0/predict", json.dumps(EXAMPLES["parcel"]), kind)
            answer = connection.getresponse()
            assert 200 == answer.status, answer.read()
            answer.read()
            ids.append(answer.headers["X-Prediction-Id"])
        wait_until(lambda: figures(folder)["prediction_log_stored"] >= 300, "all stored")
        assert b"prediction_log_drain_up 1.0" in server.ask("/metrics")[1]
    wait_until(lambda: not is_drained(folder), "the end of the drain", seconds=40)

    assert [] == spool_files(folder)
    assert ids == [*drained(folder)]


def test_predictions_when_the_machine_ends_with_the_service_are_stored(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    """A dyno or a container ends with its first process, and takes its disk with it."""
    folder = tmp_path / "log"
    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", prediction_log="async",
        prediction_folder=folder,
        config="from engine.serving import prediction_log\nprediction_log.FINISH_SECONDS = 100\n",
    ) as server:  # fmt: skip
        for _ in range(20):
            assert 200 == server.ask("/v0/predict", EXAMPLES["parcel"])[0]
        assert 0 == server.stop()
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
    wait_until(lambda: not is_drained(folder), "the end of the drain")

    database = PredictionDatabase(folder / "log.sqlite3")
    assert 20 == database.count(EVERYTHING)
    database.close()


def test_predictions_when_old_are_deleted_though_nobody_asks(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    folder, database = tmp_path / "log", PredictionDatabase(tmp_path / "log/log.sqlite3")
    database.store([PredictionRow(id="1", at=5.0, model="m", version="v", value=1, record={})])

    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", prediction_log="async",
        prediction_folder=folder, prediction_days=30,
    ):  # fmt: skip
        wait_until(lambda: not database.count(EVERYTHING), "the deletion")
    wait_until(lambda: not is_drained(folder), "the end of the drain")
    database.close()
