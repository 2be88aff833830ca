"""What a form reads and shows: addresses that fill it, and numbers as languages write them."""

from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from engine.languages import choose
from engine.pages.answer import shown_answer
from engine.pages.controls import control, example_texts, slider, typed_value
from engine.schema import Category, Date, DateTime, Number
from engine.schema.record_schema import Schema
from tests.pages.test_form import Form, post

CARD: Any = {"reference": {}}


def test_control_is_what_a_kind_says_of_itself() -> None:
    iso, own = (
        Date(name="d", example="2024-05-17"),
        Date(name="d", example="17/05/2024", formats=("%d/%m/%Y",)),
    )
    moment = DateTime(name="d", example="2024-05-17T08:00:00")
    coded = Category(name="c", categories={1: "low", 2: "high"}, example="low")
    texts = ((iso, "2024-05-17"), (own, "17/05/2024"), (moment, "2024-05-17T08:00:00"))

    assert ["date", "text", "datetime-local"] == [
        control(field, text, "", CARD)["type"] for field, text in texts
    ]
    assert "text" == control(iso, "17th of May", "is odd", CARD)["type"]
    assert ["low", "high"] == [*control(coded, "low", "", CARD)["choices"]]
    many = Category(name="c", categories=tuple(map(str, range(1000))), example="5")
    assert {} == control(many, "5", "", CARD)["choices"]
    assert many.expected()[1:] in control(many, "5", "", CARD)["hint"]


def test_form_when_dates_are_declared_in_another_format_offers_the_calendar_of_the_browser() -> (
    None
):
    field = Date(name="d", example="17/05/2024", formats=("%d/%m/%Y",))
    schema = Schema(fields=(field,), target=Number(name="t", example=1))

    [(_, text)] = example_texts(schema, {})

    assert "2024-05-17" == text
    entry = control(field, text, "", CARD)
    assert ("date", "") == (entry["type"], entry["hint"])


def test_form_when_an_address_has_values_is_filled_and_predicts_nothing(
    toy_client: FlaskClient,
) -> None:
    before = toy_client.get("/metrics").text.count("model_predictions_total")

    answer = toy_client.get("/models/parcel?weight=7.25&field.colour=red&shape=%3Cb%3E&odd=1")

    form = Form(answer)
    assert 200 == answer.status_code
    assert "7.25" == form.controls["field.weight"]["value"]
    assert "red" == form.controls["field.colour"]["value"]
    assert "<b>" == form.controls["field.shape"]["value"]
    assert "probability" not in form.words
    assert before == toy_client.get("/metrics").text.count("model_predictions_total")


def test_link_when_followed_fills_the_form_with_the_values_that_were_sent(
    toy_client: FlaskClient,
) -> None:
    sent = Form(toy_client.get("/models/parcel")).values()
    sent |= {"field.weight": "7.25", "field.shape": "a&b=c é", "field.height": ""}

    page = post(toy_client, "/models/parcel", sent).text
    link = unescape(page.rpartition("Link to these values")[0].rpartition('href="')[2])
    link = link.partition('"')[0]
    followed = Form(toy_client.get(f"/models/parcel?{urlsplit(link).query}"))

    assert ["a&b=c é"] == parse_qs(urlsplit(link).query)["shape"]
    assert sent == followed.values()


def test_link_when_values_are_long_is_left_out(toy_client: FlaskClient) -> None:
    sent = Form(toy_client.get("/models/parcel")).values() | {"field.shape": "x" * 2000}

    assert "Link to these values" not in post(toy_client, "/models/parcel", sent).text


def test_form_when_sent_with_parameters_is_refused_as_any_prediction(
    toy_client: FlaskClient,
) -> None:
    answer = toy_client.post("/models/parcel?weight=5", data={"field.weight": "5"})

    assert 400 == answer.status_code


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("pt-BR", "1,5", 1.5), ("pt-BR", "1.5", 1.5), ("pt-BR", "1.234,5", 1234.5),
        ("es", "1.234.567", 1234567), ("es", "-0,25", -0.25), ("es", "0.234", 0.234),
        ("es", "12", 12), ("es", "", None), ("es", "1.234", "1.234"), ("es", "1,2,3", "1,2,3"),
        ("es", "1,5e-3", 0.0015), ("en", "1.234", 1.234), ("en", "1,5", "1,5"),
    ],
)  # fmt: skip
def test_number_is_read_as_its_language_writes_it(language: str, text: str, value: object) -> None:
    choose(language)
    try:
        read = typed_value(Number(name="n", example=1, missing="accept"), text)
    finally:
        choose("en")

    assert value == read


def test_form_when_the_language_has_a_decimal_comma_shows_and_takes_it(
    toy_client: FlaskClient,
) -> None:
    headers = {"Accept-Language": "pt-BR"}

    form = Form(toy_client.get("/models/parcel?height=0.5", headers=headers))
    values = form.values()
    answer = toy_client.post("/models/parcel", data=values, headers=headers)
    unclear = values | {"field.height": "1.234"}
    refused = toy_client.post("/models/parcel", data=unclear, headers=headers)

    assert ("12,5", "0,5") == (values["field.weight"], values["field.height"])
    assert 200 == answer.status_code
    assert values == Form(answer).values()
    assert {"field.height"} == Form(refused).invalid()
    problem = Form(refused).words
    assert "1234" in problem
    assert "1,234" in problem


def test_problem_and_answer_name_values_as_the_language_of_the_page_writes_them() -> None:
    number = Number(name="ratio", example=0.5, minimum=0, maximum=1)
    target = Category(name="kind", categories=("a", "b", "c", "d"), example="a")
    schema = Schema(fields=(DateTime(name="day", example="2024-05-17T08:00:00"),), target=target)
    reason = {"field": "day", "value": "2024-05-17T08:00:00", "contribution": 0.1}
    choose("pt-BR")
    try:
        problem = control(number, "1,2", f"é 1.2: {number.expected()}", CARD)["problem"]
        answer = shown_answer(schema, {
            "value": "a", "probability": 0.5, "set": {"classes": ["a", "b", "c", "d"],
            "coverage": 0.9}, "explanation": {"class": "a", "typical": 0.4,
                                              "contributions": [reason]},
        })  # fmt: skip
    finally:
        choose("en")

    assert "Ratio é 1,2." == problem
    assert "b, c ou d" in answer["doubts"][0]
    assert "17/05/2024 08:00:00" == answer["reasons"]["rows"][0]["value"]


def test_slider_covers_what_the_version_has_learnt_from_inside_the_declared_range() -> None:
    card: Any = {"reference": {"n": {"edges": [500.0, 900.0, 1700.0], "counts": [1, 1, 1, 1]}}}
    wide = Number(name="n", example=800, minimum=1, maximum=1_000_000)
    free = Number(name="n", example=1)

    known = slider(wide, "800", card)
    outside = slider(wide, "5000", card)

    assert known is not None
    assert outside is not None
    assert (1, 2300) == (float(known["low"]), float(known["high"]))
    assert 5000 == float(outside["high"])
    assert {"low": "0", "high": "100", "step": "1", "value": "50"} == slider(
        Number(name="m", example=1, minimum=0, maximum=100), "50", CARD
    )
    assert slider(free, "1", CARD) is None
