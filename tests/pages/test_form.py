"""The form of a model: what it shows, and that what it sends is an ordinary prediction."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect
from werkzeug.test import TestResponse

from engine.schema.record_schema import Schema
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.browser import Watch, chromium
from tests.support.exposed import Exposed
from tests.support.models import unstored
from tests.support.serving import running

HOSTILE = "</textarea><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Form(HTMLParser):
    """What a form has: each control with its attributes and value, and the text of the page."""

    def __init__(self, answer: TestResponse) -> None:
        super().__init__()
        assert "text/html" == answer.mimetype
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "form-action 'self'" in policy
        self.tags: list[str] = []
        self.controls: dict[str, dict[str, str]] = {}
        self.options: dict[str, list[str]] = {}
        self.labels: set[str] = set()
        self.ids: set[str] = set()
        self.words = ""
        self._select = self._option = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        values: dict[str, str] = {name: value or "" for name, value in attrs}
        assert not [name for name in values if name.startswith("on")]
        self.tags.append(tag)
        self.labels |= {values["for"]} if tag == "label" else set()
        self.ids |= {values["id"]} if "id" in values else set()
        if tag == "script":
            assert "static/try.js?v=" in values["src"]
        if values.get("name", "").startswith("field.") or values.get("id") == "explain":
            self.controls[values["name"]] = values
            self._select = values["name"]
        self._option = "selected" if "selected" in values else "other" if tag == "option" else ""
        if self._option == "selected" and "footer" not in self.tags:
            self.controls[self._select]["value"] = values.get("value", "")

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._option and data.strip():
            self.options.setdefault(self._select, []).append(data)

    def handle_endtag(self, tag: str) -> None:
        self._option = ""

    def values(self) -> dict[str, str]:
        texts = {name: each.get("value", "") for name, each in self.controls.items()}
        return {name: texts[name] for name in texts if name != "explain"}

    def invalid(self) -> set[str]:
        return {name for name, each in self.controls.items() if "aria-invalid" in each}


def post(client: FlaskClient, path: str, values: dict[str, str]) -> TestResponse:
    kind = "application/x-www-form-urlencoded"
    return client.post(path, data=urlencode(values), content_type=kind)


def test_form_when_opened_has_a_labelled_control_for_every_field_with_its_example(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    schema = Schema.from_json(toy_store.read_card("parcel")["schema"])

    form = Form(toy_client.get("/models/parcel"))

    fields = [f"field.{field.name}" for field in schema.fields]
    assert [*fields, "explain"] == [*form.controls]
    for field in schema.fields:
        control = form.controls[f"field.{field.name}"]
        assert control["id"] in form.labels
        assert control["aria-describedby"] in form.ids
    assert {"12.5", "3", "tube", "true", "false"} <= {*form.values().values()}
    assert ["true", "false"] == sorted(form.options["field.fragile"], reverse=True)
    assert ["not known", "false", "true"] == form.options["field.express"]
    assert "A number from 0 to 100." in form.words
    assert "checked" in form.controls["explain"]


def test_form_when_sent_is_answered_observed_and_warned_of_as_any_prediction(
    toy_client: FlaskClient,
) -> None:
    def observed() -> dict[tuple[str, ...], float]:
        return Exposed(toy_client.get("/metrics").text).of("model_predictions_total", "model")

    before = observed()
    record = {"weight": 12.5, "pieces": 99, "height": None, "colour": "red", "shape": "box",
              "fragile": True, "express": None}  # fmt: skip
    plain = toy_client.post("/v0/models/parcel/predict", json=record).get_json()
    first = observed()

    sent = {"weight": " 12.5", "pieces": "99", "height": "", "colour": "red", "shape": "box"}
    sent |= {"fragile": "yes", "express": ""}

    form = Form(post(toy_client, "/models/parcel", {f"field.{name}": sent[name] for name in sent}))

    value, probability = plain["prediction"]["value"], plain["prediction"]["probability"]
    assert f"Size is {value}, with a probability of {100 * probability:.1f}%." in form.words
    assert "Pieces is 99, out of range." in form.words
    assert {"field.pieces"} == form.invalid()
    last = observed()[("parcel",)]
    assert [1, 1] == [first[("parcel",)] - before.get(("parcel",), 0), last - first[("parcel",)]]


def test_form_when_values_are_invalid_shows_each_problem_beside_the_value_that_was_sent(
    toy_client: FlaskClient,
) -> None:
    sent = {
        "weight": "101", "pieces": HOSTILE, "height": "", "colour": HOSTILE, "shape": "box",
        "fragile": "", "express": "",
    }  # fmt: skip
    record = {**sent, "weight": 101} | dict.fromkeys(("height", "fragile", "express"))
    plain = toy_client.post("/v0/models/parcel/predict", json=record).get_json()

    answer = post(toy_client, "/models/parcel", {f"field.{name}": sent[name] for name in sent})

    form = Form(answer)
    assert 422 == answer.status_code
    assert {f"field.{name}": text for name, text in sent.items()} == form.values()
    assert {f"field{one['pointer'].replace('/', '.')}" for one in plain["errors"]} == form.invalid()
    for one in plain["errors"]:
        fault = one["detail"].partition(": send ")[0]
        assert f"{one['pointer'][1:].capitalize()} {fault}." in form.words
    assert "A number from 0 to 100." in form.words
    assert "send" not in form.words
    assert "img" not in form.tags
    assert 1 == form.tags.count("script") == form.tags.count("textarea")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "-" + "9" * 400])
def test_form_when_no_double_holds_a_number_says_that_it_is_wrong(
    toy_client: FlaskClient, number: str
) -> None:
    opened = toy_client.get(f"/models/parcel?weight={number}")
    values = {**Form(opened).values(), "field.weight": number}
    sent = post(toy_client, "/models/parcel", values)

    assert (200, 422) == (opened.status_code, sent.status_code)
    assert "true" == Form(sent).controls["field.weight"]["aria-invalid"]


def test_form_when_the_words_of_a_card_are_hostile_shows_them(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store, card = ModelStore(tmp_path), toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    fields = [{**one, "description": HOSTILE, "unit": HOSTILE} for one in card["schema"]["fields"]]
    changed = {"title": HOSTILE, "description": HOSTILE,
               "schema": {**card["schema"], "fields": fields}}  # fmt: skip
    store.promote("parcel", store.write({**unstored(card), **changed}, files))

    form = Form(serve(store, "parcel").test_client().get("/models/parcel"))

    assert form.words.count(HOSTILE) >= 2 + 2 * len(fields)
    assert "img" not in form.tags
    assert 1 == form.tags.count("script")


def test_form_when_there_is_no_such_model_is_a_page_that_says_so(toy_client: FlaskClient) -> None:
    answer = toy_client.get("/models/beer")

    assert 404 == answer.status_code
    assert "There is no model 'beer' here." in Form(answer).words


def test_form_when_the_limit_is_reached_says_so(toy_store: ModelStore, tmp_path: Path) -> None:
    client = serve(toy_store, "parcel", rate_limit="1/60").test_client()

    answers = [client.get("/models/parcel") for _ in range(2)]

    assert [200, 429] == [answer.status_code for answer in answers]
    assert "1 requests in 60 seconds" in Form(answers[1]).words


def test_form_when_it_has_too_many_values_is_refused_before_they_are_read(
    toy_client: FlaskClient,
) -> None:
    kind = "application/x-www-form-urlencoded"

    answer = toy_client.post("/models/parcel", data="a=&" * 10_001, content_type=kind)

    assert 413 == answer.status_code
    assert "The form has 10,001 values: send at most 10,000" in answer.text


def show(browser: Browser, *, width: int, scheme: Any) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    return page, Watch(page, "http://127.0.0.1").complaints


@pytest.mark.slow
def test_form_when_a_person_fills_it_in_answers_with_keys_on_a_phone_in_the_dark(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    text, key = make_key("person", scopes=["predict"])
    KeyFile(tmp_path / "keys.json").add(key)
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        keys_file=tmp_path / "keys.json",
    ) as server, chromium() as browser:  # fmt: skip
        page, complaints = show(browser, width=320, scheme="dark")

        page.goto(f"http://127.0.0.1:{server.port}/models/parcel")
        page.get_by_label("API key").fill(text)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("textbox", name="weight").fill("101")
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_role("textbox", name="weight")).to_have_value("101")
        expect(page.get_by_text("is 101, out of range")).to_be_visible()
        page.get_by_role("textbox", name="weight").fill("11")
        page.get_by_label("colour").select_option("red")
        page.get_by_role("button", name="Predict").click()

        expect(page.get_by_role("status")).to_contain_text(re.compile("Size is .*probability of"))
        expect(page.get_by_label("colour")).to_have_value("red")
        assert text not in page.url + page.content()
        assert 320 == page.evaluate("document.documentElement.scrollWidth")
        dark = "getComputedStyle(document.body).backgroundColor"
        assert sum(map(int, re.findall(r"\d+", page.evaluate(dark))[:3])) < 150
        odd = [one for one in complaints if not re.match("verbose|.* status of 4(01|22) ", one)]
        assert [] == odd
