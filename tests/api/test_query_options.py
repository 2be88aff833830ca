"""The options of a query are read together, and all that is wrong with them is said at once."""

import pytest

from persistence.model_persistence import ModelStore
from tests.support.application import serve


@pytest.mark.parametrize(
    ("query", "sentences"),
    [
        ("coverage=2&threshold=0.3", ["parameter 'threshold'", "coverage is '2'"]),
        ("cover=1", ["'cover'", "takes threshold, explain and coverage alone"]),
    ],
)
def test_options_of_a_query_are_refused_with_all_that_is_wrong(
    credit_store: ModelStore, query: str, sentences: list[str]
) -> None:
    client = serve(credit_store, "credit").test_client()
    record = credit_store.read_card("credit")["example"]["record"]

    answer = client.post(f"/v0/predict?{query}", json=record)

    assert 400 == answer.status_code
    assert all(sentence in answer.get_json()["detail"] for sentence in sentences), answer.text
