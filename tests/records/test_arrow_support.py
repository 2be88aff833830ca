"""A service without the folder that reads and writes Arrow."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.project import copy_project

ASK = """
import sys
from pathlib import Path
from persistence.model_persistence import ModelStore
from tests.support.application import serve

client = serve(ModelStore(Path(sys.argv[1])), "rent").test_client()
arrow, parquet = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
json, csv = '{"area": 50, "rooms": 2, "city": "Natal"}', "area,rooms,city\\n50,2,Natal\\n"
for body, kind, accept in [
    (json, "application/json", "*/*"), (csv, "text/csv", "*/*"), (csv, arrow, "*/*"),
    (csv, parquet, "*/*"), (csv, "text/csv", arrow),
]:
    headers = {"Accept": accept}
    answer = client.post("/v0/predict", data=body, content_type=kind, headers=headers)
    print(answer.status_code, answer.text.replace("\\n", " "))
"""


@pytest.mark.slow
def test_service_when_the_folder_of_arrow_is_deleted_answers_json_and_csv(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store = toy_store.root
    shutil.rmtree(copy_project(tmp_path) / "engine/records/arrow")

    done = subprocess.run(
        [sys.executable, "-c", ASK, store], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    single, table, arrow, parquet, wish = done.stdout.splitlines()
    assert single.startswith('200 {"prediction":')
    assert table.startswith('200 {"predictions":')
    for answer, status in ((arrow, 415), (parquet, 415), (wish, 406)):
        assert answer.startswith(f'{status} {{"')
        assert "Arrow and Parquet are not a part of this service" in answer
