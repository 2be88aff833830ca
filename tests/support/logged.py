"""A service that logs its predictions, and what the log has of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from engine.monitoring.drain import Drain
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import Count, PredictionRow
from persistence.prediction_spool import spool_files
from persistence.spool_reading import ASIDE
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES


def logging(store: ModelStore, folder: Path, model: str = "parcel", **settings: Any) -> Flask:
    """Make the application with a log in a folder; the model is in memory."""
    settings = {"prediction_log": "async", "prediction_folder": folder, **settings}
    app = serve(store, model, **settings)
    app.extensions["resources"].models.get(model)
    return app


def ask(app: Flask, times: int = 1, model: str = "parcel") -> list[str]:
    """Ask the event loop for predictions, all at once; return their ids, empty where none."""
    body = json.dumps(EXAMPLES[model]).encode()
    answers = ask_loop(app, [("/v0/predict", {}, body)] * times)
    heads = [answer[0].decode() if answer else "" for answer in answers]
    return [head.partition("X-Prediction-Id: ")[2].partition("\r\n")[0] for head in heads]


def drained(folder: Path, address: str | Path = "") -> dict[str, PredictionRow]:
    """Store what waits in a folder, and return all that the database has, by id."""
    database = PredictionDatabase(address or folder / "log.sqlite3")
    try:
        Drain(folder, database).store()
        rows = [row for block in database.select() for row in block]
    finally:
        database.close()
    assert len({row.id for row in rows}) == len(rows)
    return {row.id: row for row in rows}


def counted(database: PredictionDatabase) -> list[Count]:
    """Return the counts of all models by hour."""
    query = "SELECT DISTINCT model FROM prediction_counts ORDER BY model"
    with database._transactions.begin() as connection:
        models = [*connection.exec_driver_sql(query).scalars()]
    return [count for model in models for count in database.counts(model, by_hour=True)]


def set_aside(folder: Path) -> list[dict[str, Any]]:
    """Return what could not be stored."""
    return [json.loads(line) for line in (folder / ASIDE).read_text().splitlines()]


def spooled(folder: Path) -> bytes:
    """Return all bytes of a spool."""
    return b"".join(path.read_bytes() for path in spool_files(folder))


def plain(row: PredictionRow) -> Mapping[str, Any]:
    """Return what a prediction says beside when and as what it was asked."""
    own = ("id", "at", "seconds", "request_id", "place")
    return {name: getattr(row, name) for name in row.__struct_fields__ if name not in own}
