"""The list of models, and failures as pages."""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.cards.sentences import prediction_of, quality_of
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import unstored

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_models_when_there_are_several_are_cards_that_lead_to_their_pages(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    page = toy_client.get("/models", headers=BROWSER).text

    names = toy_store.names()
    assert len(names) > 1
    for name in names:
        card = toy_store.read_card(name)
        assert f'href="./models/{name}"' in page
        assert f'href="./v0/models/{name}/versions/{card["version"]}"' in page
        assert card["title"] in page
    assert "answers <code>/v0/predict</code>" in page


def test_models_when_there_is_one_lead_to_it(toy_store: ModelStore, tmp_path: Path) -> None:
    store, card = ModelStore(tmp_path), toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    store.promote("parcel", store.write(unstored(card), files))

    answer = serve(store, "parcel").test_client().get("/models", headers=BROWSER)

    assert (302, "models/parcel") == (answer.status_code, answer.headers["Location"])


@pytest.mark.parametrize(("scope", "is_led"), [
    ("read", True), ("predict", True), ("log", True), ("promote", False), ("feedback", False),
])  # fmt: skip
def test_models_lead_a_key_to_what_it_may_open_and_nowhere_else(
    toy_store: ModelStore, tmp_path: Path, scope: str, *, is_led: bool
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    text, key = make_key("reader", scopes=(scope,), models=("parcel", "rent"))
    file.add(key)
    client = serve(toy_store, "parcel", keys_file=file.path).test_client()

    page = client.get("/models", headers={**BROWSER, "x-api-key": text})

    assert 200 == page.status_code
    addresses = re.findall(r'href="\./(\w+[^"?]*)"', page.text)
    assert is_led == bool({*addresses} - {"models"})
    assert "make new" not in page.text
    for address in addresses:
        assert 200 == client.get(f"/{address}", headers={"x-api-key": text}).status_code


def test_models_when_there_is_none_say_how_one_is_made(tmp_path: Path) -> None:
    page = serve(ModelStore(tmp_path), "parcel").test_client().get("/models", headers=BROWSER)

    assert 200 == page.status_code
    assert "make new name=churn from=customers.csv target=Churn" in page.text


def test_models_when_one_is_refused_show_the_others_and_say_so(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path)
    for name in ("parcel", "rent"):
        card = toy_store.read_card(name)
        folder = toy_store.root / name / card["version"]
        files = {each: (folder / each).read_bytes() for each in card["files"]}
        version = store.write({**unstored(card), "title": f"{HOSTILE} {name}"}, files)
        store.promote(name, version)
    (tmp_path / "rent" / version / "card.json").write_text("{}")

    page = serve(store, "parcel").test_client().get("/models", headers=BROWSER).text

    assert 'href="./models/parcel"' in page
    assert "1 model is not shown" in page
    assert not re.search("<script|<img", page)


@pytest.mark.parametrize(
    ("path", "status"), [("/nothing", 404), ("/v0/models/nobody", 404), ("/v0/predict", 405)]
)
def test_failure_is_a_page_for_a_browser_and_json_for_a_program(
    toy_client: FlaskClient, path: str, status: int
) -> None:
    page = toy_client.get(path, headers=BROWSER | {"X-Request-Id": "r-1"})
    told = toy_client.get(path, headers={"X-Request-Id": "r-1"})

    assert (status, "text/html") == (page.status_code, page.mimetype)
    assert (status, "application/problem+json") == (told.status_code, told.mimetype)
    assert "<code>r-1</code>" in page.text
    root = "../" * (path.count("/") - 1) or "./"
    assert f'<a class="brand" href="{root}">' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_failure_is_json_for_a_program_that_would_rather_have_html(toy_client: FlaskClient) -> None:
    java = {"Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}

    assert "application/problem+json" == toy_client.get("/nothing", headers=java).mimetype


def test_failure_of_a_protocol_keeps_its_form(toy_client: FlaskClient) -> None:
    assert toy_client.get("/v2/models/nobody", headers=BROWSER).is_json


def test_sentences_say_what_is_predicted_and_how_well(toy_store: ModelStore) -> None:
    parcel: Any = toy_store.read_card("parcel")
    score = {"low": 0.0, "high": 1.0, "value": 0.873, "baseline": 0.61}
    card: Any = {**parcel, "score": "accuracy", "scores": {"accuracy": score}}

    assert prediction_of(card) == "Predicts size: large, medium or small."
    assert "Right for 87 of 100 records" in quality_of(card)
    assert "is right for 61." in quality_of(card)
    error = {**score, "value": 12.34, "baseline": 50.0}
    target = {**parcel["schema"]["target"], "unit": "EUR", "name": "price"}
    number: Any = {
        **parcel, "classes": None, "score": "mae", "scores": {"mae": error},
        "schema": {**parcel["schema"], "target": target},
    }  # fmt: skip
    assert prediction_of(number) == "Predicts price, a number in EUR."
    assert "Off by 12.34 EUR on average" in quality_of(number)
    card["scores"] = {}
    assert quality_of(card) == ""
