"""What the form of a model says of how sure its answer is."""

import re

from flask.testing import FlaskClient

from engine.languages import local_number
from engine.schema.messages import plain
from tests.pages.test_form import Form, post


def test_form_when_sent_says_how_sure_the_answer_is(toy_client: FlaskClient) -> None:
    values = {"field.area": "1e6", "field.rooms": "99", "field.city": "Natal"}
    body = {"area": 1e6, "rooms": 99, "city": "Natal"}
    own = toy_client.post("/v0/models/rent/predict", json=body).get_json()["prediction"]
    low, high = (plain(own["interval"][end], 5) for end in ("low", "high"))

    far = Form(post(toy_client, "/models/rent", values))
    near = Form(post(toy_client, "/models/rent", values | {"field.area": "90", "field.rooms": "2"}))
    sized = Form(toy_client.get("/models/parcel"))
    sized = Form(post(toy_client, "/models/parcel", sized.values()))

    low, high = (local_number(text) for text in (low, high))
    assert f"In 90% of cases, the true value is {low} to {high} BRL per month." in far.words
    assert "This record is unlike all rows" in far.words
    assert "This record is unlike" not in near.words
    sentence = "It could also be (small|medium|large)|Nothing else is likely"
    assert re.search(sentence, sized.words)


def test_form_when_asked_why_shows_what_the_json_answer_says(toy_client: FlaskClient) -> None:
    values = {"field.area": "1e6", "field.rooms": "99", "field.city": "Natal"}
    body = {"area": 1e6, "rooms": 99, "city": "Natal"}
    answer = toy_client.post("/v0/models/rent/predict?explain=true", json=body).get_json()
    strongest = answer["prediction"]["explanation"]["contributions"][0]

    silent = Form(post(toy_client, "/models/rent", values))
    whys = Form(post(toy_client, "/models/rent", values | {"explain": "on"}))

    assert "area: 1,000,000 m2" in whys.words.replace("²", "2")
    assert "area" == strongest["field"]
    assert f"+{local_number(plain(strongest['contribution'], 3))}" in whys.words
    assert "typical" in whys.words
    assert "typical" not in silent.words


def test_form_when_asked_why_names_the_class_whose_probability_moved(
    toy_client: FlaskClient,
) -> None:
    form = Form(toy_client.get("/models/parcel"))

    whys = Form(post(toy_client, "/models/parcel", form.values() | {"explain": "on"}))

    assert re.search("typical record the probability of (small|medium|large) is", whys.words)
    assert re.search(r"[+−]\d+\.\d points", whys.words)  # noqa: RUF001  a minus
