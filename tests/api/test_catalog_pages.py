"""The lists and descriptions of /v0: a browser is led to a page, a program gets JSON."""

from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/v0/models", "/models"),
        ("/v0/models/rent", "/v0/models/rent/versions/{rent}"),
        ("/v0/models/rent/versions", "/models/rent/versions"),
        ("/v0/models/rent/model_info", "/v0/models/rent/versions/{rent}"),
        ("/v0/models/rent/versions/{rent}/model_info", "/v0/models/rent/versions/{rent}"),
        ("/v0/model_info", "/v0/models/parcel/versions/{parcel}"),
    ],
)
def test_description_leads_a_browser_to_its_page_and_answers_a_program(
    toy_client: FlaskClient, toy_store: ModelStore, path: str, page: str
) -> None:
    versions = {name: toy_store.promoted(name) for name in ("rent", "parcel")}
    path, page = path.format(**versions), page.format(**versions)

    led = toy_client.get(path, headers=BROWSER)
    followed = toy_client.get(urljoin(path, led.headers["Location"]), headers=BROWSER)
    programs = [toy_client.get(path, headers={"Accept": kind}) for kind in ("*/*", "text/html")]

    assert (302, page) == (led.status_code, urljoin(path, led.headers["Location"]))
    assert "://" not in led.headers["Location"]
    assert (200, "text/html") == (followed.status_code, followed.mimetype)
    for program in programs:
        assert (200, "application/json") == (program.status_code, program.mimetype)
        assert "Accept" in program.headers["Vary"]


def test_description_of_no_model_is_a_page_for_a_browser(toy_client: FlaskClient) -> None:
    answer = toy_client.get("/v0/models/nobody", headers=BROWSER)

    assert (404, "text/html") == (answer.status_code, answer.mimetype)
