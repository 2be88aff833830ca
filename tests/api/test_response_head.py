"""A header that every answer has is written in one place, whichever way the answer is sent."""

import json

from engine.api import response_head
from engine.worker.application import application_of
from engine.worker.faults import SHORT_OF
from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES


def test_answers_when_sent_by_any_way_have_the_headers_of_every_answer(
    toy_store: ModelStore,
) -> None:
    app = serve(toy_store, "parcel")
    application = application_of(app)
    assert application
    app.test_client().get("/readyz")
    body = json.dumps(EXAMPLES["parcel"]).encode()

    (answer,) = ask_loop(app, [("/v0/predict", {}, body)])
    rejections = application.rejections

    assert answer
    flask_heads = [str(app.test_client().get(path).headers).encode() for path in ("/livez", "/no")]
    refusal = rejections.refusal(b"/v0/predict", {}, is_last=False)
    late = rejections.lateness(b"/v2/models/parcel/infer", {})
    assert response_head.EVERY_ANSWER
    fault = rejections.fault(408, "late", b"/v0/predict", {})
    for head in (*flask_heads, answer[0], refusal, late, fault):
        for name, value in response_head.EVERY_ANSWER.items():
            assert f"{name}: {value}\r\n".encode() in head


def test_fault_that_the_worker_finds_names_its_values_in_the_language_that_is_preferred(
    toy_store: ModelStore,
) -> None:
    application = application_of(serve(toy_store, "parcel"))
    assert application
    values = {"read": 3, "length": 9}

    said = [
        application.rejections.fault(400, SHORT_OF.detail, b"/v0/predict", headers, values=values)
        for headers in ({}, {b"accept-language": b"es"})
    ]

    assert b"the body ends after 3 of 9 bytes" in said[0]
    assert "el cuerpo termina después de 3 de 9 bytes".encode() in said[1]
