"""Any request at all is answered: no server error, strict JSON, each protocol's own form.

``make fuzz`` sends many more than the tests do.
"""

import os
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings

from persistence.model_persistence import ModelStore
from tests.attacks.contract import VERTEX
from tests.attacks.fuzzed_requests import Fuzzed, fuzzed, judge
from tests.support.application import serve
from tests.support.raw_http import connect, read_answer, request
from tests.support.serving import Server, running

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "400"))

#: One in so many goes through gunicorn.
SHARE = 5

many = settings(max_examples=REQUESTS - REQUESTS // SHARE, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def asked(toy_store: ModelStore) -> FlaskClient:
    """The toys, and routes for Vertex AI."""
    return serve(toy_store, "parcel", **VERTEX).test_client()


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same behind gunicorn."""
    folder = tmp_path_factory.mktemp("raw")
    with running(folder, model_store=toy_store.root, default_model="parcel", **VERTEX) as started:
        yield started


@many
@given(one=fuzzed())
def test_request_when_made_up_is_answered_as_its_protocol_has_it(
    asked: FlaskClient, one: Fuzzed
) -> None:
    answer = asked.open(
        one.path, method=one.method, query_string=one.query, headers=one.headers, data=one.body
    )

    judge(one, answer.status_code, answer.headers.get("Content-Type", ""), answer.data)


@pytest.mark.slow
@settings(many, max_examples=REQUESTS // SHARE)
@given(one=fuzzed())
def test_request_when_sent_to_gunicorn_is_answered_as_its_protocol_has_it(
    server: Server, one: Fuzzed
) -> None:
    path = one.path + (f"?{one.query}" if one.query else "")
    fields = {"Content-Length": str(len(one.body)), "Connection": "close"} | one.headers
    written = request(
        one.body, method=one.method.encode(), path=path.encode(),
        fields=[(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
    )  # fmt: skip

    with connect(server.port) as link:
        link.sendall(written)
        answer = read_answer(link, of_head=one.method == "HEAD")

    content_type = (answer.field(b"Content-Type") or b"").decode()
    if answer.status != 400 or "html" not in content_type:  # gunicorn's own, of what is no HTTP
        judge(one, answer.status, content_type, answer.body)
