"""One version over HTTP: for programs, as Markdown, as a page; and what was before it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.cards.difference import difference
from engine.cards.markdown import model_card
from engine.pages.version import SHOWN
from engine.runtime.loading import as_card
from persistence.model_persistence import ModelStore
from persistence.promotions import Pointer, Promotion, version_beneath
from tests.support.answers import read_problem
from tests.support.application import serve
from tests.support.models import unstored
from tests.support.plain_versions import plain_store
from tests.support.project import ROOT

A, B, C, D = (f"2020010{day}T000000Z-{day:05x}" for day in range(1, 5))
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def store(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with two parcels, the older promoted; the newer one's words are hostile."""
    found = ModelStore(tmp_path_factory.mktemp("store"))
    card = toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    found.promote("parcel", found.write(unstored(card), files))
    scores = {name: {**one, "value": one["value"] + 0.125} for name, one in card["scores"].items()}
    changed = {
        **unstored(card), "created_at": "2021-01-01T00:00:00+00:00", "title": HOSTILE,
        "description": HOSTILE, "trained_by": HOSTILE, "scores": scores,
        "hyperparameters": {**card["hyperparameters"], HOSTILE: HOSTILE},
        "challenge": {**card["challenge"], "reason": HOSTILE},
    }  # fmt: skip
    found.write(changed, files)
    return found


@pytest.fixture(scope="module")
def client(store: ModelStore) -> FlaskClient:
    return serve(store, "parcel").test_client()


def ask(client: FlaskClient, version: str, accept: str = "") -> TestResponse:
    path = f"/v0/models/parcel/versions/{version}"
    return client.get(path, headers={"Accept": accept} if accept else {})


def test_version_when_asked_for_is_described_beside_the_one_before(
    store: ModelStore, client: FlaskClient
) -> None:
    old, new = store.versions("parcel")
    cards = [store.read_card("parcel", one) for one in (old, new)]

    first, second = (ask(client, one).get_json() for one in (old, new))

    assert (True, None, None) == (first["promoted"], first["previous"], first["compared"])
    assert (False, old) == (second["promoted"], second["previous"])
    assert difference(*cards) == second["compared"]
    changes = [one["change"] for one in second["compared"]["scores"].values()]
    assert [0.125] * 4 == pytest.approx(changes)
    for card, shown in zip(cards, (first, second), strict=True):
        assert {key: card[key] for key in SHOWN} == {key: shown[key] for key in SHOWN}


