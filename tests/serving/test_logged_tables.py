"""Tables that are logged by their digest: their rows count as traffic."""

import json
from pathlib import Path

from persistence.model_persistence import ModelStore
from persistence.prediction_overview import PredictionOverview
from tests.support.logged import drained, logging
from tests.support.models import unstored


def test_table_of_numbers_when_logged_by_its_digest_counts_its_rows(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    card = toy_store.read_card("rent")
    place = toy_store.root / "rent" / toy_store.promoted("rent")
    files = {name: (place / name).read_bytes() for name in card["files"]}
    changed = {**json.loads(json.dumps(unstored(card))), "log_tables": "file"}
    store = ModelStore(tmp_path / "store")
    store.promote("rent", store.write(changed, files))
    client = logging(store, tmp_path, "rent").test_client()

    table = b"area,rooms,city\n55.5,2,Recife\n70,3,Natal\n"
    answer = client.post("/v0/predict", data=table, headers={"Content-Type": "text/csv"})

    assert 200 == answer.status_code
    (row,) = drained(tmp_path).values()
    assert (2, None) == (row.rows, row.record)
    (hours,) = PredictionOverview(tmp_path / "log.sqlite3").traffic(["rent"], 0).values()
    assert 2 == sum(hours.values())
