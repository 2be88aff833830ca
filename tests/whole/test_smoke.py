"""The service as it runs, in the everyday tests: one gunicorn is started and asked everything once.

What each part does in every case is tested in the other files, most of them in `make test-all`.
"""

from functools import partial
from pathlib import Path

from persistence.model_persistence import ModelStore
from tests.support.plain_versions import RENT, plain_store
from tests.support.serving import Server, running, wait_until


def test_service_when_it_runs_answers_a_record_and_a_table_and_swaps_versions(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store = plain_store(tmp_path / "store", toy_store, (1, 2))
    old, new = store.versions("rent")
    area = RENT["area"]
    table = b"area,rooms,city\n" + b"2.5,2,Recife\n" * 3

    with running(tmp_path, until="/readyz", model_store=store.root, default_model="rent") as server:
        status, answer = server.ask("/v0/predict", RENT)
        assert (200, old, area) == (
            status, answer["model"]["version"], answer["prediction"]["value"],
        )  # fmt: skip
        connection = server.connect()
        connection.request(
            "POST", "/v0/predict", iter([table[:20], table[20:]]),
            {"Content-Type": "text/csv", "Accept": "text/csv"}, encode_chunked=True,
        )  # fmt: skip
        lines = connection.getresponse().read().splitlines()
        connection.close()
        assert [b"value,warnings", *[b"2.5,"] * 3] == lines

        store.promote("rent", new)
        wait_until(partial(serves, server, new), "the new version")
        assert 2 * area == server.ask("/v0/predict", RENT)[1]["prediction"]["value"]
        assert 0 == server.stop()

    assert "Traceback" not in server.log.read_text()


def serves(server: Server, version: str) -> bool:
    """Tell whether a dozen connections are all answered by this version."""
    answers = [server.ask("/v0/predict", RENT)[1] for _ in range(12)]
    return {version} == {answer["model"]["version"] for answer in answers}
