"""What the documentation says is what the project does: nothing missing, nothing stale."""

import importlib.util
import json
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask.testing import FlaskClient

from build_model import _parser
from engine.records.rows import MAX_RECORDS
from engine.schema import Category, Flag, ModelDefinition, Number
from engine.schema.problem_codes import Code
from engine.scoring.metrics import SCORES
from persistence.model_persistence import ModelStore
from settings import Settings
from tests.support.application import serve
from tests.support.pages import (
    NO_SETTINGS,
    blocks,
    prose,
    table,
    words,
)
from tests.support.project import ROOT, list_files

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
#: The README is a page of the documentation until a user writes their own.
README = [ROOT / "README.md"] * (ROOT / "README.md").read_text().startswith("# Pronto\n")
PAGES = [*README, *sorted(DOCS.rglob("*.md"))]


def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):.*## ", (ROOT / "makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_is_well_formed(page: Path) -> None:
    links = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page))

    for place, _, anchor in (link.partition("#") for link in links):
        target = page.parent / place if place else page
        assert target.exists(), place
        slugs = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in [
            re.sub(r"[^\w -]", "", s).lower().replace(" ", "-") for s in slugs
        ]
    assert [] == [line for line in prose(page).splitlines() if len(line) > 120]
    text = re.sub(r"(?s)<!-- buttons -->.*?<!-- end -->", "", page.read_text())
    assert [] == re.findall(r"https?://(?!127\.0\.0\.1:8000)|/(?:root|home|work|Users)/", text)
    for block in blocks(page):
        assert block.kind != "json" or json.loads(block.text)


def test_every_page_is_in_the_index() -> None:
    linked = re.findall(r"\]\(([^)#]+\.md)\)", (DOCS / "index.md").read_text())

    others = {ROOT / "README.md", DOCS / "index.md"}
    assert {(DOCS / link).resolve() for link in linked} == set(PAGES) - others


def test_generated_pages_are_current() -> None:
    assert [] == generate().stale()


def test_readme_has_buttons_where_the_address_of_the_repository_is_set() -> None:
    text = "# A\n\n<!-- buttons -->\nold\n<!-- end -->\n\nOurs.\n"

    with_none = generate().readme(text, "")
    with_one = generate().readme(text, "https://github.com/us/it")

    assert "# A\n\n<!-- buttons -->\n<!-- end -->\n\nOurs.\n" == with_none
    assert "](https://www.heroku.com/deploy?template=https://github.com/us/it)" in with_one
    assert "](https://codespaces.new/us/it)" in with_one
    assert "codespaces" not in generate().readme(text, "https://git.example/us/it")
    assert "# Theirs\n" == generate().readme("# Theirs\n", "https://github.com/us/it")


def test_stale_page_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = generate()
    monkeypatch.setattr(module, "REFERENCE", tmp_path)
    for path, text in module.pages().items():
        path.write_text(text)

    (tmp_path / "make.md").write_text("old")

    assert [tmp_path / "make.md"] == module.stale()


def test_decisions_are_numbered_short_and_in_three_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))

    assert [f"{number:04d}" for number in range(1, len(pages) + 1)] == [
        page.name[:4] for page in pages
    ]
    for page in pages:
        lines = page.read_text().splitlines()
        assert len(lines) <= 40, page.name
        assert ["## Context", "## Decision", "## Consequences"] == [
            one for one in lines if one[:3] == "## "
        ]


def test_page_of_the_folders_shows_every_entry() -> None:
    (tree,) = (block.text for block in blocks(REFERENCE / "folders.md") if not block.kind)
    shown, folder = [], ""
    for line in tree.splitlines():
        name = line.split()[0].rstrip("/")
        folder = folder if line[0] == " " else name
        shown.append(f"{folder}/{name}" if line[0] == " " else name)
    ignored = {line.strip("/\n") for line in (ROOT / ".slugignore").open()}

    assert [] == [
        name
        for name in shown
        if not (ROOT / name).exists() and name not in {*ignored, "artifacts", "data"}
    ]
    if (ROOT / ".git").exists():
        assert {path.split("/")[0] for path in list_files()} <= set(shown)


def test_every_setting_is_documented() -> None:
    settings = {one.name.upper() for one in fields(Settings)}
    text = "\n".join(page.read_text() for page in PAGES)

    assert settings == set(table(REFERENCE / "settings.md", "Settings"))
    shown = set(re.findall(r"\b(?!AIRFLOW|AWS|AZURE|GOOGLE)[A-Z]+_[A-Z_]+\b", text))
    assert shown <= settings | NO_SETTINGS


def test_every_make_target_is_documented_and_no_other() -> None:
    listed = {name.removeprefix("make ") for name in table(REFERENCE / "make.md", "make")}
    commands = [block.text for page in PAGES for block in blocks(page) if block.kind == "sh"]
    shown = re.findall(r"^make (\S+)", "".join(commands), re.MULTILINE)
    named = [name for page in PAGES for name in re.findall(r"`make ([a-z_-]+)", prose(page))]

    assert targets() == listed
    assert {*shown, *named} <= listed


def test_every_command_exists_and_takes_its_options() -> None:
    lines = [
        line
        for page in PAGES
        for block in blocks(page)
        if block.kind == "sh"
        for line in block.text.splitlines()
    ]
    scripts = [words(line) for line in lines if re.match(r"(\.venv/bin/)?python \S+\.py", line)]

    for _, script, *options in scripts:
        assert (ROOT / script).is_file()
        assert script != "build_model.py" or _parser().parse_args(options)
    text = "\n".join(page.read_text() for page in PAGES)
    assert [] == [
        one
        for one in _parser()._option_string_actions
        if one[:2] == "--" and one not in f"{text} --help"
    ]


