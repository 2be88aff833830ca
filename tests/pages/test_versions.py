"""The versions of a model as a page, two of them compared, and one promoted by who may."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate
from tests.support.application import serve
from tests.support.browser import Watch, chromium
from tests.support.models import EXAMPLES
from tests.support.plain_versions import plain_store
from tests.support.serving import running, wait_until

HERE = {"Host": "127.0.0.1"}
BROWSER = {**HERE, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE, PROMOTE = "/models/rent/versions", "/models/rent/promote"


@pytest.fixture
def store(toy_store: ModelStore, tmp_path: Path) -> ModelStore:
    return plain_store(tmp_path / "store", toy_store, (1, 2, 3))


@pytest.fixture
def client(store: ModelStore) -> Iterator[FlaskClient]:
    with serve(store, "rent").test_client() as client:
        yield client


def form(version: str, expected: str, **more: str) -> dict[str, str]:
    return {"version": version, "expected": expected, "sure": "on", **more}


def test_page_lists_versions_with_score_and_state_and_compares_the_promoted_with_the_newest(
    store: ModelStore, client: FlaskClient
) -> None:
    one, _, three = store.versions("rent")
    score = store.read_card("rent", three)["scores"]["mae"]

    page = client.get(PAGE, headers=BROWSER).text

    listed = re.findall(r'class="version" href="[./]*/v0/models/rent/versions/([^"]+)"', page)
    assert [*reversed(store.versions("rent"))] == listed
    assert 1 == page.count('<span class="chip">promoted</span>')
    assert f"{score['low']:.4f} to {score['high']:.4f}" in page or "r2" in page
    for chosen in (one, three):
        assert f'<option value="{chosen}" selected>' in page
    assert "file model.onnx" in page
    assert f"Promote {three}" in page
    assert "Roll back" not in page


def test_page_writes_the_sizes_of_files_as_its_language_does(
    store: ModelStore, client: FlaskClient
) -> None:
    *_, two, three = store.versions("rent")
    files = [store.read_card("rent", each)["files"]["model.onnx"] for each in (two, three)]
    sizes = {f"{file['bytes']:,} B" for file in files}

    page = client.get(PAGE, headers={**BROWSER, "Accept-Language": "pt-BR"}).text

    assert {size.replace(",", ".") for size in sizes} <= {*re.findall(r"[\d.,]+ B(?=,)", page)}


def test_page_compares_two_versions_that_are_chosen_and_refuses_others(
    store: ModelStore, client: FlaskClient
) -> None:
    one, two, _ = store.versions("rent")

    chosen = client.get(f"{PAGE}?old={two}&new={one}", headers=BROWSER)
    absent = client.get(f"{PAGE}?old={two}&new=../x", headers=BROWSER)
    last = client.get(f"{PAGE}?limit=1&after={two}", headers=BROWSER).text

    assert re.search(f'value="{two}" selected.*value="{one}" selected', chosen.text, re.DOTALL)
    assert f"Promote {one}" not in chosen.text
    assert (404, "text/html") == (absent.status_code, absent.mimetype)
    assert (1, 0) == (last.count(f'rent/versions/{one}">{one}<'), last.count(">Older versions<"))


def test_promotion_and_rollback_change_what_is_served_once(
    store: ModelStore, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, _ = store.versions("rent")
    back = form(one, two, rollback="1")

    with caplog.at_level(logging.INFO):
        answers = [client.post(PROMOTE, data=form(two, one), headers=BROWSER)]
        assert two == store.promoted("rent")
        assert f"Roll back to {one}" in client.get(PAGE, headers=BROWSER).text
        answers += [client.post(PROMOTE, data=back, headers=BROWSER) for _ in range(2)]

    assert [303, 303, 409] == [answer.status_code for answer in answers]
    assert "versions" == answers[0].headers["Location"]
    assert "nothing was changed" in answers[2].text
    assert [one, two, one] == [entry.version for entry in store.pointer("rent").promotions]
    assert store.pointer("rent").promotions[-1].is_rollback
    assert ["promoted", "rolled back"] == [
        record.message for record in caplog.records if record.name == "engine.pages.versions"
    ]


def test_rollback_while_a_version_is_on_trial_ends_the_trial_alone(
    store: ModelStore, client: FlaskClient
) -> None:
    one, two, _ = store.versions("rent")
    trial = Candidate(two, "shadow", 1.0, "request", "2026-01-02T10:15:00+00:00")
    store.change("rent", lambda pointer: pointer._replace(candidate=trial))  # type: ignore[union-attr]

    page = client.get(PAGE, headers=BROWSER).text
    answer = client.post(PROMOTE, data=form(one, one, rollback="1"), headers=BROWSER)

    assert "on trial: shadow" in page
    assert "End the trial" in page
    assert 303 == answer.status_code
    assert (None, one) == (store.pointer("rent").candidate, store.promoted("rent"))


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"sure": ""}, 422, "ick the box"), ({"version": "../rent"}, 422, "there is no version"),
        ({"expected": "20200101T000000Z-00000"}, 409, "nothing was changed"),
    ],
)  # fmt: skip
def test_promotion_that_is_not_meant_so_changes_nothing(
    store: ModelStore, client: FlaskClient, change: dict[str, str], status: int, says: str
) -> None:
    one, two, _ = store.versions("rent")
    sent = {key: text for key, text in {**form(two, one), **change}.items() if text}

    answer = client.post(PROMOTE, data=sent, headers=BROWSER)

    assert (status, "text/html") == (answer.status_code, answer.mimetype)
    assert says.lower() in answer.text.lower()
    assert one == store.promoted("rent")


def test_promotion_of_a_version_that_fails_its_checks_is_refused_as_by_the_command(
    store: ModelStore, client: FlaskClient
) -> None:
    one, two, _ = store.versions("rent")
    (store.root / "rent" / two / "model.onnx").write_bytes(b"other")

    answer = client.post(PROMOTE, data=form(two, one), headers=BROWSER)
    command = client.application.test_cli_runner().invoke(args=["models", "promote", "rent", two])

    assert 409 == answer.status_code
    reason = command.output.strip().partition("promote: ")[2].rstrip(".")
    assert f"{two} of rent is not promoted: " in reason
    assert reason in answer.text.replace("&#39;", "'")
    assert one == store.promoted("rent")


def test_promotion_needs_its_scope_and_the_button_shows_to_who_has_it(
    store: ModelStore, tmp_path: Path
) -> None:
    one, two, _ = store.versions("rent")
    file = KeyFile(tmp_path / "keys.json")
    texts = {}
    for scopes in (("read",), ("read", "promote"), ("read", "publish")):
        texts[scopes], key = make_key("person", scopes=scopes)
        file.add(key)
    client = serve(store, "rent", keys_file=file.path).test_client()

    for scopes, text in texts.items():
        may = "promote" in scopes
        page = client.get(PAGE, headers={**BROWSER, "x-api-key": text})
        answer = client.post(PROMOTE, data=form(two, one), headers={**BROWSER, "x-api-key": text})

        assert (200, may) == (page.status_code, 'action="promote"' in page.text)
        assert (303 if may else 403) == answer.status_code
        assert (two if may else one) == store.promoted("rent")
        store.promote("rent", one)
    assert 401 == client.post(PROMOTE, data=form(two, one), headers=BROWSER).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"}, {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
        {"Host": "models.example"}, {"X-Forwarded-For": "192.0.2.1"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("open_access", [False, True])
def test_promotion_from_another_site_or_machine_is_refused(
    store: ModelStore, headers: dict[str, str], *, open_access: bool
) -> None:
    one, two, _ = store.versions("rent")
    client = serve(store, "rent", open_access=open_access).test_client()

    answer = client.post(PROMOTE, data=form(two, one), headers={**BROWSER, **headers})

    assert 403 == answer.status_code
    assert one == store.promoted("rent")


@pytest.mark.slow
def test_person_promotes_a_version_in_a_browser_and_rolls_back(
    store: ModelStore, tmp_path: Path
) -> None:
    one, _, three = store.versions("rent")
    with running(
        tmp_path, until="/readyz", model_store=store.root, default_model="rent"
    ) as server, chromium() as browser:  # fmt: skip
        page = browser.new_page(viewport={"width": 320, "height": 700})
        complaints = Watch(page, "http://127.0.0.1").complaints

        def serves(version: str) -> bool:
            _, answer = server.ask("/v0/predict", EXAMPLES["rent"])
            return bool(answer["model"]["version"] == version)

        page.goto(f"http://127.0.0.1:{server.port}{PAGE}")
        assert 320 == page.evaluate("document.documentElement.scrollWidth")
        page.get_by_label(f"answer with {three}").check()
        page.get_by_role("button", name=f"Promote {three}").click()
        expect(page.get_by_role("button", name=f"Roll back to {one}")).to_be_visible()
        wait_until(lambda: serves(three), "the promoted version answers")
        page.get_by_label(f"answer with {one}").check()
        page.get_by_role("button", name=f"Roll back to {one}").click()
        expect(page.get_by_role("button", name="Roll back")).to_have_count(0)
        wait_until(lambda: serves(one), "the version before answers")

        assert [] == [one for one in complaints if not one.startswith("verbose")]
