"""Every text in three languages: nothing missing or stale, and answers in the one preferred."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from engine.languages import (
    LANGUAGES,
    choose,
    gettext,
    in_english,
    local_date,
    local_number,
    ngettext,
)
from engine.languages.accept_language import preferred
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES

ROOT = Path(__file__).parent.parent
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def app(toy_store: ModelStore) -> Flask:
    return serve(toy_store, "parcel")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_catalogues_when_checked_lack_nothing_and_have_nothing_else() -> None:
    checked = subprocess.run(
        [sys.executable, "bin/catalogue.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert ("", 0) == (checked.stdout, checked.returncode), checked.stderr


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"), ("*", "en"), ("en-US,en;q=0.9", "en"), ("de,fr;q=0.5", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"), ("pt", "pt-BR"), ("PT-pt", "pt-BR"),
        ("es-419,es;q=0.9", "es"), ("en;q=0.2, es;q=0.7", "es"), ("de, es ; q = 0.3", "es"),
        ("es;q=0, en;q=0.1", "en"), ("es;q=x", "en"), ("fr, *;q=0.5", "en"), (",;,=", "en"),
    ],
)  # fmt: skip
def test_accept_language_when_read_prefers_what_it_weighs_most(header: str, expected: str) -> None:
    assert expected == preferred(header, tuple(LANGUAGES))


@pytest.mark.parametrize(
    ("tag", "numbers", "date"),
    [
        ("en", ["1,234,567.5", "1234.5", "-0.25", "+12,345"], "2025-11-29"),
        ("pt-BR", ["1.234.567,5", "1.234,5", "-0,25", "+12.345"], "29/11/2025"),
        ("es", ["1.234.567,5", "1234,5", "-0,25", "+12.345"], "29/11/2025"),
    ],
)
def test_numbers_and_dates_when_written_are_those_of_the_language(
    tag: str, numbers: list[str], date: str
) -> None:
    choose(tag)
    try:
        written = [*map(local_number, ["1234567.5", "1234.5", "-0.25", "+12345"])]
        assert (numbers, date) == (written, local_date("2025-11-29T10:00:00Z"))
    finally:
        choose("en")


@pytest.mark.parametrize(
    ("tag", "one", "more"),
    [
        ("en", "the input has 1 problem", "the input has 2 problems"),
        ("pt-BR", "a entrada tem 1 problema", "a entrada tem 2 problemas"),
        ("es", "la entrada tiene 1 problema", "la entrada tiene 2 problemas"),
    ],
)
def test_failure_when_a_client_accepts_a_language_is_phrased_in_it_with_the_same_codes(
    client: FlaskClient, tag: str, one: str, more: str
) -> None:
    record: dict[str, Any] = {**EXAMPLES["parcel"], "pieces": "many"}
    english = client.post("/v0/predict", json={**record, "color": "red"}).json

    answers = [
        client.post("/v0/predict", json=body, headers={"Accept-Language": tag})
        for body in (record, {**record, "color": "red"})
    ]

    assert [one, more] == [answer.json["detail"] for answer in answers if answer.json]
    for answer in answers:
        assert "Accept-Language" in answer.headers["Vary"]
        assert (None if tag == "en" else tag) == answer.headers.get("Content-Language")
    found = answers[1].json
    assert found
    assert english
    assert english["title"] == found["title"]
    assert [(each["pointer"], each["code"]) for each in english["errors"]] == [
        (each["pointer"], each["code"]) for each in found["errors"]
    ]
    details = [each["detail"] for each in english["errors"]]
    assert (tag == "en") == (details == [each["detail"] for each in found["errors"]])


def test_failure_after_one_in_another_language_is_in_english_again(client: FlaskClient) -> None:
    client.get("/v0/models/nothing", headers={"Accept-Language": "es"})

    assert "there is no model" in client.get("/v0/models/nothing").text


@pytest.mark.parametrize(
    ("tag", "heading"), [("en", "Models"), ("pt-BR", "Modelos"), ("es", "Modelos")]
)
def test_page_when_a_browser_prefers_a_language_is_in_it(
    toy_store: ModelStore, tag: str, heading: str
) -> None:
    client = serve(toy_store, "parcel").test_client()

    page = client.get("/models", headers={**BROWSER, "Accept-Language": tag})

    assert f'<html lang="{tag}">' in page.text
    assert f"<h1>{heading}</h1>" in page.text
    assert f'value="{tag}" lang="{tag}" aria-current="true">{LANGUAGES[tag]}<' in page.text


def test_language_when_chosen_stays_and_leads_back(client: FlaskClient) -> None:
    spanish = {**BROWSER, "Accept-Language": "es"}

    chosen = client.post("/language", data={"language": "pt-BR", "after": "models/parcel?a=b"})

    cookie = chosen.headers["Set-Cookie"]
    assert (303, "models/parcel?a=b") == (chosen.status_code, chosen.headers["Location"])
    assert all(part in cookie for part in ("language=pt-BR", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert '<html lang="pt-BR">' in client.get("/models", headers=spanish).text


def test_page_that_answers_what_was_sent_leads_back_to_one_that_can_be_opened(
    client: FlaskClient,
) -> None:
    refused = client.post("/models/parcel/table", data={"rows": "age\nx"}, headers=BROWSER)

    assert 422 == refused.status_code
    assert 'name="after" value="models/parcel"' in refused.text


@pytest.mark.parametrize(
    "after", ["https://evil.example", "//evil.example", "models\r\nX: y", "../x", "models/..//x"]
)
def test_language_when_another_address_is_named_leads_to_the_models(
    client: FlaskClient, after: str
) -> None:
    chosen = client.post("/language", data={"language": "es", "after": after})

    assert "models" == chosen.headers["Location"]


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({"language": "tlh"}, {}, 400),
        ({}, {}, 400),
        ({"language": "es"}, {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_language_when_unknown_or_chosen_by_another_site_is_refused(
    client: FlaskClient, form: dict[str, str], headers: dict[str, str], status: int
) -> None:
    answer = client.post("/language", data=form, headers=headers)

    assert status == answer.status_code
    assert "Set-Cookie" not in answer.headers


def test_rejection_by_the_worker_is_in_the_language_and_the_loop_stays_english(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    keys.add(make_key("somebody")[1])
    app = serve(toy_store, "parcel", keys_file=keys.path)
    rejections = app.extensions["application"].rejections

    def refused(headers: dict[bytes, bytes]) -> str:
        return str(rejections.admission(b"POST", b"/v0/predict", headers).decode())

    assert "envíe una clave de API" in refused({b"accept-language": b"es"})
    assert "\r\nContent-Language: es\r\nVary: Accept-Language\r\n" in refused(
        {b"accept-language": b"es"}
    )
    assert "envie uma chave de API" in refused({b"cookie": b"language=pt-BR"})
    assert "send an API key" in refused({})
    assert "send an API key" == gettext("send an API key")


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, 0),
        ({b"accept-language": b"*"}, 0),
        ({b"accept-language": b"en-GB,en;q=0.8"}, 0),
        ({b"accept-language": b"pt-BR"}, 1),
        ({b"accept-language": b"en;q=0.1, es"}, 1),
        ({b"cookie": b"language=es"}, 1),
    ],
)
def test_fast_path_when_another_language_is_preferred_leaves_the_request(
    app: Flask, headers: dict[bytes, bytes], left: int
) -> None:
    body = app.json.dumps(EXAMPLES["parcel"]).encode()
    app.test_client().post("/v0/predict", data=body)  # loads the version

    (answer,) = ask_loop(app, [("/v0/predict", headers, body)])

    assert left == [answer].count(None)


def test_plural_when_none_or_many_follows_the_language() -> None:
    texts = ("the parameter {others}", "the parameters {others}")
    forms = {}
    for tag in LANGUAGES:
        choose(tag)
        forms[tag] = [ngettext(*texts, count).split()[0] for count in (0, 1, 2)]
    choose("en")

    assert {"en": ["the"] * 3, "pt-BR": ["os", "o", "os"], "es": ["los", "el", "los"]} == forms


def test_glossary_when_it_translates_a_word_says_what_the_catalogues_say() -> None:
    page = (ROOT / "docs/reference/glossary.md").read_text().partition("| English |")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in page.splitlines()[2:]]
    assert len(rows) >= 25
    for place, tag in enumerate(("pt_BR", "es"), start=1):
        with (ROOT / f"engine/languages/{tag}/LC_MESSAGES/engine.po").open() as file:
            texts = [(str(each.id).lower(), str(each.string).lower()) for each in read_po(file)]
        used = {row[0] for row in rows for english, other in texts
                if re.search(rf"\b{row[0]}", english) and row[place] in other}  # fmt: skip
        assert used == {row[0] for row in rows}, tag


def test_text_that_is_stored_is_in_english_whatever_was_chosen() -> None:
    choose("es")
    try:
        with in_english():
            assert "Models" == gettext("Models")
        assert "Modelos" == gettext("Models")
    finally:
        choose("en")