def test_every_route_is_documented(client: FlaskClient) -> None:
    shown = re.findall(r"^### `([A-Z]+ /\S*)`$", (REFERENCE / "http.md").read_text(), re.MULTILINE)
    routes = [
        f"{method} {rule.rule}"
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]

    assert sorted(routes) == sorted(shown)


def test_every_error_code_and_status_is_documented(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    statuses = {
        s for path in document["paths"].values() for one in path.values() for s in one["responses"]
    }

    assert sorted(Code) == sorted(table(REFERENCE / "http.md", "Errors"))
    assert statuses <= set(table(REFERENCE / "http.md", "Statuses"))


@pytest.mark.parametrize(
    ("status", "method", "path", "body"),
    [
        ("302", "GET", "/", None),
        ("413", "POST", "/v0/predict", [0] * (MAX_RECORDS + 1)),
        ("503", "GET", "/readyz", None),
    ],
)
def test_status_without_an_example_is_answered(
    status: str, method: str, path: str, body: Any, client: FlaskClient, tmp_path: Path
) -> None:
    asked = serve(ModelStore(tmp_path), "credit").test_client() if status == "503" else client
    wish = {"Accept": "text/html"} if status == "302" else None

    assert int(status) == asked.open(path, method=method, json=body, headers=wish).status_code
    assert status in table(REFERENCE / "http.md", "Statuses")


def test_every_key_of_model_info_is_documented(client: FlaskClient) -> None:
    shown = table(REFERENCE / "http.md", "`GET /v0/model_info`")

    assert set(client.get("/v0/model_info").get_json()) == set(shown)


NAMED = {
    "scores": "score", "hyperparameters": "name", "libraries": "name", "files": "file",
    "impurity_importances": "feature", "permutation_importances": "field",
    "uncertainty.limits": "coverage", "reference": "field", "reference.<field>.counts": "category",
}  # fmt: skip


def keys(value: Any, path: str = "") -> set[str]:
    """List the keys of a card by their path; names of the user's own become ``<kind>``."""
    lists = ("class_scores", "golden", "bands", "calibration")
    if path.endswith(lists) and isinstance(value, list):
        return keys(value[0], path) if value else set()
    leaves = ("schema.target", "example.record", "golden.record", "hyperparameters.<name>")
    if not isinstance(value, dict) or path in leaves:
        return {path}
    steps = {name: f"<{NAMED[path]}>" if path in NAMED else name for name in value}
    return {
        key
        for name, step in steps.items()
        for key in keys(value[name], f"{path}.{step}".lstrip("."))
    }


def test_every_key_of_a_card_is_documented(credit_store: ModelStore, toy_store: ModelStore) -> None:
    cards = [store.read_card(name) for store in (credit_store, toy_store) for name in store.names()]
    costs = dict.fromkeys(("false_positive", "false_negative", "rows", "curve"))
    aside = {"most": 0.1, "rules": [], "rows": 1, "reasons": {"<reason>": 1}}
    data = {"held_out_from": 0.0, "set_aside": aside}
    more = {"data": data, "costs": costs, "request_threshold": True}
    more |= {"answer": "value", "log_tables": "file", "reasons": 4, "uncertainty": {"remark": ""}}
    more["pictures"] = {"bands": [dict.fromkeys(("predicted", "rows", "true", "error"))]}
    with_gain = {"challenge": {"gain": dict.fromkeys(("value", "low", "high"))}, **more}
    imported = {"file": "model.pkl", "format": "pickle", "sha256": "", "libraries": {"<name>": "2"}}
    found = {key for card in (*cards, with_gain, {"imported": imported}) for key in keys(card)}
    shown = set(re.findall(r"^\| `([^`]+)` \|", (REFERENCE / "card.md").read_text(), re.MULTILINE))

    assert set() == found - shown
    assert [] == [
        one for one in shown - found if not any(key.startswith(f"{one}.") for key in found)
    ]


def default_of(one: "Field[Any]") -> str:
    if one.name == "column":
        return "the name"
    default = one.default_factory() if one.default_factory is not MISSING else one.default
    written = str(default) if not isinstance(default, str) else f'"{default}"'
    return "needed" if default is MISSING else "none" if default is None else f"`{written}`"


def test_every_word_of_a_model_file_is_documented() -> None:
    page = REFERENCE / "model-file.md"
    shared = set.intersection(
        *({one.name for one in fields(kind)} for kind in (Number, Category, Flag))
    )
    shared -= {"synonyms"}

    for kind in (Number, Category, Flag, ModelDefinition):
        expected = {one.name: default_of(one) for one in fields(kind) if one.init}
        common = table(page, "Every field") if kind is not ModelDefinition else {}
        shown = table(page, f"`{kind.__name__}`") | {
            name: common[name] for name in shared & set(common)
        }
        assert expected == {name: cells[0] for name, cells in shown.items()}
    shown = table(page, "Scores")
    assert {name: ["lower", "higher"][one.is_better_higher] for name, one in SCORES.items()} == {
        name: cells[1] for name, cells in shown.items()
    }


def test_python_of_the_model_file_page_runs() -> None:
    namespace: dict[str, Any] = {}

    for block in blocks(REFERENCE / "model-file.md"):
        if block.kind == "python":
            exec(block.text, namespace)  # noqa: S102
