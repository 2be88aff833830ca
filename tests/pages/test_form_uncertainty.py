"""What the form of a model says of how sure its answer is."""

import re

from flask.testing import FlaskClient

from engine.schema.messages import rounded
from tests.pages.test_form import Form, post


def test_form_when_sent_says_how_sure_the_answer_is(toy_client: FlaskClient) -> None:
    values = {"field.area": "1e6", "field.rooms": "99", "field.city": "Natal"}
    body = {"area": 1e6, "rooms": 99, "city": "Natal"}
    plain = toy_client.post("/v0/models/rent/predict", json=body).get_json()["prediction"]
    low, high = (rounded(plain["interval"][end]) for end in ("low", "high"))

    far = Form(post(toy_client, "/models/rent", values))
    near = Form(post(toy_client, "/models/rent", values | {"field.area": "90", "field.rooms": "2"}))
    sized = Form(toy_client.get("/models/parcel"))
    sized = Form(post(toy_client, "/models/parcel", sized.values()))

    whys = Form(post(toy_client, "/models/rent", values | {"explain": "on"}))

    assert "Area of 1000000 raised it by" in whys.words
    assert "raised it" not in far.words
    assert f"The true value is from {low} to {high} BRL per month in 90 % of cases." in far.words
    assert "No record like this was among those" in far.words
    assert "No record like this" not in near.words
    sentence = "In 90 % of cases, the true value is one of: (small|medium|large)"
    assert re.search(sentence, sized.words)
