"""A job that is begun again, when another version was promoted meanwhile."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.api.test_jobs import LATER, ask, runner, shared_of, table
from tests.support.candidates import copied
from tests.support.logged import drained, logging
from tests.support.models import unstored


@pytest.mark.parametrize("trouble", [SystemExit, RuntimeError])
def test_job_when_it_is_begun_again_has_the_version_that_its_rows_have(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    store, is_killed = copied(toy_store, tmp_path), trouble is SystemExit
    app = logging(store, tmp_path / "log")
    client: Any = app.test_client()
    shared = shared_of(app)
    answer = shared.predictor.answer

    def fail(*given: Any) -> Any:
        if is_killed:  # once the rows are logged
            answer(*given)
        raise trouble

    links = ask(client, table(3), Content_Type="text/csv", **LATER).json["links"]
    with monkeypatch.context() as failing, suppress(SystemExit):
        failing.setattr(shared.predictor, "answer", fail)
        runner(app).run_due()
    with closing(sqlite3.connect(tmp_path / "log/log.sqlite3")) as connection, connection:
        connection.execute("UPDATE prediction_jobs SET due = 0")
    card = store.read_card("parcel")
    folder = store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    newest = store.write({**unstored(card), "title": "newer"}, files)
    store.promote("parcel", newest)
    shared.models.reload()

    runner(app).run_due()

    answering = client.get(links["result"]).json["model"]["version"]
    assert answering == (card["version"] if is_killed else newest)
    assert {answering} == {row.version for row in drained(tmp_path / "log").values()}
