"""The model card: whole, and plain text whatever the model file says. Read by markdown-it."""

import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from engine.cards.markdown import model_card
from engine.runtime.loading import as_card
from persistence.model_persistence import ModelStore
from tests.support.models import TOYS, unstored
from tests.support.project import ROOT

HOSTILE = (
    "a | b\n\n# c <b>d</b> *e* _f_ `g` [h](x) ![i](y) ~~j~~ \\| &amp; $k$ \x00\u202e\u2028| l |"
)


def read(text: str) -> list[Any]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def tables(text: str) -> list[list[list[str]]]:
    """Give the cells of every table, as a reader sees them."""
    found: list[list[list[str]]] = []
    for one, after in zip(tokens := read(text), [*tokens[1:], None], strict=True):
        if one.type == "table_open":
            found.append([])
        elif one.type == "tr_open":
            found[-1].append([])
        elif one.type in ("td_open", "th_open"):
            assert after
            assert {"text", "text_special"} >= {part.type for part in after.children}
            found[-1][-1].append("".join(part.content for part in after.children))
    return found


@pytest.mark.parametrize("name", [*TOYS])
def test_model_card_when_written_says_what_the_card_says(toy_store: ModelStore, name: str) -> None:
    card: Any = toy_store.read_card(name)

    text = model_card(card)

    made, scores, *rest = tables(text)
    assert card["created_at"] in dict(made[1:])["trained"]
    assert card["data"]["sha256"] == dict(made[1:])["sha256"]
    assert card["trained_by"] == dict(made[1:]).get("by", "")
    assert {n: f"{s['value']:.4f}" for n, s in card["scores"].items()} == {
        row[0].removesuffix(" *"): row[1] for row in scores[1:]
    }
    names = [one["name"] for one in card["schema"]["fields"]]
    assert any(names == [row[0] for row in table[1:]] for table in rest)
    assert card["version"] in text
    assert card["description"] in text.replace("\\", "")
    assert f"/v0/models/{name}/versions/{card['version']}/predict" in text


def test_model_card_of_a_version_is_one_of_its_files(toy_store: ModelStore) -> None:
    card: Any = toy_store.read_card("parcel")

    stored = (toy_store.root / "parcel" / card["version"] / "model-card.md").read_text()

    trained_at = re.search(r"trained \| ([^,]+)", stored)
    assert trained_at
    assert stored == model_card(as_card({**unstored(card), "created_at": trained_at[1]}))


def test_model_card_when_the_words_are_hostile_keeps_its_form(toy_store: ModelStore) -> None:
    card: Any = toy_store.read_card("parcel")
    fields = [{**one, "unit": HOSTILE} for one in card["schema"]["fields"]]
    hostile: Any = {
        **card, "title": HOSTILE, "description": HOSTILE, "trained_by": HOSTILE,
        "runtime_reason": HOSTILE, "schema": {**card["schema"], "fields": fields},
        "data": {**card["data"], "name": HOSTILE, "note": HOSTILE},
        "example": {**card["example"], "record": {"x": "```\n'; rm -rf *"}},
    }  # fmt: skip

    usual, odd = model_card(card), model_card(hostile)

    kinds = [
        [one.type for one in read(text) if one.type != "list_item_open"] for text in (usual, odd)
    ]
    assert [one for one in kinds[0] if "table" in one] == [
        one for one in kinds[1] if "table" in one
    ]
    assert kinds[0].count("heading_open") == kinds[1].count("heading_open")
    assert 1 == kinds[1].count("fence")
    for usual_table, odd_table in zip(tables(usual), tables(odd), strict=True):
        assert {len(usual_table[0])} == {len(row) for row in odd_table}
    seen = dict(tables(odd)[0][1:])["by"]
    assert " ".join(HOSTILE.split()).replace("\x00", "\ufffd").replace("\u202e", "\ufffd") == seen


@pytest.mark.parametrize(
    "words", ["- item", "1. item", "# head", "> quote", "+ item", "===", "---"]
)
def test_model_card_when_a_description_begins_like_markup_is_a_paragraph(
    toy_store: ModelStore, words: str
) -> None:
    tokens = read(model_card(as_card({**toy_store.read_card("parcel"), "description": words})))

    place = next(at for at, one in enumerate(tokens) if one.content == "Intended use")
    assert ["paragraph_open", "inline"] == [one.type for one in tokens[place + 2 : place + 4]]
    assert words == "".join(part.content for part in tokens[place + 3].children)


@pytest.mark.parametrize("kept", sorted(ROOT.glob("tests/support/versions/*")), ids=str)
def test_model_card_when_the_version_is_of_before_is_written(kept: Path) -> None:
    store = ModelStore(kept)

    assert "## Scores" in model_card(as_card(store.read_card("toy")))
