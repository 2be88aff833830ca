"""Jobs of a service that runs: its own threads answer them in bounded memory, on request."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.api.test_jobs import table
from tests.support.serving import running, wait_until

pytestmark = pytest.mark.slow

#: What a table of many rows may take beyond one of few, in MB.
MOST_MB = 25


def peak(worker: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())
    return int(found[1]) / 1024 if found else 0


def test_service_answers_its_jobs_itself_in_bounded_memory(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    peaks = []
    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", prediction_log="async",
        prediction_folder=tmp_path / "log", web_concurrency=1,
    ) as server:  # fmt: skip
        for rows in (20_000, 600_000):
            connection = server.connect()
            headers = {"Content-Type": "text/csv", "Accept": "text/csv", "Prefer": "respond-async"}
            connection.request("POST", "/v0/predict", table(rows), headers)
            answer = connection.getresponse()
            links: Any = json.loads(answer.read())["links"]
            assert (202, links["self"]) == (answer.status, answer.headers["Location"])
            wait_until(lambda: server.ask(links["self"])[1]["status"] == "done", "the answer")  # noqa: B023
            _, body = server.ask(links["result"])
            assert rows + 1 == body.count(b"\n")
            peaks.append(peak(server.workers()[0]))
    assert peaks[1] - peaks[0] < MOST_MB
