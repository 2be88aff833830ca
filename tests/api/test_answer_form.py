"""The answer that a model file declares for /inference/<name> and /get_prediction."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from engine.schema import ModelDefinition
from engine.schema.definition import InvalidDefinition
from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES, TOYS, unstored

ALIASES = ("/inference/{}", "/get_prediction")


@pytest.fixture(scope="module")
def stores(
    toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory
) -> dict[Any, ModelStore]:
    """Stores of a classification and a regression that declare each form."""
    made: dict[Any, ModelStore] = {}
    for name, form in (("parcel", "value"), ("parcel", "probabilities"), ("rent", "value")):
        store = ModelStore(tmp_path_factory.mktemp(form))
        card = toy_store.read_card(name)
        folder = toy_store.root / name / card["version"]
        files = {each: (folder / each).read_bytes() for each in card["files"]}
        store.promote(name, store.write({**unstored(card), "answer": form}, files))
        made[name, form] = store
    return made


def ask(app: Flask, path: str, body: Any) -> Any:
    """Ask over Flask, and on the event loop, which must not answer otherwise."""
    answer = app.test_client().post(path, json=body)
    assert 200 == answer.status_code, answer.text
    (quick,) = ask_loop(app, [(path, {}, json.dumps(body).encode())])
    assert quick is None or answer.data == quick[1] or path.startswith("/v0")
    return answer.get_json()


@pytest.mark.parametrize(("name", "form"), [
    ("parcel", "value"), ("parcel", "probabilities"), ("rent", "value"),
])  # fmt: skip
@pytest.mark.parametrize("alias", ALIASES)
def test_alias_answers_as_declared_and_v0_in_full(
    name: str, form: str, alias: str, stores: dict[Any, ModelStore]
) -> None:
    app, record = serve(stores[name, form], name), EXAMPLES[name]
    full = ask(app, "/v0/predict", record)["prediction"]
    own = full["value"] if form == "value" else [*full["probabilities"].values()]

    assert {"prediction", "prediction_time", "model"} <= ask(app, "/v0/predict", record).keys()
    for one in (record, {"data": {key: [value] for key, value in record.items()}}, [record]):
        assert {"prediction": own} == ask(app, alias.format(name), one)
    assert {"predictions": [own, own]} == ask(app, alias.format(name), [record, record])


def test_alias_when_answering_on_the_event_loop_writes_the_same_bytes(
    stores: dict[Any, ModelStore],
) -> None:
    app = serve(stores["parcel", "probabilities"], "parcel")
    app.extensions["resources"].models.get("parcel")
    body = json.dumps(EXAMPLES["parcel"]).encode()

    quick = ask_loop(app, [(path.format("parcel"), {}, body) for path in ALIASES])

    alone = app.test_client().post("/get_prediction", data=body, content_type="application/json")
    assert [alone.data, alone.data] == [answer[1] for answer in quick if answer]


def test_alias_when_a_record_is_not_valid_refuses_it_as_before(
    stores: dict[Any, ModelStore],
) -> None:
    client = serve(stores["parcel", "value"], "parcel").test_client()
    record = {**EXAMPLES["parcel"], "weight": "heavy"}

    refused = [client.post(path, json=record) for path in ("/v0/predict", "/get_prediction")]

    assert [422, 422] == [answer.status_code for answer in refused]
    assert refused[0].get_json()["errors"] == refused[1].get_json()["errors"]


def test_alias_when_no_form_is_declared_answers_in_full(toy_store: ModelStore) -> None:
    app = serve(toy_store, "parcel")

    assert (
        ask(app, "/v0/predict", EXAMPLES["parcel"])["prediction"]
        == (ask(app, "/get_prediction", EXAMPLES["parcel"])["prediction"])
    )


def test_description_tells_the_declared_answer(stores: dict[Any, ModelStore]) -> None:
    client = serve(stores["parcel", "probabilities"], "parcel").test_client()

    paths = client.get("/openapi.json").get_json()["paths"]

    forms = {
        path: paths[path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        for path in ("/v0/predict", "/inference/parcel", "/get_prediction")
    }
    assert forms["/inference/parcel"] == forms["/get_prediction"] != forms["/v0/predict"]
    one, _ = forms["/get_prediction"]["oneOf"]
    classes = TOYS["parcel"].target.classes or ()
    assert len(classes) == one["properties"]["prediction"]["minItems"]


def test_service_when_checked_greets(toy_store: ModelStore) -> None:
    answer = serve(toy_store, "parcel").test_client().get("/check_service")

    assert (200, {"Message": "Hello world from service"}) == (
        answer.status_code, answer.get_json()
    )  # fmt: skip


@pytest.mark.parametrize(("name", "form", "said"), [
    ("rent", "probabilities", "answer is 'probabilities' with a regression: give 'value'"),
    ("rent", "short", "answer is 'short': give 'full', 'value' or 'probabilities'"),
])  # fmt: skip
def test_form_when_it_cannot_be_given_is_refused(name: str, form: str, said: str) -> None:

    definition: ModelDefinition = TOYS[name]

    with pytest.raises(InvalidDefinition) as caught:
        replace(definition, answer=form)

    assert [said] == caught.value.problems