def test_version_when_described_keeps_the_training_rows_histograms_back(
    store: ModelStore, client: FlaskClient
) -> None:
    version = store.versions("parcel")[0]
    card = store.read_card("parcel", version)

    shown = ask(client, version).get_json()

    assert card["reference"]
    assert {"reference", "golden", "format", "model", "tie"} == set(card) - set(shown)
    added = {"name", "version_name", "promoted", "previous", "compared"}
    assert added == set(shown) - set(card)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"), ("*/*", "application/json"), (BROWSER, "text/html"),
        ("text/markdown", "text/markdown"), ("text/markdown, text/html;q=0.5", "text/markdown"),
        ("application/json;q=0.1, text/html", "text/html"),
    ],
)  # fmt: skip
def test_version_when_a_form_is_asked_for_comes_in_it(
    store: ModelStore, client: FlaskClient, accept: str, kind: str
) -> None:
    version = store.versions("parcel")[0]

    answer = ask(client, version, accept)

    assert (200, kind) == (answer.status_code, answer.mimetype)
    assert "Accept" in answer.headers["Vary"]
    if kind == "text/markdown":
        assert model_card(as_card(store.read_card("parcel", version))) == answer.text


def test_version_when_no_such_form_or_version_is_refused(
    store: ModelStore, client: FlaskClient
) -> None:
    version = store.versions("parcel")[0]

    read_problem(ask(client, version, "image/png"), 406)
    for absent in ("20200101T000000Z-00000", "..", "x" * 300, "%00"):
        read_problem(ask(client, absent), 404)
        read_problem(client.get(f"/v0/models/nobody/versions/{absent}"), 404)


class Seen(HTMLParser):
    """What a page has: tags, what they refer to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_page_when_the_words_are_hostile_shows_them_and_runs_nothing(
    store: ModelStore, client: FlaskClient
) -> None:
    version = store.versions("parcel")[1]

    answer = ask(client, version, BROWSER)

    page = Seen(answer.text)
    assert not {"script", "img", "iframe", "object"} & page.tags
    assert not {"style", "src", "srcset"} & page.attributes
    assert not [href for href in re.findall('href="(.*?)"', answer.text) if ":" in href]
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.words.count(HOSTILE) >= 5
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "DENY" == answer.headers["X-Frame-Options"]


def test_page_when_read_says_what_the_version_is(store: ModelStore, client: FlaskClient) -> None:
    version = store.versions("parcel")[0]
    card = store.read_card("parcel", version)

    words = Seen(ask(client, version, BROWSER).text).words

    links = re.findall('href="(.*?)"', ask(client, version, BROWSER).text)
    assert "../../../../models/parcel" in links
    for one in (
        version, card["title"], card["data"]["sha256"], card["digest"], card["trained_by"],
        card["challenge"]["reason"][1:], *(f"{s['value']:.4f}" for s in card["scores"].values()),
        *(one["name"] for one in card["schema"]["fields"]),
    ):  # fmt: skip
        assert one in words


@pytest.mark.parametrize("accept", ["application/json", BROWSER])
def test_version_when_the_one_before_is_damaged_is_shown_alone(
    toy_store: ModelStore, tmp_path: Path, accept: str
) -> None:
    store = plain_store(tmp_path, toy_store, (1, 2))
    old, new = store.versions("rent")
    (store.root / "rent" / old / "card.json").write_text("{}")
    store.promote("rent", new)

    client = serve(store, "rent").test_client()
    answer = client.get(f"/v0/models/rent/versions/{new}", headers={"Accept": accept})

    assert 200 == answer.status_code
    if answer.is_json:
        described = answer.get_json()
        assert (old, None) == (described["previous"], described["compared"])


@pytest.mark.parametrize("kept", sorted(ROOT.glob("tests/support/versions/*")), ids=str)
@pytest.mark.parametrize("accept", ["application/json", "text/markdown", "text/html"])
def test_version_when_of_before_is_shown(kept: Path, accept: str) -> None:
    store = ModelStore(kept)
    path = f"/v0/models/toy/versions/{store.promoted('toy')}"

    answer = serve(store, "toy").test_client().get(path, headers={"Accept": accept})

    assert 200 == answer.status_code
    assert not re.search(r"\bUndefined\b", answer.text)


@pytest.mark.parametrize(
    ("promoted", "version", "expected"),
    [
        ((A, B), B, A), ((A, B), A, None), ((B, A), A, B), ((A, B), D, C), ((), C, B),
        ((A, C, A), A, C), ((D, B), B, None),
    ],
)  # fmt: skip
def test_version_before_when_it_was_promoted_is_what_was_promoted_until_then(
    promoted: tuple[str, ...], version: str, expected: str | None
) -> None:
    stored = [one for one in (A, B, C) if one != D] + [D] * (version == D)
    pointer = Pointer(tuple(Promotion(one, "then") for one in promoted)) if promoted else None

    assert expected == version_beneath(pointer, version, stored)


def test_page_says_how_far_the_coverage_holds(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    paths = [
        f"/v0/models/{name}/versions/{toy_store.promoted(name)}" for name in ("rent", "parcel")
    ]

    rent, parcel = (toy_client.get(path, headers={"Accept": BROWSER}).text for path in paths)

    assert "is not measured: 21 held-out rows are too few." in rent
    assert "<summary>How often its sets of classes hold</summary>" in parcel
    assert "Sets that should contain the truth for 90 of 100 records did so for " in parcel


def test_page_writes_the_numbers_of_its_tables_as_its_language_does(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    path = f"/v0/models/parcel/versions/{toy_store.promoted('parcel')}"
    headers = {"Accept": BROWSER, "Accept-Language": "pt-BR"}

    page = toy_client.get(path, headers=headers).text
    classes = page.partition("<summary>Por classe")[2].partition("</table>")[0]

    assert re.search(r">\d,\d{3}<", classes)
    assert not re.search(r">\d\.\d{3}<", classes)
